"""How a mean out-of-bag score varies from one data set to another, the choice of recipe and configuration included.

What is reported is the mean over bags b of what k(b), chosen in the bag, scores out of the bag. An average lies equally far from
its value s on the full data in and out of the bag, on opposite sides, so that mean is 2 E[s_k(b)] - E[s_k(b), in the bag]: a
function of the scores s alone, once it is known how bags deviate from them. It varies less than what one bag chooses does,
being a mean over many, and where several recipes are near equals it is not smooth enough for a first-order variance (Efron 2014,
"Estimation and accuracy after model selection": twice too large here for equal recipes, docs/decisions/replay.md). So it is
played again: data sets around what the scores truly may be (`likely`), bags around each. That is a bootstrap of the bootstrap, on
scores instead of images, and costs no second look at the predictions.

Bags deviate as the real ones do. Data sets deviate as what is out of the bag, a share q = .37 of the units drawn without
replacement: a mean over them varies (1 - q) / q = 1.7 times as much as one over all units, so it is shrunk by sqrt(q / (1 - q)).
(In the bag a fold with two images of a class varies too little: each is drawn, or its recall is that of the other.)

Assumptions: how far scores deviate does not depend on what they truly are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.weighted import mean_of_defined

Array = npt.NDArray[Any]

BAGS = 100  # around each data set
NUMBERS_AT_ONCE = 2_000_000
MOST_CONFIGURATIONS = 4  # of a recipe, the best ones: it is between them that a bag decides


@dataclass(frozen=True, eq=False)
class Choosing:
    """What is chosen from, and how.

    Attributes:
        inside, outside: (B, C) scores of configurations in and out of each bag; NaN where undefined. Those of a recipe lie
            side by side.
        scores: (C,) on the full data.
        owners: (C,) the recipe of each, ascending.
        pick: (m, C) scores and (C,) owners to the (m,) configurations that are chosen.
    """

    inside: Array
    outside: Array
    scores: Array
    owners: Array
    pick: Callable[[Array, Array], Array]


def replayed(given: Choosing, left_out: float) -> Array:
    """(B,) deviations of the mean out-of-bag score, one for each data set that was played; their mean is 0.

    Args:
        left_out: q, the share of units out of the bag.
    """
    given = _few(given)
    data_sets = _deviations(given.outside) * math.sqrt(left_out / (1 - left_out))
    if len(given.scores) == 1:
        return np.asarray(data_sets[:, 0])
    truth, data_sets = likely(given.scores, given.owners, data_sets)
    bags = _deviations(given.inside)[:: max(1, len(given.inside) // BAGS)]
    size = max(1, NUMBERS_AT_ONCE // bags.size)
    parts = [data_sets[start : start + size] for start in range(0, len(data_sets), size)]
    found = np.concatenate([_mean_outside(given, truth + part, bags) for part in parts])
    return np.asarray(found - found.mean())


def _deviations(scores: Array) -> Array:
    """(B, C) from their mean over replicates; what is undefined does not deviate."""
    return np.asarray(np.nan_to_num(scores - mean_of_defined(scores, axis=0)))


def _few(given: Choosing) -> Choosing:
    """The best configurations of each recipe, undefined ones last."""
    ranked = np.where(np.isnan(given.scores), -np.inf, given.scores)
    kept = [
        members[np.sort(np.argsort(-ranked[members], kind="stable")[:MOST_CONFIGURATIONS])]
        for members in (np.flatnonzero(given.owners == one) for one in np.unique(given.owners))
    ]
    columns = np.concatenate(kept)
    scores = np.where(np.isfinite(ranked[columns]), ranked[columns], np.nanmin(given.scores))
    return Choosing(given.inside[:, columns], given.outside[:, columns], scores, given.owners[columns], given.pick)


def _mean_outside(given: Choosing, scores: Array, bags: Array) -> Array:
    """(J,) of data sets with these scores (J, C), by bags that deviate from each by `bags` (m, C)."""
    inside = (scores[:, None] + bags).reshape(-1, scores.shape[1])
    columns = given.pick(inside, given.owners)
    chosen = inside[np.arange(len(columns)), columns].reshape(len(scores), -1)
    columns = columns.reshape(chosen.shape)
    own = np.take_along_axis(scores, columns, axis=1)
    return np.asarray((2 * own - chosen).mean(axis=1))


def likely(scores: Array, owners: Array, deviations: Array) -> tuple[Array, Array]:
    """What the scores truly may be, and how they then deviate.

    Scores are drawn together as far as their differences can be chance: configurations to their recipe's mean, these to the mean
    of all. How far they deviate is drawn together as much: a recipe that leads by luck seems to have little of it.

    Args:
        deviations: (B, C) of the scores from one data set to another.

    Returns:
        (C,) scores and (B, C) deviations.
    """
    members = [np.flatnonzero(owners == one) for one in np.unique(owners)]
    means = np.array([scores[one].mean() for one in members])
    real = not_chance(means, np.stack([deviations[:, one].mean(axis=1) for one in members], axis=1))
    moved = means.mean() + real * (means - means.mean())
    truth = np.empty(len(scores))
    for one, old, new in zip(members, means, moved, strict=True):
        truth[one] = new + not_chance(scores[one], deviations[:, one]) * (scores[one] - old)
    own = deviations.var(axis=0)
    wanted = real * own + (1 - real) * own.mean()
    return truth, deviations * np.sqrt(np.divide(wanted, own, out=np.ones_like(own), where=own > 0))


def not_chance(scores: Array, deviations: Array) -> float:
    """The share, 0..1, of the variance of scores (C,) that is real, not what they differ by from data set to data set.

    A positive-part shrinkage factor as in James and Stein 1961, "Estimation with quadratic loss", by moments: without their
    (C - 3) / (C - 1), which asks for four scores or more.

    Args:
        deviations: (B, C) of the scores, together.
    """
    if len(scores) == 1 or not (seen := float(scores.var(ddof=1))) > 0:
        return 0.0
    apart = deviations - deviations.mean(axis=1, keepdims=True)
    return max(0.0, 1 - float(apart.var(axis=0).sum()) / (len(scores) - 1) / seen)
