"""The same scores for many weightings of the images at once: what makes the bootstrap affordable.

A weighting says how often an image counts (a bootstrap count, or 0/1 for left-out images). A score is NaN where the
weights leave it undefined, for the same weightings whatever the predictions: differences stay paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.metrics import as_two_classes, find, log_likelihoods
from frostline.stats.strata import several

Array = npt.NDArray[Any]

FEW = 32  # images of a label: by pairs their AUROC is quicker than by sorting
PAIRS_AT_ONCE = 4_000_000  # numbers


def weighted_scores(metric: str, labels: Array, probabilities: Sequence[Array], weights: Array) -> Array:
    """Scores of K models under B weightings of the same n images.

    Args:
        labels: (n,), or (n, C) 1, 0 and NaN for not known, of images with several labels.
        probabilities: K arrays (n, C), all finite.
        weights: (B, n), not negative.

    Returns:
        (B, K) float64, higher is better; equals scikit-learn's `sample_weight` row by row. Of several labels: the mean over those
        defined under that weighting.
    """
    find(metric)
    if several(labels):
        return mean_of_defined(weighted_parts(metric, labels, probabilities, weights), axis=2)
    by_image = np.ascontiguousarray(weights.T, dtype=np.float32)  # (n, B): an image's row is contiguous
    if metric == "auroc":
        return np.stack([_auroc(labels, one, by_image) for one in probabilities], axis=1)
    if metric == "average-precision":
        return np.stack([_average_precision(labels, one, weights) for one in probabilities], axis=1)
    if metric == "log-loss":
        return _weighted_mean(np.stack([log_likelihoods(labels, one) for one in probabilities], axis=1), by_image)
    if metric == "balanced-accuracy":
        return mean_of_defined(weighted_recalls(labels, probabilities, weights), axis=2)
    return _weighted_mean(_hits(labels, probabilities), by_image)


def weighted_parts(metric: str, labels: Array, probabilities: Sequence[Array], weights: Array) -> Array:
    """(B, K, C) what a score is the mean of: recalls of balanced accuracy, or the score of each of several labels.

    NaN where the weights leave one undefined. As `weighted_scores`.
    """
    if not several(labels):
        return weighted_recalls(labels, probabilities, weights)
    found = np.full((len(weights), len(probabilities), labels.shape[1]), np.nan)
    for label, truth in enumerate(labels.T):
        known = np.isfinite(truth)
        positive = truth[known] == 1
        if metric == "auroc" and positive.sum() <= FEW:
            found[:, :, label] = _few_areas(positive, np.stack([one[known, label] for one in probabilities]), weights[:, known])
        elif known.any():
            seen = [as_two_classes(one[known, label]) for one in probabilities]
            found[:, :, label] = weighted_scores(metric, truth[known].astype(int), seen, weights[:, known])
    return found


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


def _average_precision(labels: Array, probabilities: Array, weights: Array) -> Array:
    """(B,) of the second class, or the mean over classes; a class without an image here, or with every one, is left out."""
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    present = [one for one in classes if 0 < (labels == one).sum() < len(labels)]
    found = [average_precision(labels == one, probabilities[:, one], weights) for one in present]
    return mean_of_defined(np.stack(found), axis=0) if found else np.full(len(weights), np.nan)


def average_precision(positive: Array, scores: Array, weights: Array) -> Array:
    """(B,) average precision: sum over thresholds of (recall gained) x precision, images of equal score together.

    scikit-learn's `average_precision_score`; NaN instead of 0 where no weight is on a positive image.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    sorted_weights = weights[:, order].astype(np.float64)
    hits = np.cumsum(sorted_weights * positive[order], axis=1)[:, ends]
    called = np.cumsum(sorted_weights, axis=1)[:, ends]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    found = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1)
    return ratio(found, hits[:, -1])


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


def _few_areas(positive: Array, scores: Array, weights: Array) -> Array:
    """(B, K) of K models' scores (K, n): the same as `_area`, by pairs, which is quicker where few images are positive."""
    by_image = np.ascontiguousarray(weights.T, dtype=np.float32)
    ours, theirs = by_image[positive], by_image[~positive]
    found = np.full((len(weights), len(scores)), np.nan)
    pairs = ours.sum(axis=0, dtype=np.float64) * theirs.sum(axis=0, dtype=np.float64)
    step = max(1, PAIRS_AT_ONCE // max(1, ours.size))
    for start in range(0, len(scores) if len(ours) and len(theirs) else 0, step):
        some = scores[start : start + step]
        above, below = some[:, positive][:, :, None], some[:, ~positive][:, None, :]
        wins = ((above > below) + np.float32(0.5) * (above == below)).astype(np.float32)  # (models, positives, negatives)
        sums = (wins.reshape(-1, len(theirs)) @ theirs).reshape(*wins.shape[:2], -1)
        found[:, start : start + step] = ratio(np.einsum("ib,kib->bk", ours, sums).astype(np.float64), pairs[:, None])
    return found


def _cumulative(rows: Array) -> Array:
    """(m, B) -> (m + 1, B) sums of the rows before; row by row, because numpy's cumsum along axis 0 strides."""
    sums = np.empty((len(rows) + 1, rows.shape[1]), dtype=rows.dtype)
    sums[0] = 0
    for index, row in enumerate(rows):
        np.add(sums[index], row, out=sums[index + 1])
    return sums
