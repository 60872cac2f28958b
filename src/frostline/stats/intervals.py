"""Intervals from fold scores alone, for probes and other curves of which no predictions are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from frostline.stats.classic import corrected_variance
from frostline.terms.verdict import Interval


def mean_interval(
    fold_scores: Sequence[float], folds: int | None = None, floor: float = -np.inf, ceiling: float = np.inf
) -> Interval:
    """The mean over folds with a 95 % t-interval of Nadeau and Bengio's variance.

    Args:
        fold_scores: one a fold of each repeat; NaN are left out.
        folds: k, folds a repeat; all of `fold_scores` are one repeat when not given.
        floor, ceiling: what no score can go beyond; the interval ends there.

    With a single fold nothing is known of the spread: low and high are the value itself. Sample unit: the fold; valid only
    as far as the heuristic correction for overlapping training parts is.
    """
    values = np.asarray(fold_scores, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, mean, mean)
    k = max(2, folds or len(values))
    half = float(t.ppf(0.975, len(values) - 1) * np.sqrt(corrected_variance(values, 1 / (k - 1))))
    return Interval(mean, max(floor, mean - half), min(ceiling, mean + half))
