"""Which recipe to use: the simplest whose mean paired deficit to the leader is at most delta (no randomness here).

The same function decides on the full data and inside each bootstrap replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.errors import DataError
from frostline.stats.metrics import METRICS
from frostline.stats.pool import Pool
from frostline.stats.weighted import mean_of_defined
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family

Array = npt.NDArray[Any]

LARGEST_DELTA = 0.01
ROUNDING = 1e-9  # a deficit of exactly delta counts as within it, whatever the last bits say


@dataclass(frozen=True, eq=False)
class Choice:
    """What the rule says of a pool, recipes as indices into `Pool.candidates`.

    Attributes:
        folds: (F,) mask of the folds on which recipes are compared.
        lender: the recipe whose folds these are: the leader, or the best that may be handed over where a control leads on more.
        eligible: recipes run on all of them and not behind on others; `means` theirs over these folds.
        leader: the best; `chosen` the one to use.
        delta: in the metric's unit.
    """

    folds: Array
    lender: int
    eligible: Array
    means: Array
    leader: int
    chosen: int
    delta: float

    def deficit(self, recipe: int) -> float:
        """How far below the leader an eligible recipe is, on the folds that are compared."""
        place = {int(one): number for number, one in enumerate(self.eligible)}
        return float(self.means[place[self.leader]] - self.means[place[recipe]])


def decide_rule(pool: Pool, delta: float | None) -> Choice:
    """Leader, eligible recipes and the chosen one (docs/decisions/leader-on-fewer-folds.md).

    Raises:
        DataError: the metric is undefined on every fold.
    """
    everyone = np.arange(len(pool.candidates))
    leader = lead(pool, everyone)
    if leader is None:
        raise DataError(
            f"{METRICS[pool.metric].title} is undefined on every fold: no validation part has images of two classes "
            "(of a label, images with it and without it). Give more images of the rarest class, or use --metric log-loss."
        )
    folds, eligible = _compared(pool, leader, delta)
    lender = _lender(pool, leader, eligible)
    if lender != leader:
        folds, eligible = _compared(pool, lender, delta)
    means = mean_of_defined(pool.recipe_scores[eligible][:, folds], axis=1)
    leader = leader if lender == leader else int(eligible[np.nanargmax(means)])
    members = [pool.candidates[one] for one in eligible]
    place = choose(means[None, :], choosable(members), simplicity(members), delta, METRICS[pool.metric].ceiling)[0]
    return Choice(folds, lender, eligible, means, leader, int(eligible[place]), delta_for(float(means.max()), delta, pool.metric))


def _lender(pool: Pool, leader: int, eligible: Array) -> int:
    """Whose folds are compared: a leading control does not decide between what may be handed over, so not on which folds."""
    if pool.candidates[leader].choosable:
        return leader
    best = lead(pool, np.flatnonzero(choosable(pool.candidates)))
    return leader if best is None or best in eligible else best


def _compared(pool: Pool, leader: int, delta: float | None) -> tuple[Array, Array]:
    """The folds of `leader`, and the recipes that are compared on them."""
    folds = pool.recipe_ran[leader]
    eligible = np.flatnonzero(pool.recipe_ran[:, folds].all(axis=1))
    return folds, eligible[~_behind(pool, eligible, folds, delta)]


def _behind(pool: Pool, recipes: Array, folds: Array, delta: float | None) -> Array:
    """(r,) mask: what is more than delta below the best of those that ran on most folds, where that is more than `folds`.

    A leader on few folds cannot lift what many folds have told apart. Only what may be handed over takes part on either side.
    """
    ran, scores = pool.recipe_ran, pool.recipe_scores
    found, able = np.zeros(len(recipes), dtype=bool), choosable([pool.candidates[one] for one in recipes])
    widest = max((int(ran[one].sum()) for one in recipes[able]), default=0)
    if widest <= folds.sum():
        return found
    base = max((int(one) for one in recipes[able] if ran[one].sum() == widest), key=lambda one: float(np.nanmean(scores[one])))
    for place in np.flatnonzero(able):
        common = ran[recipes[place]] & ran[base]
        if common.sum() > folds.sum():
            best = float(np.nanmean(scores[base][common]))
            found[place] = _gain(scores[base], scores[recipes[place]], common) > delta_for(best, delta, pool.metric) + ROUNDING
    return found


def delta_for(best: float, delta: float | None, metric: str) -> float:
    """`delta`, or .01 in the metric's unit and at most a quarter of what the best still lacks."""
    return delta if delta is not None else max(0.0, min(LARGEST_DELTA, (METRICS[metric].ceiling - best) / 4))


def lead(pool: Pool, recipes: Array) -> int | None:
    """The leader among `recipes`: the best of those on most folds, unless one on fewer folds beats it there.

    Among several such the one with the largest paired mean difference. None when no recipe has a defined score.
    """
    scores, ran = pool.recipe_scores, pool.recipe_ran
    usable = [int(one) for one in recipes if not np.isnan(scores[one]).all()]
    if not usable:
        return None
    widest = max(int(ran[one].sum()) for one in usable)
    complete = [one for one in usable if ran[one].sum() == widest]
    base = max(complete, key=lambda one: float(np.nanmean(scores[one])))
    gains = {one: _gain(scores[one], scores[base], ran[one] & ran[base]) for one in usable if one not in complete}
    rival = max(gains, key=lambda one: gains[one], default=base)
    return rival if gains.get(rival, 0.0) > ROUNDING else base


def _gain(scores: Array, base: Array, common: Array) -> float:
    differences = (scores - base)[common]
    return float(np.nanmean(differences)) if not np.isnan(differences).all() else -np.inf


def choose(means: Array, allowed: Array, order: Array, delta: float | None, ceiling: float) -> Array:
    """The rule for B replicates at once.

    Args:
        means: (B, R) over the folds that are compared, NaN where undefined.
        allowed: (R,) may be handed over; when nothing is, everything is.
        order: (R,) place in the order of simplicity, 0 the simplest.
        delta: None for the default, which depends on each replicate's best.

    Returns:
        (B,) indices into R: the simplest allowed within delta of the best, else the best allowed.
    """
    usable = allowed if allowed.any() else np.ones_like(allowed)
    means = np.where(np.isnan(means), -np.inf, means)
    best = means.max(axis=1, keepdims=True)
    tolerance = np.clip((ceiling - best) / 4, 0, LARGEST_DELTA) if delta is None else delta
    within = usable & (means >= best - tolerance - ROUNDING) & np.isfinite(means)
    simplest = np.where(within, order, len(order)).argmin(axis=1)
    return np.asarray(np.where(within.any(axis=1), simplest, np.where(usable, means, -np.inf).argmax(axis=1)))


def choosable(candidates: Sequence[Candidate]) -> Array:
    return np.array([candidate.choosable for candidate in candidates], dtype=bool)


def simplicity(candidates: Sequence[Candidate]) -> Array:
    """(R,) places: family, then trained parameters, then inference FLOPs, then the order of `-b`, then the plan's."""
    families = list(Family)
    keys = [(families.index(c.family), c.trained_parameters, c.flops, c.order, n) for n, c in enumerate(candidates)]
    places = np.empty(len(keys), dtype=int)
    places[[key[-1] for key in sorted(keys)]] = np.arange(len(keys))
    return places
