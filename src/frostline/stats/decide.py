"""From results to a verdict: the one place where a decision is made and worded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.errors import AllTrialsFailed
from frostline.stats.bootstrap import bootstrap
from frostline.stats.claims import claims
from frostline.stats.compare import limits
from frostline.stats.contest import Arena, score_of_rule
from frostline.stats.metrics import METRICS, PLAIN, default_metric
from frostline.stats.pool import Pool, Truth, complete, gather
from frostline.stats.power import smallest_detectable_difference
from frostline.stats.rows import rows, spent, tied_recipes
from frostline.stats.rule import Choice, decide_rule, lead
from frostline.stats.weighted import mean_of_defined
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.verdict import Claim, Row, Score, Verdict, Word

__all__ = ["Candidate", "DecideSettings", "Truth", "choose_now", "decide"]

Array = npt.NDArray[Any]


DO_AS_WELL = {
    Family.PIXELS: "Raw pixels do",
    Family.RANDOM_FEATURES: "A frozen network with random weights does",
    Family.RANDOM_MATCHED: "A network with random weights of the pre-trained mean and variance does",
    Family.SCRATCH: "A network trained from scratch does",
}


UNNEEDED = {  # what a user may then do without
    Family.PIXELS: "a network",
    Family.RANDOM_FEATURES: "pre-trained weights",
    Family.RANDOM_MATCHED: "more of the pre-trained weights than their mean and variance",
    Family.SCRATCH: "pre-trained weights",
}


@dataclass(frozen=True)
class DecideSettings:
    """How to decide.

    Attributes:
        metric: None for the default of the number of classes.
        delta: None for .01, at most a quarter of what the best still lacks.
        replicates: of the bootstrap; `seed` of it.
        seconds, not_run, notes, interim: passed on to the verdict.
    """

    metric: str | None = None
    delta: float | None = None
    replicates: int = 1000
    seed: int = 0
    seconds: float = 0.0
    not_run: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interim: bool = False


def choose_now(
    results: Sequence[Result], truth: Truth, candidates: Sequence[Candidate], settings: DecideSettings
) -> Candidate | None:
    """What the rule would choose if nothing more were run, without a bootstrap; None before anything has finished."""
    metric = settings.metric or default_metric(len(truth.classes), truth.several)
    pool = gather(results, truth.numbered(), _with_costs(complete(candidates, results), results), metric)
    return pool.candidates[decide_rule(pool, settings.delta).chosen] if pool.candidates else None


def decide(
    results: Sequence[Result], truth: Truth, candidates: Sequence[Candidate], settings: DecideSettings = DecideSettings()
) -> Verdict:
    """The verdict on what has finished: chosen recipe, its bias-corrected score, claims, and a row for every candidate.

    Only results of the rung `full` count; screening fills `Row.screened`. Works on partial results (an interim verdict).

    Raises:
        AllTrialsFailed: no full-size trial finished.
        DataError: the metric is undefined on every fold.
    """
    metric = settings.metric or default_metric(len(truth.classes), truth.several)
    listed = _with_costs(complete(candidates, results), results)
    truth = truth.numbered()
    pool = gather(results, truth, listed, metric)
    if not pool.candidates:
        raise AllTrialsFailed(_all_failed(results))
    choice = decide_rule(pool, settings.delta)
    arena = Arena(pool, truth, bootstrap(pool, truth, settings.replicates, settings.seed), choice.delta)
    tied = tied_recipes(arena, choice.chosen)
    table = rows(arena, listed, results, choice.chosen, tied)
    control = lead(pool, np.array([n for n, c in enumerate(pool.candidates) if c.family.control], dtype=int))
    said = claims(arena, results)
    return Verdict(
        metric=metric,
        delta=choice.delta,
        chosen=_row(table, pool.candidates[choice.chosen]),
        control=None if control is None else _row(table, pool.candidates[control]),
        score=_score(arena, choice, settings.delta),
        claims=said,
        tied=tuple(arena.name(one) for one in _ordered(tied, pool)),
        rows=table,
        smallest_detectable_difference=_detectable(arena, choice),
        seconds=settings.seconds,
        first_words=_first_words(pool, choice, said, settings.interim),
        not_run=settings.not_run,
        notes=(*settings.notes, *_notes(pool, choice)),
        interim=settings.interim,
    )


def _with_costs(candidates: Sequence[Candidate], results: Sequence[Result]) -> list[Candidate]:
    """What each recipe trains is known from its trials: recipes of one family are told apart by it."""
    costs = spent(results)
    return [
        dataclasses.replace(one, trained_parameters=one.trained_parameters or costs[one.key].trained_parameters)
        if one.key in costs
        else one
        for one in candidates
    ]


def _all_failed(results: Sequence[Result]) -> str:
    failed = [result for result in results if result.outcome is not Outcome.DONE]
    if not failed:
        return "no trial has finished at full size yet; give more --time, or continue the run."
    last = failed[-1]
    return (
        f"all {len(failed)} finished trials failed; the last one, {last.trial.recipe}: {last.outcome.value}"
        + (f" ({last.message})" if last.message else "")
        + "."
    )


def _row(table: Sequence[Row], candidate: Candidate) -> Row:
    return next(row for row in table if (row.backbone, row.recipe) == candidate.key)


def _ordered(recipes: frozenset[int], pool: Pool) -> list[int]:
    means = mean_of_defined(pool.recipe_scores, axis=1)
    return sorted(recipes, key=lambda one: (-means[one], one))


def _score(arena: Arena, choice: Choice, delta: float | None) -> Score:
    found = score_of_rule(arena, choice, delta)
    how = "hold-out-corrected" if is_hold_out(arena.pool, choice.folds) else "cross-validation"
    images = len(arena.units_on(choice.folds).images)
    return Score(arena.pool.metric, found.interval(*limits(arena.pool.metric, difference=False)), how, images)


def is_hold_out(pool: Pool, folds: Array) -> bool:
    """All these splits validate on the same images: one hold-out, perhaps with several seeds."""
    first, *others = [pool.blocks[fold].indices for fold in np.flatnonzero(folds)]
    alone = len(pool.blocks) == 1
    return alone or (bool(others) and all(np.array_equal(first, other) for other in others))


def _detectable(arena: Arena, choice: Choice) -> float:
    repeats = arena.pool.repeats(choice.folds)
    units = arena.units_on(choice.folds)
    folds = max(len(repeat) for repeat in repeats)
    counts = None if arena.pool.metric in PLAIN else np.bincount(units.strata).tolist()
    return smallest_detectable_difference(units.count, folds, len(repeats), delta=choice.delta, class_counts=counts)


def _first_words(pool: Pool, choice: Choice, said: Sequence[Claim], interim: bool) -> str:
    """What must be said before all else: a control within delta of the leader that is not itself the chosen recipe.

    What that makes needless is said in the end only, and not beside a claim that pre-training helps.
    """
    means = {int(one): float(mean) for one, mean in zip(choice.eligible, choice.means, strict=True)}
    rivals = [
        one
        for one, mean in means.items()
        if one != choice.chosen
        and pool.candidates[one].family.control
        and means[choice.leader] - mean <= choice.delta + 1e-9
        and pool.candidates[choice.chosen].transfer
    ]
    if not rivals:
        return ""
    best = max(rivals, key=lambda one: means[one])
    family, title = pool.candidates[best].family, METRICS[pool.metric].title
    helps = any(claim.claim == "pretraining-helps" and claim.verdict is Word.HELPS for claim in said)
    how = "at least as well" if means[best] > means[choice.chosen] + choice.delta else "as well"
    return (
        f"{DO_AS_WELL[family]} {how}: measured {title} {means[best]:.3f} ({pool.candidates[best].recipe}) "
        f"against {means[choice.chosen]:.3f} of the chosen recipe, on the same images, not corrected for the choice."
    ) + ("" if interim or helps else f" These images may not need {UNNEEDED[family]}.")


def _notes(pool: Pool, choice: Choice) -> tuple[str, ...]:
    said = []
    if not pool.candidates[choice.chosen].choosable:
        said.append("Only controls have finished: there is nothing to hand over yet.")
    if not choice.folds.all():
        who = "The leader" if choice.lender == choice.leader else "The best that may be handed over"
        ran = f"ran on {int(choice.folds.sum())} of {len(choice.folds)} folds"
        said.append(f"{who} ({pool.candidates[choice.lender].recipe}) {ran}; recipes are compared on these.")
    return tuple(said)
