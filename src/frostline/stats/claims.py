"""The claims of a verdict, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.compare import SURE, needed_images, word
from frostline.stats.contest import Arena, comparison, contest
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.verdict import Claim, Word

Array = npt.NDArray[Any]


def claims(arena: Arena, results: Sequence[Result]) -> tuple[Claim, ...]:
    """Every claim of the closed list that this run can speak of."""
    found = [pretraining_helps(arena, results), tuning_beats_freezing(arena)]
    return (*found, *sources(arena))


def pretraining_helps(arena: Arena, results: Sequence[Result]) -> Claim:
    """Best transfer recipe minus best control, both chosen inside the bootstrap."""
    transfer, controls = _recipes(arena, lambda c: c.transfer), _recipes(arena, lambda c: not c.transfer)
    claim = _claim(arena, "pretraining-helps", transfer, controls, "no transfer recipe", "no control")
    return _with_reason(claim, scratch_caveat(results)) if claim.comparison is not None else claim


def tuning_beats_freezing(arena: Arena) -> Claim:
    """Best recipe that trains some stage of the trunk minus best one that trains none, transfer recipes both."""
    tuned = _recipes(arena, lambda c: c.tuned)
    frozen = _recipes(arena, lambda c: c.transfer and not c.tuned)
    return _claim(arena, "tuning-beats-freezing", tuned, frozen, "no recipe with a tuned stage", "no frozen-trunk recipe")


def sources(arena: Arena) -> list[Claim]:
    """Each backbone against each later one; with more than one pair the error is shared out (Bonferroni)."""
    order = {c.backbone: c.order for c in arena.pool.candidates if c.transfer}
    pairs = list(combinations(sorted(order, key=lambda name: order[name]), 2))
    sure = 1 - (1 - SURE) / max(1, len(pairs))
    return [_source(arena, first, second, sure) for first, second in pairs]


def _source(arena: Arena, first: str, second: str, sure: float) -> Claim:
    sides = [_recipes(arena, lambda c, name=name: c.transfer and c.backbone == name) for name in (first, second)]  # type: ignore[misc]
    nothing = "no transfer recipe of {}"
    name = f"source-{first}-beats-{second}"
    return _claim(arena, name, sides[0], sides[1], nothing.format(first), nothing.format(second), sure)


def _recipes(arena: Arena, wanted: Callable[[Candidate], bool]) -> Array:
    return np.array([n for n, candidate in enumerate(arena.pool.candidates) if wanted(candidate)], dtype=int)


def _claim(arena: Arena, name: str, first: Array, second: Array, no_first: str, no_second: str, sure: float = SURE) -> Claim:
    missing = [text for text, recipes in ((no_first, first), (no_second, second)) if not len(recipes)]
    if missing:
        return Claim(name, Word.UNDETERMINED, None, reason=f"{' and '.join(missing)} has finished at full size")
    found = contest(arena, first, second)
    if found is None:
        return Claim(name, Word.UNDETERMINED, None, reason="the two sides were not run on the same images")
    verdict = word(found.difference, arena.delta, sure)
    evidence = comparison(arena, found)
    if verdict is not Word.UNDETERMINED:
        return Claim(name, verdict, evidence)
    images = len(arena.units_on(found.folds).images)
    needed, reason = needed_images(found.difference, arena.delta, images)
    return Claim(name, verdict, evidence, needed, reason)


def scratch_caveat(results: Sequence[Result]) -> str:
    """Why a claim about pre-training holds only at this budget; empty when scratch ran to its plateau.

    It did when, with every backbone, some longer training gained nothing over a shorter one; shorter ones are among the results.
    """
    scratch = [
        result
        for result in results
        if result.trial.family == Family.SCRATCH.value and result.trial.budget.rung == "full" and result.outcome is Outcome.DONE
    ]
    if not scratch:
        return (
            "at this budget: training from scratch has not run at full size, so it is not among the controls; "
            "the claim at plateau is undetermined"
        )
    reached = {result.trial.backbone for result in scratch if result.converged}
    if {result.trial.backbone for result in scratch if result.converged is False} - reached:
        return (
            "at this budget: training from scratch had not reached its plateau when it stopped; "
            "the claim at plateau is undetermined"
        )
    return ""


def _with_reason(claim: Claim, caveat: str) -> Claim:
    if not caveat:
        return claim
    reason = f"{claim.reason}; {caveat}" if claim.reason else caveat
    return Claim(claim.claim, claim.verdict, claim.comparison, claim.needed_images, reason)
