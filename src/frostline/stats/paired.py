"""What changed between two sets of predictions for the same images: for descriptions, not for claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import batches, units_of
from frostline.stats.metrics import score
from frostline.stats.pool import Truth
from frostline.stats.weighted import weighted_scores
from frostline.terms.interval import Interval

Array = npt.NDArray[Any]


def paired_change(
    metric: str, truth: Truth, images: Array, before: Array, after: Array, replicates: int = 1000, seed: int = 0
) -> Interval:
    """Score of `after` minus score of `before` with the 2.5 and 97.5 percentiles of a bootstrap over units.

    Args:
        images: (n,) indices into the data set; before, after: (n, classes) predictions for them.

    Sample unit: groups, or images where there are none, drawn within their class. Both models are taken as they are: nothing is
    said of how others, fitted on other images, would differ. Replicates in which the metric is undefined are left out.
    """
    truth = truth.numbered()
    units = units_of(images, truth)
    labels = truth.labels[images]
    parts = []
    for weights in batches(units, replicates, np.random.default_rng(seed)):
        scores = weighted_scores(metric, labels, [before, after], weights)
        parts.append(scores[:, 1] - scores[:, 0])
    drawn = np.concatenate(parts)
    drawn = drawn[np.isfinite(drawn)]
    change = score(metric, labels, after) - score(metric, labels, before)
    if len(drawn) == 0:
        return Interval(change, float("nan"), float("nan"))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(change), float(low), float(high))
