"""Paired contests: one side's best recipe against the other's, both chosen again in every replicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import Draws, Units, units_of
from frostline.stats.classic import corrected_t, correlated_t
from frostline.stats.compare import Distribution, between_models, distribution, few_units, limits, pseudo_variance
from frostline.stats.metrics import METRICS
from frostline.stats.pool import Pool, Truth
from frostline.stats.replay import Choosing, replayed
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

    def in_the_bag(self, recipes: Array, folds: Array) -> Array:
        """(B, r) mean scores over these folds, each recipe by the configuration that the bag chose."""
        return self._mean(self.draws.inside, recipes, folds)

    def out_of_the_bag(self, recipes: Array, folds: Array) -> Array:
        """(B, r) the same on the units that were not drawn."""
        return self._mean(self.draws.outside, recipes, folds)

    def _mean(self, scores: Array, recipes: Array, folds: Array) -> Array:
        bags = np.arange(len(scores))[:, None]
        return mean_of_defined(scores[bags, self.draws.picked[:, recipes]][:, :, folds], axis=2)

    def fixed(self, recipe: int) -> Array:
        """(B, F) out of the bag, by the configuration that is best on the full data."""
        return np.asarray(self.draws.outside[:, self.pool.best[recipe]])

    def spread(self, recipes: Array, folds: Array, pick: Callable[[Array, Array], Array]) -> Array:
        """(B,) how the mean score of what `pick` takes of these recipes' configurations deviates between data sets: `replayed`.

        Args:
            pick: as `Choosing.pick`.
        """
        contenders = [self.pool.contenders(int(one)) for one in recipes]
        columns = np.concatenate(contenders)
        owners = np.repeat(np.arange(len(recipes)), [len(one) for one in contenders])
        inside, outside = (
            mean_of_defined(scores[:, columns][:, :, folds], axis=2) for scores in (self.draws.inside, self.draws.outside)
        )
        scores = mean_of_defined(self.pool.scores[columns][:, folds], axis=1)
        return replayed(Choosing(inside, outside, scores, owners, pick), self.draws.units.left_out)

    def of(self, plain: Array, chosen: Array, fixed: Array, spread: Array, folds: Array) -> Distribution:
        """The distribution of a quantity with value `plain` (F,) on each fold; chosen, spread: (B,); fixed: (B, F)."""
        models = between_models(plain, fixed, self.pool.repeats(folds), self.draws.units.left_out)
        units = self.units_on(folds)
        extra = models + pseudo_variance(self.pool.metric, units)
        value = float(mean_of_defined(plain[folds], axis=0))
        wide = few_units(self.pool.metric, units) * spread
        return distribution(value, chosen, mean_of_defined(fixed[:, folds], axis=1), wide, self.draws.noise, extra)


@dataclass(frozen=True, eq=False)
class Side:
    """What one side brings.

    Attributes:
        recipe: wins on the full data; fixed: (B, F) its scores out of the bag.
        chosen: (B,) out of the bag, of what each bag chose; spread: (B,) as `Arena.spread`.
    """

    recipe: int
    chosen: Array
    fixed: Array
    spread: Array


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
    best = int(recipes[_best(scores[None])[0]])
    picked = _best(arena.in_the_bag(recipes, folds))
    outside = arena.out_of_the_bag(recipes, folds)[np.arange(len(picked)), picked]
    spread = arena.spread(recipes, folds, lambda inside, owners: inside.argmax(axis=1))
    return Side(best, outside, arena.fixed(best), spread)


def _best(means: Array) -> Array:
    """(m, R) -> (m,)."""
    return np.asarray(np.where(np.isnan(means), -np.inf, means).argmax(axis=1))


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
    found = arena.of(
        plain, sides[0].chosen - sides[1].chosen, sides[0].fixed - sides[1].fixed, sides[0].spread - sides[1].spread, folds
    )
    return Contest(sides[0], sides[1], folds, found)


def score_of_recipe(arena: Arena, recipe: int) -> Distribution:
    """The score of one recipe on its own folds, its configuration chosen again in each bag."""
    folds = arena.pool.recipe_ran[recipe]
    alone = side(arena, np.array([recipe]), folds)
    return arena.of(arena.pool.recipe_scores[recipe], alone.chosen, alone.fixed, alone.spread, folds)


def score_of_rule(arena: Arena, choice: Choice, delta: float | None) -> Distribution:
    """The score of whatever the rule chooses, the whole rule repeated in each bag (BBC-CV)."""
    members = [arena.pool.candidates[one] for one in choice.eligible]
    allowed, order, ceiling = choosable(members), simplicity(members), METRICS[arena.pool.metric].ceiling

    def pick(means: Array) -> Array:
        return choose(means, allowed, order, delta, ceiling)

    picked = pick(arena.in_the_bag(choice.eligible, choice.folds))
    outside = arena.out_of_the_bag(choice.eligible, choice.folds)[np.arange(len(picked)), picked]
    spread = arena.spread(choice.eligible, choice.folds, lambda inside, owners: _configuration(inside, owners, pick))
    return arena.of(arena.pool.recipe_scores[choice.chosen], outside, arena.fixed(choice.chosen), spread, choice.folds)


def _configuration(inside: Array, owners: Array, pick: Callable[[Array], Array]) -> Array:
    """(m, C) -> (m,): the best configuration of the recipe that `pick` takes by the recipes' best ones."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    recipes = pick(np.maximum.reduceat(inside, starts, axis=1))
    return np.asarray(np.where(owners == owners[starts][recipes][:, None], inside, -np.inf).argmax(axis=1))


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
