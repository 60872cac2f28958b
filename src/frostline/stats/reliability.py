"""Reliability: of the predictions that say 80 %, how many come true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.measures import Quantity, Rows, estimate, share
from frostline.stats.pool import Truth
from frostline.terms.detail import Bin, Reliability

Array = npt.NDArray[Any]

BINS = 10


def reliability(repeats: Sequence[Rows], truth: Truth, replicates: int = 1000, seed: int = 0, bins: int = BINS) -> Reliability:
    """Bins of equal width over 0 .. 1; empty ones are left out.

    For two classes of the second class's probability (scikit-learn's `calibration_curve`), which a clinician would read;
    otherwise of the most probable class's. All predictions of a repeat are taken together: a probability means the same in
    every fold.
    """
    names = truth.classes
    two = len(names) == 2
    spoken, came = (_second, _is_second) if two else (_confidence, _is_right)
    probabilities = np.concatenate([spoken(rows) for rows in repeats])
    numbers = bin_of(probabilities, bins)
    present = [int(one) for one in np.unique(numbers)]
    quantities = [_observed(one, bins, spoken, came) for one in present]
    observed = estimate(repeats, truth, quantities, replicates, seed)
    found = []
    for one, measure in zip(present, observed, strict=True):
        assert measure.interval is not None
        inside = probabilities[numbers == one]
        found.append(Bin(one / bins, (one + 1) / bins, len(inside), float(inside.mean()), measure.interval))
    return Reliability(names[1] if two else "", tuple(found))


def bin_of(probabilities: Array, bins: int) -> Array:
    """(n,) which bin; an edge belongs to the bin above it, 1 to the last."""
    return np.asarray(np.clip((probabilities * bins).astype(int), 0, bins - 1))


def _observed(one: int, bins: int, spoken: Callable[[Rows], Array], came: Callable[[Rows], Array]) -> Quantity:
    return Quantity(
        "observed",
        lambda rows, weights: share(came(rows), weights),
        among=lambda rows: bin_of(spoken(rows), bins) == one,
    )


def _second(rows: Rows) -> Array:
    return np.asarray(rows.probabilities[:, 1], dtype=np.float64)


def _is_second(rows: Rows) -> Array:
    return np.asarray(rows.labels == 1)


def _confidence(rows: Rows) -> Array:
    return np.asarray(rows.probabilities.max(axis=1), dtype=np.float64)


def _is_right(rows: Rows) -> Array:
    return np.asarray(rows.said == rows.labels)
