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
from scipy.stats import rankdata

from frostline.errors import OptionError, nearest

Array = npt.NDArray[Any]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # the clipping of scikit-learn's log_loss


@dataclass(frozen=True)
class Metric:
    """A score that a search may optimise.

    Attributes:
        title: as it is written for people.
        floor, ceiling: the worst and the best value possible.
        function: (labels (n,), probabilities (n, C)) -> score, higher is better.
    """

    name: str
    title: str
    floor: float
    ceiling: float
    function: Callable[[Array, Array], float]


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
    u = rankdata(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(u / (n_positive * n_negative))


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
        Metric("auroc", "AUROC", 0.0, 1.0, auroc),
        Metric("balanced-accuracy", "balanced accuracy", 0.0, 1.0, balanced_accuracy),
        Metric("accuracy", "accuracy", 0.0, 1.0, accuracy),
        Metric("log-loss", "negative log-loss", float(np.log(SMALLEST_PROBABILITY)), 0.0, negative_log_loss),
    )
}


def default_metric(class_count: int) -> str:
    """AUROC for two classes, balanced accuracy otherwise."""
    return "auroc" if class_count == 2 else "balanced-accuracy"


def find(metric: str) -> Metric:
    """The metric of that name.

    Raises:
        OptionError: there is none.
    """
    if metric not in METRICS:
        raise OptionError(f"metric {metric!r} is not one of {', '.join(METRICS)}.{nearest(metric, METRICS)}")
    return METRICS[metric]


def score(metric: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The score of `probabilities` (n, C) for `labels` (n,), higher is better: log-loss comes negated.

    NaN when there is no image, when a probability is NaN or infinite, or when the metric is undefined (AUROC of one class).

    Raises:
        OptionError: no such metric.
        ValueError: the shapes do not fit.
    """
    y, p = _checked(labels, probabilities)
    chosen = find(metric)
    if len(y) == 0 or not np.isfinite(p).all():
        return float("nan")
    return chosen.function(y, p)


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Array, Array]:
    y, p = np.asarray(labels), np.asarray(probabilities)
    if p.ndim != 2 or y.ndim != 1 or len(y) != len(p):
        raise ValueError(f"labels {y.shape} and probabilities {p.shape} do not fit; expected (n,) and (n, classes).")
    if len(y) and (y.min() < 0 or y.max() >= p.shape[1]):
        raise ValueError(f"labels run from {y.min()} to {y.max()}, but there are {p.shape[1]} columns of probabilities.")
    return y, p


def report(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> dict[str, float]:
    """The metrics shown beside the primary one.

    Keys: `auroc`, `balanced-accuracy`, `accuracy`, `majority` (accuracy of always saying the most frequent class of
    *these* labels), and, lower is better, `log-loss`, `brier`, `calibration-error`. NaN as in `score`.
    """
    y, p = _checked(labels, probabilities)
    shown = {name: score(name, y, p) for name in ("auroc", "balanced-accuracy", "accuracy")}
    shown["majority"] = float(np.bincount(y).max() / len(y)) if len(y) else float("nan")
    shown["log-loss"] = -score("log-loss", y, p)
    usable = len(y) > 0 and bool(np.isfinite(p).all())
    shown["brier"] = brier(y, p) if usable else float("nan")
    shown["calibration-error"] = calibration_error(y, p) if usable else float("nan")
    return shown


def brier(labels: Array, probabilities: Array) -> float:
    """Brier score: squared error of the second class's probability for two classes, summed over classes otherwise."""
    squares = (probabilities - np.eye(probabilities.shape[1])[labels]) ** 2
    if probabilities.shape[1] == 2:
        squares = squares[:, 1:]
    return float(squares.sum(axis=1).mean())


def calibration_error(labels: Array, probabilities: Array, bins: int = 15) -> float:
    """Expected calibration error of the most probable class, equal-width bins (Guo et al. 2017, eq. 5).

    Biased upwards when images are few: a perfectly calibrated model does not reach 0.
    """
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights=hits - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
