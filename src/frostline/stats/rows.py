"""The ranked table: one row for every line of the plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.compare import limits
from frostline.stats.contest import Arena, contest, score_of_recipe
from frostline.stats.pool import Key, Truth, gather, result_key
from frostline.stats.weighted import mean_of_defined
from frostline.terms.candidate import Candidate
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL
from frostline.terms.verdict import Row

Array = npt.NDArray[Any]

_LAST = {"screened": 1, "failed": 2, "not-run": 3}


@dataclass(frozen=True)
class Spent:
    """What all trials of a recipe cost, screening and failures included."""

    trials: int = 0
    seconds: float = 0.0
    trained_parameters: int = 0
    failure: str = ""


def spent(results: Sequence[Result]) -> dict[Key, Spent]:
    """For every recipe that was tried."""
    of: dict[Key, list[Result]] = defaultdict(list)
    for result in results:
        of[result_key(result)].append(result)
    return {key: _spent(mine) for key, mine in of.items()}


def _spent(results: Sequence[Result]) -> Spent:
    failed = [result for result in results if result.outcome is not Outcome.DONE]
    message = f"{failed[-1].outcome.value}{': ' if failed[-1].message else ''}{failed[-1].message}" if failed else ""
    parameters = max(result.trained_parameters for result in results)
    return Spent(len(results), sum(result.seconds for result in results), parameters, message)


def screened_scores(results: Sequence[Result], truth: Truth, candidates: Sequence[Candidate], metric: str) -> dict[Key, float]:
    """Each recipe's best configuration on the last screening rung it reached."""
    found: dict[Key, float] = {}
    for rung in sorted({result.trial.budget.rung for result in results} - {FULL}):
        pool = gather(results, truth, candidates, metric, rung)
        means = mean_of_defined(pool.recipe_scores, axis=1) if pool.candidates else ()
        found |= {c.key: float(mean) for c, mean in zip(pool.candidates, means, strict=True) if not np.isnan(mean)}
    return found


def tied_recipes(arena: Arena, chosen: int) -> frozenset[int]:
    """Recipes that the evidence does not distinguish from the chosen one: interval over 0, or difference within delta."""
    others = [one for one in range(len(arena.pool.candidates)) if one != chosen]
    return frozenset(one for one in others if _tied(arena, one, chosen))


def _tied(arena: Arena, one: int, chosen: int) -> bool:
    found = contest(arena, np.array([one]), np.array([chosen]))
    if found is None:
        return False
    interval = found.difference.interval(*limits(arena.pool.metric, difference=True))
    return interval.low <= 0 <= interval.high or abs(found.difference.centre) <= arena.delta


def rows(
    arena: Arena, candidates: Sequence[Candidate], results: Sequence[Result], chosen: int, tied: frozenset[int]
) -> tuple[Row, ...]:
    """All rows, ranked by score; those without one last: screened (best first), failed, not run."""
    costs = spent(results)
    screened = screened_scores(results, arena.truth, candidates, arena.pool.metric)
    place = {candidate.key: number for number, candidate in enumerate(arena.pool.candidates)}
    built = []
    for candidate in candidates:
        cost = costs.get(candidate.key, Spent())
        score = screened.get(candidate.key)
        if candidate.key in place:
            built.append(_run_row(arena, place[candidate.key], chosen, tied, cost, score))
        else:
            built.append(_other_row(candidate, arena.pool.metric, cost, score))
    return tuple(sorted(built, key=_rank))


def _rank(row: Row) -> tuple[int, float]:
    if row.score is not None:
        return 0, -row.score.value
    return _LAST[row.status], -row.screened if row.screened is not None else 0.0


def _run_row(arena: Arena, recipe: int, chosen: int, tied: frozenset[int], cost: Spent, screened: float | None) -> Row:
    candidate = arena.pool.candidates[recipe]
    return Row(
        recipe=candidate.recipe,
        family=candidate.family.value,
        backbone=candidate.backbone,
        metric=arena.pool.metric,
        score=score_of_recipe(arena, recipe).interval(*limits(arena.pool.metric, difference=False)),
        trials=cost.trials,
        folds=int(arena.pool.recipe_ran[recipe].sum()),
        seconds=cost.seconds,
        trained_parameters=candidate.trained_parameters or cost.trained_parameters,
        status=_status(candidate, recipe == chosen, recipe in tied),
        configuration=arena.pool.configurations[arena.pool.best[recipe]],
        flops=candidate.flops,
        screened=screened,
    )


def _status(candidate: Candidate, chosen: bool, tied: bool) -> str:
    if chosen and candidate.choosable:
        return "chosen"
    if candidate.family.control:
        return "control"
    return "tied" if tied else "done"


def _other_row(candidate: Candidate, metric: str, cost: Spent, screened: float | None) -> Row:
    status = "screened" if screened is not None else "failed" if cost.failure else "not-run"
    return Row(
        recipe=candidate.recipe,
        family=candidate.family.value,
        backbone=candidate.backbone,
        metric=metric,
        score=None,
        trials=cost.trials,
        folds=0,
        seconds=cost.seconds,
        trained_parameters=candidate.trained_parameters or cost.trained_parameters,
        status=status,
        flops=candidate.flops,
        screened=screened,
        note=cost.failure,
    )
