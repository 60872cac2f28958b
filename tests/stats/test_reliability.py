"""Reliability against scikit-learn's calibration curve."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from frostline.stats.measures import Rows
from frostline.stats.reliability import reliability
from tests.stats.simulate import truth


def rows_of(labels: np.ndarray, probabilities: np.ndarray) -> Rows:
    n = len(labels)
    none = np.zeros(n, dtype=int)
    return Rows(np.arange(n), labels, probabilities, none, none, np.zeros((n, 0)))


def test_two_classes_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(400)
    labels = (rng.random(400) < positive).astype(int)
    found = reliability([rows_of(labels, np.stack([1 - positive, positive], axis=1))], truth(labels), replicates=60)
    observed, predicted = calibration_curve(labels, positive, n_bins=10)
    assert found.of == "c1"
    assert [one.observed.value for one in found.bins] == pytest.approx(observed)
    assert [one.confidence for one in found.bins] == pytest.approx(predicted)
    assert sum(one.predictions for one in found.bins) == 400
    assert all(one.observed.low <= one.observed.value <= one.observed.high for one in found.bins)


def test_more_classes_take_the_most_probable_one() -> None:
    labels = np.array([0, 1, 2, 2])
    p = np.array([[0.95, 0.05, 0.0], [0.95, 0.05, 0.0], [0.2, 0.2, 0.6], [0.0, 0.0, 1.0]])
    found = reliability([rows_of(labels, p)], truth(labels, classes=3), replicates=40)
    assert found.of == ""
    assert [(one.low, one.predictions) for one in found.bins] == [(0.6, 1), (0.9, 3)]
    assert found.bins[1].observed.value == pytest.approx(2 / 3)


def test_constant_predictions_fill_one_bin() -> None:
    labels = np.tile([0, 1], 10)
    (only,) = reliability([rows_of(labels, np.full((20, 2), 0.5))], truth(labels), replicates=40).bins
    assert (only.low, only.high, only.predictions, only.observed.value) == (0.5, 0.6, 20, 0.5)
