"""Other ways to choose a recipe, to hold the rule against: the best mean, and the one-standard-error rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def best_mean(scores: Array) -> int:
    """scores: (R, J) a recipe and fold, higher is better -> the recipe with the best mean; the first of equals."""
    return int(scores.mean(axis=1).argmax())


def one_standard_error(scores: Array, order: Array) -> int:
    """The simplest recipe within one standard error of the best (Breiman, Friedman, Olshen, Stone 1984, section 3.4.3).

    The standard error is the best recipe's own, its deviation over all J folds of all repeats / sqrt(J), as R's caret takes it.

    Args:
        scores: (R, J), higher is better.
        order: (R,) place in the order of simplicity, 0 the simplest.
    """
    deviation = scores.std(axis=1, ddof=1) if scores.shape[1] > 1 else np.zeros(len(scores))
    return within_one_error(scores.mean(axis=1), deviation, scores.shape[1], order)


def within_one_error(means: Array, deviations: Array, resamples: int, order: Array) -> int:
    """The same from means and standard deviations (R,) over so many resamples."""
    best = int(means.argmax())
    allowed = means >= means[best] - deviations[best] / np.sqrt(resamples)
    return int(np.where(allowed, order, len(order)).argmin())
