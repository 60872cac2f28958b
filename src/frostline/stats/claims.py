"""The claims of a verdict, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.compare import SURE, needed_images, step_down, word
from frostline.stats.contest import Arena, Contest, comparison, contest
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL
from frostline.terms.verdict import Claim, Word

Array = npt.NDArray[Any]


def claims(arena: Arena, results: Sequence[Result]) -> tuple[Claim, ...]:
    """Every claim of the closed list that this run can speak of."""
    found = [pretraining_helps(arena, results), tuning_beats_freezing(arena)]
    return (*found, *stages(arena, results), *sources(arena))


def pretraining_helps(arena: Arena, results: Sequence[Result]) -> Claim:
    """Best transfer recipe minus best control, both chosen inside the bootstrap."""
    transfer, controls = _recipes(arena, lambda c: c.transfer), _recipes(arena, lambda c: not c.transfer)
    question = Question("pretraining-helps", transfer, controls, "no transfer recipe", "no control")
    claim = _claim(arena, question.name, _hold(arena, question))
    return claim if claim.comparison is None else _at_this_budget(claim, results)


def tuning_beats_freezing(arena: Arena) -> Claim:
    """Best recipe that trains some stage of the trunk minus best one that trains none, transfer recipes both."""
    tuned = _recipes(arena, lambda c: c.tuned)
    frozen = _recipes(arena, lambda c: c.transfer and not c.tuned)
    question = Question("tuning-beats-freezing", tuned, frozen, "no recipe with a tuned stage", "no frozen-trunk recipe")
    return _claim(arena, question.name, _hold(arena, question))


@dataclass(frozen=True, eq=False)
class Question:
    """A claim that is to be decided: the best of `first` against the best of `second`, recipes as indices into the pool.

    Attributes:
        no_first, no_second: what is missing where a side has no recipe.
    """

    name: str
    first: Array
    second: Array
    no_first: str
    no_second: str


def stages(arena: Arena, results: Sequence[Result]) -> list[Claim]:
    """For each stage the best recipe that transfers it minus the best that does not: it drops it, or starts it at random.

    Both are recipes of that backbone; those that transfer nothing (and pixels) are among the second. One family (Holm).
    """
    deepest: dict[str, Candidate] = {}
    for one in arena.pool.candidates:
        known = deepest.get(one.backbone)
        if one.transferred and (known is None or len(one.transferred) > len(known.transferred or ())):
            deepest[one.backbone] = one
    several = len(deepest) > 1
    questions = [
        _stage(arena, backbone, name, f"{backbone}:{name}" if several else name)
        for backbone, one in deepest.items()
        for name in one.transferred or ()
    ]
    found = _family(arena, questions)
    return [_at_this_budget(claim, results) if _against_controls(arena, claim) else claim for claim in found]


def _stage(arena: Arena, backbone: str, name: str, shown: str) -> Question:
    own = _recipes(arena, lambda c: c.backbone in (backbone, "") and c.transferred is not None)
    has = np.array([name in (arena.pool.candidates[one].transferred or ()) for one in own], dtype=bool)
    transfers, without = f"no recipe that transfers {name}", f"no recipe without {name}"
    return Question(f"stage-{shown}-worth-transferring", own[has], own[~has], transfers, without)


def _against_controls(arena: Arena, claim: Claim) -> bool:
    """The other side is a control, so that the claim depends on how well scratch was trained."""
    controls = {arena.name(n) for n, candidate in enumerate(arena.pool.candidates) if not candidate.transfer}
    return claim.comparison is not None and claim.comparison.second in controls


def sources(arena: Arena) -> list[Claim]:
    """Each backbone against each later one; several pairs are one family (Holm)."""
    order = {c.backbone: c.order for c in arena.pool.candidates if c.transfer}
    pairs = combinations(sorted(order, key=lambda name: order[name]), 2)
    return _family(arena, [_source(arena, first, second) for first, second in pairs])


def _source(arena: Arena, first: str, second: str) -> Question:
    ours, theirs = (_recipes(arena, lambda c, name=name: c.transfer and c.backbone == name) for name in (first, second))  # type: ignore[misc]
    nothing = "no transfer recipe of {}"
    return Question(f"source-{first}-beats-{second}", ours, theirs, nothing.format(first), nothing.format(second))


def _recipes(arena: Arena, wanted: Callable[[Candidate], bool]) -> Array:
    return np.array([n for n, candidate in enumerate(arena.pool.candidates) if wanted(candidate)], dtype=int)


def _family(arena: Arena, questions: Sequence[Question]) -> list[Claim]:
    """Claims that share their risk of error, each asked for as much certainty as Holm's procedure wants of it."""
    contests = [_hold(arena, question) for question in questions]
    held = [one for one, found in enumerate(contests) if isinstance(found, Contest)]
    needed = step_down([found.difference.certainty(arena.delta) for found in contests if isinstance(found, Contest)])
    sure = dict(zip(held, needed, strict=True))
    return [
        _claim(arena, question.name, found, sure.get(one, SURE), len(held))
        for one, (question, found) in enumerate(zip(questions, contests, strict=True))
    ]


def _hold(arena: Arena, question: Question) -> Contest | str:
    """The contest, or why there is none."""
    sides = ((question.no_first, question.first), (question.no_second, question.second))
    missing = [text for text, recipes in sides if not len(recipes)]
    if missing:
        return f"{' and '.join(missing)} has finished at full size"
    return contest(arena, question.first, question.second) or "the two sides were not run on the same images"


def _claim(arena: Arena, name: str, found: Contest | str, sure: float = SURE, family: int = 1) -> Claim:
    if isinstance(found, str):
        return Claim(name, Word.UNDETERMINED, None, reason=found)
    verdict = word(found.difference, arena.delta, sure)
    evidence = comparison(arena, found)
    if family > 1:
        said = f"one of {family} claims of a family: by Holm's procedure this one needs a probability of {sure:.3g}"
        evidence = replace(evidence, assumptions=(*evidence.assumptions, said))
    if verdict is not Word.UNDETERMINED:
        return Claim(name, verdict, evidence)
    images = len(arena.units_on(found.folds).images)
    needed, reason = needed_images(found.difference, arena.delta, images, sure)
    return Claim(name, verdict, evidence, needed, reason)


def _at_this_budget(claim: Claim, results: Sequence[Result]) -> Claim:
    """`claim`, whose other side is a control, with why it holds for these training times only, if it does."""
    more = "" if claim.verdict is Word.HELPS else whole_caveat(results)
    said = "; ".join(reason for reason in (scratch_caveat(results), more) if reason)
    return replace(claim, reason="; ".join(filter(None, (claim.reason, f"at this budget: {said}")))) if said else claim


def scratch_caveat(results: Sequence[Result]) -> str:
    """Why a claim about pre-training holds only at this budget; empty when scratch ran to its plateau.

    It did when, with every backbone, some longer training gained nothing over a shorter one; shorter ones are among the results.
    """
    scratch = [
        result
        for result in results
        if result.trial.family == Family.SCRATCH.value and result.trial.budget.rung == FULL and result.outcome is Outcome.DONE
    ]
    if not scratch:
        return (
            "training from scratch has not run at full size, so it is not among the controls; "
            "the claim at plateau is undetermined"
        )
    reached = {result.trial.backbone for result in scratch if result.converged}
    if {result.trial.backbone for result in scratch if result.converged is False} - reached:
        return "training from scratch had not reached its plateau when it stopped; the claim at plateau is undetermined"
    return ""


def whole_caveat(results: Sequence[Result]) -> str:
    """Why transfer may not have shown its best: its whole network was only screened, while scratch was trained in full."""
    tried = {result.trial.family for result in results if result.outcome is Outcome.DONE}
    full = {result.trial.family for result in results if result.outcome is Outcome.DONE and result.trial.budget.rung == FULL}
    if Family.SCRATCH.value in full and Family.WHOLE.value in tried - full:
        return "tuning the whole pre-trained network was only screened, while scratch was trained in full"
    return ""
