"""The same scores for many weightings of the images at once: what makes the bootstrap affordable.

A weighting says how often an image counts (a bootstrap count, or 0/1 for left-out images). A score is NaN where the
weights leave it undefined, for the same weightings whatever the predictions: differences stay paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.metrics import find, log_likelihoods

Array = npt.NDArray[Any]


def weighted_scores(metric: str, labels: Array, probabilities: Sequence[Array], weights: Array) -> Array:
    """Scores of K models under B weightings of the same n images.

    Args:
        labels: (n,).
        probabilities: K arrays (n, C), all finite.
        weights: (B, n), not negative.

    Returns:
        (B, K) float64, higher is better; equals scikit-learn's `sample_weight` row by row.
    """
    find(metric)
    by_image = np.ascontiguousarray(weights.T, dtype=np.float32)  # (n, B): an image's row is contiguous
    if metric == "auroc":
        return np.stack([_auroc(labels, one, by_image) for one in probabilities], axis=1)
    if metric == "log-loss":
        return _weighted_mean(np.stack([log_likelihoods(labels, one) for one in probabilities], axis=1), by_image)
    if metric == "balanced-accuracy":
        return mean_of_defined(weighted_recalls(labels, probabilities, weights), axis=2)
    return _weighted_mean(_hits(labels, probabilities), by_image)


def weighted_recalls(labels: Array, probabilities: Sequence[Array], weights: Array) -> Array:
    """(B, K, C) share of each class's images that each model recognises; NaN for a class without weight. As `weighted_scores`."""
    hits, by_image = _hits(labels, probabilities), np.ascontiguousarray(weights.T, dtype=np.float32)
    classes = range(probabilities[0].shape[1])
    return np.stack([_weighted_mean(hits[labels == one], by_image[labels == one]) for one in classes], axis=2)


def _hits(labels: Array, probabilities: Sequence[Array]) -> Array:
    """(n, K) whether the most probable class is the image's."""
    return np.stack([one.argmax(axis=1) == labels for one in probabilities], axis=1)


def ratio(sums: Array, totals: Array) -> Array:
    """`sums` / `totals`, of shapes that broadcast to that of `sums`; NaN where a total is 0."""
    return np.asarray(np.divide(sums, totals, out=np.full(sums.shape, np.nan), where=totals > 0))


def mean_of_defined(values: Array, axis: int) -> Array:
    """The mean along `axis` without NaN; NaN where nothing is left. (numpy's nanmean, without its warnings.)"""
    defined = ~np.isnan(values)
    return ratio(np.asarray(np.where(defined, values, 0.0).sum(axis=axis)), np.asarray(defined.sum(axis=axis)))


def _weighted_mean(values: Array, by_image: Array) -> Array:
    """(n, K) values under (n, B) weights -> (B, K)."""
    total = by_image.sum(axis=0, dtype=np.float64)[:, None]
    return ratio((by_image.T @ values.astype(np.float32)).astype(np.float64), total)


def _auroc(labels: Array, probabilities: Array, by_image: Array) -> Array:
    """(B,) macro AUROC: one sort a class, then cumulative weights."""
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [_area(labels == one, probabilities[:, one], by_image) for one in classes]
    return mean_of_defined(np.stack(areas), axis=0)


def _area(positive: Array, scores: Array, by_image: Array) -> Array:
    """(B,) sum over positives of w_i (weight of negatives below + half of those equal), over the product of totals."""
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(scores[negatives], kind="stable")]
    positives = np.flatnonzero(positive)
    below = _cumulative(by_image[negatives])
    left = np.searchsorted(scores[negatives], scores[positives], side="left")
    right = np.searchsorted(scores[negatives], scores[positives], side="right")
    weights = by_image[positives]
    wins = np.einsum("ib,ib->b", weights, below[left])
    if (left != right).any():
        wins = (wins + np.einsum("ib,ib->b", weights, below[right])) / 2
    pairs = weights.sum(axis=0, dtype=np.float64) * below[-1]
    return ratio(wins, pairs)


def _cumulative(rows: Array) -> Array:
    """(m, B) -> (m + 1, B) sums of the rows before; row by row, because numpy's cumsum along axis 0 strides."""
    sums = np.empty((len(rows) + 1, rows.shape[1]), dtype=rows.dtype)
    sums[0] = 0
    for index, row in enumerate(rows):
        np.add(sums[index], row, out=sums[index + 1])
    return sums
