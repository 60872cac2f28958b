"""Scores of predicted probabilities: what is compared, and what is shown beside it.

Every score here is *higher is better*; log-loss is therefore negated. Sample unit: one image. None of these numbers says
how sure it is: intervals come from `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.errors import OptionError, nearest
from frostline.stats.strata import several

Array = npt.NDArray[Any]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # the clipping of scikit-learn's log_loss


@dataclass(frozen=True)
class Metric:
    """A score that a search may optimise.

    Attributes:
        title: as it is written for people.
        floor, ceiling: the worst and the best value possible.
        function: (labels (n,), probabilities (n, C)) -> score, higher is better.
        by_label: it also scores images with several labels: each label alone, as two classes, and then the mean.
    """

    name: str
    title: str
    floor: float
    ceiling: float
    function: Callable[[Array, Array], float]
    by_label: bool = False


def auroc(labels: Array, probabilities: Array) -> float:
    """Area under the ROC curve; for more than two classes the plain mean of one against the rest.

    Mann-Whitney's U over pairs, ties count half: constant predictions score 0.5. A class without an image here, or with
    every image, is left out of the mean; NaN when that leaves none.
    """
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [_area(labels == one, probabilities[:, one]) for one in classes]
    defined = [area for area in areas if not np.isnan(area)]
    return float(np.mean(defined)) if defined else float("nan")


def _area(positive: Array, scores: Array) -> float:
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    below, above = np.sort(scores[~positive]), scores[positive]
    wins = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
    return float(wins / 2 / (n_positive * n_negative))


def average_precision(labels: Array, probabilities: Array) -> float:
    """Mean over thresholds of precision, weighted by the recall gained; for more than two classes the plain mean over them.

    scikit-learn's `average_precision_score`. A class without an image here, or with every image, is left out of the mean; NaN
    when that leaves none.
    """
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    present = [one for one in classes if 0 < (labels == one).sum() < len(labels)]
    found = [_precision(labels == one, probabilities[:, one]) for one in present]
    return float(np.mean(found)) if found else float("nan")


def _precision(positive: Array, scores: Array) -> float:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # images of equal score are called together
    hits = np.cumsum(positive[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])


def accuracy(labels: Array, probabilities: Array) -> float:
    """Share of images whose most probable class is theirs (the first class wins ties)."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def balanced_accuracy(labels: Array, probabilities: Array) -> float:
    """Mean over the classes present in `labels` of the share of their images that are recognised."""
    hits = probabilities.argmax(axis=1) == labels
    return float(np.mean([hits[labels == one].mean() for one in np.unique(labels)]))


def negative_log_loss(labels: Array, probabilities: Array) -> float:
    """Minus the mean negative log-probability of the true class, rows normalised, clipped away from 0 and 1."""
    return float(np.mean(log_likelihoods(labels, probabilities)))


def log_likelihoods(labels: Array, probabilities: Array) -> Array:
    """(n,) log-probability of each image's true class."""
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    true = clipped[np.arange(len(labels)), labels]
    return np.asarray(np.log(true / clipped.sum(axis=1)))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("auroc", "AUROC", 0.0, 1.0, auroc, by_label=True),
        Metric("balanced-accuracy", "balanced accuracy", 0.0, 1.0, balanced_accuracy),
        Metric("accuracy", "accuracy", 0.0, 1.0, accuracy),
        Metric("average-precision", "average precision", 0.0, 1.0, average_precision, by_label=True),
        Metric("log-loss", "negative log-loss", float(np.log(SMALLEST_PROBABILITY)), 0.0, negative_log_loss, by_label=True),
    )
}


BY_LABEL = tuple(name for name, metric in METRICS.items() if metric.by_label)
PLAIN = ("accuracy", "log-loss")  # every image counts alike, whatever its class


def default_metric(class_count: int, several: bool = False) -> str:
    """AUROC for two classes and for several labels an image (the mean over labels), balanced accuracy otherwise."""
    return "auroc" if class_count == 2 or several else "balanced-accuracy"


def find(metric: str) -> Metric:
    """The metric of that name.

    Raises:
        OptionError: there is none.
    """
    if metric not in METRICS:
        raise OptionError(f"metric {metric!r} is not one of {', '.join(METRICS)}.{nearest(metric, METRICS)}")
    return METRICS[metric]


def score(metric: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The score of `probabilities` (n, C) for `labels` (n,) or (n, C), higher is better: log-loss comes negated.

    Of several labels an image each is scored on the images whose answer is known, and the score is the plain mean over labels
    for which it is defined. NaN when there is no image, when a probability is NaN or infinite, or when the metric is undefined
    (AUROC of one class).

    Raises:
        OptionError: no such metric.
        ValueError: the shapes do not fit.
    """
    y, p = _checked(labels, probabilities)
    chosen = find(metric)
    if len(y) == 0 or not np.isfinite(p).all():
        return float("nan")
    return _mean_over_labels(chosen, y, p) if several(y) else chosen.function(y, p)


def as_two_classes(scores: Array) -> Array:
    """(n,) probabilities of yes -> (n, 2): of no and of yes."""
    return np.stack([1 - scores, scores], axis=1)


def _mean_over_labels(metric: Metric, answers: Array, probabilities: Array) -> float:
    found = []
    for truth, scores in zip(answers.T, probabilities.T, strict=True):
        known = np.isfinite(truth)
        if known.any():
            found.append(metric.function(truth[known].astype(int), as_two_classes(scores[known])))
    defined = [value for value in found if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Array, Array]:
    y, p = np.asarray(labels), np.asarray(probabilities)
    if p.ndim != 2 or y.ndim not in (1, 2) or len(y) != len(p) or (y.ndim == 2 and y.shape != p.shape):
        raise ValueError(f"labels {y.shape} and probabilities {p.shape} do not fit; expected (n,) or both (n, classes).")
    if y.ndim == 1 and len(y) and (y.min() < 0 or y.max() >= p.shape[1]):
        raise ValueError(f"labels run from {y.min()} to {y.max()}, but there are {p.shape[1]} columns of probabilities.")
    return y, p
