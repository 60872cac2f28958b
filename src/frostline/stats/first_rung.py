"""Who need not go on to all images, by what heads on a part of them have shown: within families, never across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frostline.stats.bootstrap import bootstrap
from frostline.stats.compare import limits
from frostline.stats.contest import Arena, contest
from frostline.stats.metrics import default_metric
from frostline.stats.pool import Key, Pool, Truth, complete, gather
from frostline.stats.rows import spent
from frostline.stats.rule import decide_rule
from frostline.stats.weighted import mean_of_defined
from frostline.terms.candidate import Candidate
from frostline.terms.result import Result

REPLICATES = 500


def clearly_behind(
    results: Sequence[Result],
    truth: Truth,
    candidates: Sequence[Candidate],
    metric: str | None,
    delta: float | None,
    seed: int,
    rung: str,
) -> tuple[Key, ...]:
    """Recipes whose 95 % interval lies more than delta below another one of their family and backbone on the same images.

    The other one trains no fewer parameters: more images help a wide head more than a narrow one, so that a narrow one that is
    ahead on few images says nothing against it. Never among them: controls; the best of a family; and the best recipe that does
    without some stage, by which it will be judged what that stage is worth.

    What this does not guarantee: that a recipe would have stayed behind with all images.
    """
    metric = metric or default_metric(len(truth.classes), truth.several)
    pool = gather(results, truth.numbered(), complete(candidates, results), metric, rung)
    if not pool.candidates:
        return ()
    draws = bootstrap(pool, truth.numbered(), REPLICATES, seed)
    arena = Arena(pool, truth.numbered(), draws, decide_rule(pool, delta).delta)
    trained = [spent(results)[one.key].trained_parameters for one in pool.candidates]
    means = mean_of_defined(pool.recipe_scores, axis=1)
    safe = _without_a_stage(pool, means)
    return tuple(
        one.key
        for number, one in enumerate(pool.candidates)
        if not one.family.control and number not in safe and _behind(arena, number, means, trained)
    )


def _behind(arena: Arena, one: int, means: np.ndarray, trained: Sequence[int]) -> bool:
    own = arena.pool.candidates[one]
    rivals = [
        other
        for other, candidate in enumerate(arena.pool.candidates)
        if (candidate.backbone, candidate.family) == (own.backbone, own.family)
        and trained[other] >= trained[one]
        and means[other] > means[one]
    ]
    if not rivals:
        return False
    found = contest(arena, np.array([max(rivals, key=lambda other: means[other])]), np.array([one]))
    return found is not None and found.difference.interval(*limits(arena.pool.metric, difference=True)).low > arena.delta


def _without_a_stage(pool: Pool, means: np.ndarray) -> set[int]:
    """Of each backbone and stage the best recipe that does not transfer it; recipes of which that is not known."""
    safe = {number for number, one in enumerate(pool.candidates) if one.transferred is None}
    for backbone in {one.backbone for one in pool.candidates if one.backbone}:
        own = [number for number, one in enumerate(pool.candidates) if one.backbone in (backbone, "") and number not in safe]
        for stage in {stage for number in own for stage in pool.candidates[number].transferred or ()}:
            without = [number for number in own if stage not in (pool.candidates[number].transferred or ())]
            safe |= {max(without, key=lambda number: means[number])} if without else set()
    return safe
