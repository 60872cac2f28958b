"""How well predictions rank a class against the rest: ROC and precision-recall curves, averaged over folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from frostline.terms.detail import RankingCurve

Array = npt.NDArray[Any]

GRID = np.linspace(0.0, 1.0, 101)


def ranking_curve(model: str, of: str, folds: Sequence[tuple[Array, Array]]) -> RankingCurve | None:
    """Both curves of one model for one class.

    Scores of different folds' models are not comparable, so that each fold has curves of its own and the mean of these is taken:
    of the true positive rate at each false positive rate (Fawcett 2006, section 8.1, "vertical averaging"), and of the best
    precision at each recall or above (as in interpolated precision). A description, without interval.

    Args:
        folds: (truth (n,) of 0 and 1, score (n,)) of each; those with one class only are left out.

    Returns:
        None where no fold has both classes.
    """
    whole = [(truth, values) for truth, values in folds if 0 < truth.sum() < len(truth)]
    if not whole:
        return None
    roc = np.mean([_roc(*one) for one in whole], axis=0)
    precision = np.mean([_precision(*one) for one in whole], axis=0)
    share = float(np.concatenate([truth for truth, _ in whole]).mean())
    return RankingCurve(model, of, ((0.0, 0.0), *_pairs(roc)), _pairs(precision), share)


def _roc(truth: Array, values: Array) -> Array:
    """(101,) highest true positive rate at no more than each false positive rate."""
    false, true, _ = roc_curve(truth, values)
    last = np.searchsorted(false, GRID, side="right") - 1
    steps = np.where(last + 1 < len(false), last + 1, last)
    width = false[steps] - false[last]
    share = np.divide(GRID - false[last], width, out=np.zeros_like(GRID), where=width > 0)
    return np.asarray(true[last] + share * (true[steps] - true[last]))


def _precision(truth: Array, values: Array) -> Array:
    """(101,) best precision at each recall or above."""
    precision, recall, _ = precision_recall_curve(truth, values)
    best = np.maximum.accumulate(precision)  # recall falls along the curve
    place = np.searchsorted(-recall, -GRID, side="right") - 1
    return np.asarray(best[place])


def _pairs(values: Array) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), 2), round(float(y), 4)) for x, y in zip(GRID, values, strict=True))
