"""Paired contests: one side's best recipe against the other's, both chosen again in every replicate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import Draws, Units, units_of
from frostline.stats.classic import corrected_t, correlated_t
from frostline.stats.compare import Distribution, between_models, distribution, limits, pseudo_variance
from frostline.stats.metrics import METRICS
from frostline.stats.pool import Pool, Truth
from frostline.stats.rule import Choice, choosable, choose, lead, simplicity
from frostline.stats.weighted import mean_of_defined
from frostline.terms.verdict import Comparison

Array = npt.NDArray[Any]

FOLDS_FOR_T_TEST = 10


@dataclass(frozen=True, eq=False)
class Arena:
    """A pool with its draws: what every comparison of one verdict is computed from."""

    pool: Pool
    truth: Truth
    draws: Draws
    delta: float

    def name(self, recipe: int) -> str:
        """The recipe's line, with its backbone where the run has several."""
        one = self.pool.candidates[recipe]
        several = len({candidate.backbone for candidate in self.pool.candidates if candidate.backbone}) > 1
        return f"{one.recipe} ({one.backbone})" if several and one.backbone else one.recipe

    def units_on(self, folds: Array) -> Units:
        """The units validated on some of these folds."""
        images = np.unique(np.concatenate([self.pool.blocks[fold].indices for fold in np.flatnonzero(folds)]))
        known = self.draws.units
        return known if len(images) == len(known.images) else units_of(images, self.truth)

    def of(self, plain: Array, chosen: Array, fixed: Array, folds: Array) -> Distribution:
        """The distribution of a quantity with value `plain` (F,) on each fold; chosen, fixed: (B,)."""
        members = [plain[repeat] for repeat in self.pool.repeats(folds)]
        left_out = self.draws.units.left_out
        extra = pseudo_variance(self.pool.metric, self.units_on(folds)) + between_models(members, fixed, left_out)
        value = float(mean_of_defined(plain[folds], axis=0))
        return distribution(value, chosen, fixed, self.draws.noise, left_out, extra)


@dataclass(frozen=True, eq=False)
class Side:
    """What one side brings: `recipe` wins on the full data; chosen, fixed: (B,) out of the bag."""

    recipe: int
    chosen: Array
    fixed: Array


@dataclass(frozen=True, eq=False)
class Contest:
    """Two sides on the folds that both were run on; `difference` is the first's score minus the second's."""

    first: Side
    second: Side
    folds: Array
    difference: Distribution


def side(arena: Arena, recipes: Array, folds: Array) -> Side:
    """The best of `recipes` on these folds, chosen again in each bag."""
    scores = mean_of_defined(arena.pool.recipe_scores[recipes][:, folds], axis=1)
    best = int(recipes[int(np.where(np.isnan(scores), -np.inf, scores).argmax())])
    inside = mean_of_defined(arena.draws.inside[:, recipes][:, :, folds], axis=2)
    picked = recipes[np.where(np.isnan(inside), -np.inf, inside).argmax(axis=1)]
    outside = arena.draws.outside[np.arange(len(picked)), picked][:, folds]
    return Side(best, mean_of_defined(outside, axis=1), mean_of_defined(arena.draws.fixed[:, best][:, folds], axis=1))


def contest(arena: Arena, first: Array, second: Array) -> Contest | None:
    """The best of `first` against the best of `second`, or None where they share no fold.

    The folds are those that the leaders of both sides were run on; recipes not run on all of them do not take part.
    """
    leaders = lead(arena.pool, first), lead(arena.pool, second)
    if leaders[0] is None or leaders[1] is None:
        return None
    ran = arena.pool.recipe_ran
    folds = np.asarray(ran[leaders[0]] & ran[leaders[1]])
    if not folds.any():
        return None
    sides = [side(arena, recipes[ran[recipes][:, folds].all(axis=1)], folds) for recipes in (first, second)]
    plain = arena.pool.recipe_scores[sides[0].recipe] - arena.pool.recipe_scores[sides[1].recipe]
    found = arena.of(plain, sides[0].chosen - sides[1].chosen, sides[0].fixed - sides[1].fixed, folds)
    return Contest(sides[0], sides[1], folds, found)


def score_of_recipe(arena: Arena, recipe: int) -> Distribution:
    """The score of one recipe on its own folds, its configuration chosen again in each bag."""
    folds = arena.pool.recipe_ran[recipe]
    alone = side(arena, np.array([recipe]), folds)
    return arena.of(arena.pool.recipe_scores[recipe], alone.chosen, alone.fixed, folds)


def score_of_rule(arena: Arena, choice: Choice, delta: float | None) -> Distribution:
    """The score of whatever the rule chooses, the whole rule repeated in each bag (BBC-CV)."""
    members = [arena.pool.candidates[one] for one in choice.eligible]
    inside = mean_of_defined(arena.draws.inside[:, choice.eligible][:, :, choice.folds], axis=2)
    ceiling = METRICS[arena.pool.metric].ceiling
    picked = choice.eligible[choose(inside, choosable(members), simplicity(members), delta, ceiling)]
    outside = arena.draws.outside[np.arange(len(picked)), picked][:, choice.folds]
    fixed = mean_of_defined(arena.draws.fixed[:, choice.chosen][:, choice.folds], axis=1)
    return arena.of(arena.pool.recipe_scores[choice.chosen], mean_of_defined(outside, axis=1), fixed, choice.folds)


def comparison(arena: Arena, found: Contest) -> Comparison:
    """`found` as a value for the verdict."""
    units = arena.units_on(found.folds)
    return Comparison(
        first=arena.name(found.first.recipe),
        second=arena.name(found.second.recipe),
        difference=found.difference.interval(*limits(arena.pool.metric, difference=True)),
        probability=found.difference.above,
        within=found.difference.within(arena.delta),
        unit=units.name,
        units=units.count,
        folds=tuple(arena.pool.splits[fold] for fold in np.flatnonzero(found.folds)),
        assumptions=_assumptions(arena, found, units),
    )


def _assumptions(arena: Arena, found: Contest, units: Units) -> tuple[str, ...]:
    said = [f"{units.name}s are independent, and as many of each class as in these data"]
    if len(arena.pool.repeats(found.folds)) == 1:
        seen = "is judged from its folds alone" if found.folds.sum() > 1 else "is not in the interval"
        said.append(f"one repeat: how much other training images or seeds would change the models {seen}")
    said.append("both sides' recipes and configurations were chosen again inside the bootstrap")
    return (*said, *_cross_check(arena, found))


def _cross_check(arena: Arena, found: Contest) -> tuple[str, ...]:
    """Two classical tests of the two recipes, where there are enough folds; they never decide a claim."""
    scores = arena.pool.recipe_scores
    differences = (scores[found.first.recipe] - scores[found.second.recipe])[found.folds]
    if np.isnan(differences).any() or len(differences) < FOLDS_FOR_T_TEST:
        return ()
    folds = _folds_a_repeat(arena.pool, found.folds)
    if folds < 2:
        return ()
    bayes, frequentist = correlated_t(differences, 1 / folds, arena.delta), corrected_t(differences, 1 / (folds - 1))
    return (
        f"cross-check over {len(differences)} folds, recipes taken as fixed: Bayesian correlated t-test, P(above 0) ="
        f" {bayes.above:.2f}; Nadeau and Bengio's corrected t-test, two-sided p = {frequentist.two_sided:.2g}",
    )


def _folds_a_repeat(pool: Pool, folds: Array) -> float:
    return float(max(len(repeat) for repeat in pool.repeats(folds)))
