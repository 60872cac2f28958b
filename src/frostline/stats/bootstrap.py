"""The one engine behind every interval and claim: a bootstrap of the *procedure*, not of its winner.

BBC-CV (Tsamardinos, Greasidou, Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and accurate
cross-validation"), extended to paired differences. The predictions are fixed; units (groups, or images where there are
none) are drawn with replacement, stratified by class. Choices are made on the drawn images (in the bag) and measured on the
others (out of the bag), so a choice never scores itself. An image has the same weight in every repeat; scores are computed
per fold and averaged, never pooled over folds. A rare class is often missing from what was drawn of a fold: its recall there is
then taken to be that in the other folds, else balanced accuracy would weigh it less than on the full data and correct its
optimism too little. So is the score of a rare label, where an image may have several.

Assumptions: units are independent and exchangeable within a class; the class shares are those of the data. Not covered: how
the models themselves would differ had other images been drawn to train on, except for what repeats or folds show (see `compare`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.pool import Block, Pool, Truth, mean_over_seeds
from frostline.stats.strata import several, strata_of
from frostline.stats.weighted import mean_of_defined, weighted_parts, weighted_scores

Array = npt.NDArray[Any]

WEIGHTS_AT_ONCE = 4_000_000  # numbers: bounds the memory of one batch of replicates


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn.

    Attributes:
        of_image: (n,) the unit of each image of `images` (indices into the data set).
        strata: (U,) the class of each unit; a group of several classes counts for its most frequent one, and where images may
            have several labels a unit counts for the rarest one that it has.
        name: as `Comparison.unit`.
    """

    images: Array
    of_image: Array
    strata: Array
    name: str

    @property
    def count(self) -> int:
        return len(self.strata)

    @property
    def left_out(self) -> float:
        """Expected share of units out of the bag: (1 - 1/m)^m in a class of m units."""
        sizes = np.bincount(self.strata)
        sizes = sizes[sizes > 0]
        return float((sizes * (1 - 1 / sizes) ** sizes).sum() / sizes.sum())


@dataclass(frozen=True, eq=False)
class Draws:
    """Scores of B replicates; NaN where a configuration was not run or the fold's metric is undefined.

    Attributes:
        inside, outside: (B, K, F) in the bag and out of it, of K configurations on F folds.
        picked: (B, R) the configuration of each of R recipes that is best in the bag.
        noise: (B,) standard normal, mean 0, one for all comparisons.
    """

    units: Units
    inside: Array
    outside: Array
    picked: Array
    noise: Array


def units_of(images: Array, truth: Truth) -> Units:
    """The units that `images` (indices into the data set) belong to."""
    names, of_image = np.unique(truth.groups[images], return_inverse=True)
    return Units(images, of_image, strata_of(truth.labels[images], of_image, len(names)), truth.unit(images))


def draw_weights(units: Units, replicates: int, rng: np.random.Generator) -> Array:
    """(B, images) how often each image is in the bag: as many units of each class as there are."""
    counts = np.zeros((replicates, units.count), dtype=np.float32)
    for one in np.unique(units.strata):
        members = np.flatnonzero(units.strata == one)
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=replicates)
    return counts[:, units.of_image]


def batches(units: Units, replicates: int, rng: np.random.Generator, scores: int = 0) -> Iterator[Array]:
    """All replicates' weights, (b, images) at a time: memory grows neither with the images nor with `scores` a replicate."""
    size = max(1, min(replicates, WEIGHTS_AT_ONCE // max(1, len(units.images), scores)))
    for start in range(0, replicates, size):
        yield draw_weights(units, min(size, replicates - start), rng)


def standard_noise(replicates: int, rng: np.random.Generator) -> Array:
    """(B,) normal numbers with mean exactly 0 and variance exactly 1."""
    noise = rng.standard_normal(replicates)
    return np.asarray((noise - noise.mean()) / noise.std())


def bootstrap(pool: Pool, truth: Truth, replicates: int, seed: int) -> Draws:
    """All replicates of `pool`; the same seed gives the same draws."""
    rng = np.random.default_rng(seed)
    units = units_of(pool.images, truth)
    scores = 2 * len(pool.configurations) * len(pool.blocks) * (len(truth.classes) if _is_mean(pool, truth) else 1)
    parts = [_replicates(pool, truth, units, drawn) for drawn in batches(units, replicates, rng, scores)]
    inside, outside = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Draws(units, inside, outside, _best_in_the_bag(pool, inside), standard_noise(replicates, rng))


def _is_mean(pool: Pool, truth: Truth) -> bool:
    """The metric is a mean over classes or labels, each of which may be missing from what was drawn of a fold."""
    return pool.metric == "balanced-accuracy" or truth.several


def _replicates(pool: Pool, truth: Truth, units: Units, weights: Array) -> tuple[Array, Array]:
    drawn = [weights[:, np.searchsorted(units.images, block.indices)] for block in pool.blocks]
    both = [np.concatenate([one, one == 0]) for one in drawn]  # (2B, n) of each fold: in the bag, out of the bag
    if _is_mean(pool, truth):
        scores = _mean_scores(pool, truth, both)
    else:
        scores = np.stack([_block_scores(pool, block, truth, one) for block, one in zip(pool.blocks, both, strict=True)], axis=2)
    inside, outside = np.split(scores, 2)
    return inside, outside


def _block_scores(pool: Pool, block: Block, truth: Truth, weights: Array) -> Array:
    values = weighted_scores(pool.metric, truth.labels[block.indices], block.probabilities, weights)
    return mean_over_seeds(values, block.columns, len(pool.configurations))


def _mean_scores(pool: Pool, truth: Truth, weights: Sequence[Array]) -> Array:
    """(2B, K, F): a class that a fold has but that was not drawn from it has its mean recall over the other folds; so has a
    label its mean score."""
    parts = np.stack([_block_parts(pool, *one, truth) for one in zip(pool.blocks, weights, strict=True)], axis=2)
    elsewhere = mean_of_defined(parts, axis=2)[:, :, None]  # (2B, K, 1, C)
    present = np.array([_present(truth.labels[block.indices], len(truth.classes)) for block in pool.blocks])  # (F, C)
    known = pool.ran[:, :, None] & present  # (K, F, C)
    return mean_of_defined(np.where(np.isnan(parts) & known, elsewhere, parts), axis=3)


def _present(labels: Array, classes: int) -> Array:
    """(classes,) whether some image has the class; of labels, whether some has it and some does not."""
    if several(labels):
        return np.asarray((labels == 1).any(axis=0) & (labels == 0).any(axis=0))
    return np.isin(range(classes), labels)


def _block_parts(pool: Pool, block: Block, weights: Array, truth: Truth) -> Array:
    """(2B, K, C)."""
    values = weighted_parts(pool.metric, truth.labels[block.indices], block.probabilities, weights)
    count = len(pool.configurations)
    return np.stack([mean_over_seeds(values[:, :, one], block.columns, count) for one in range(values.shape[2])], axis=2)


def _best_in_the_bag(pool: Pool, inside: Array) -> Array:
    """(B, K, F) -> (B, R): each replicate takes each recipe's configuration with the best mean in the bag."""
    picked = []
    for recipe in range(len(pool.candidates)):
        columns = pool.contenders(recipe)
        means = mean_of_defined(inside[:, columns], axis=2)
        picked.append(columns[np.where(np.isnan(means), -np.inf, means).argmax(axis=1)])
    return np.stack(picked, axis=1)
