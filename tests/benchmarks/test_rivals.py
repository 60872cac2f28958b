"""The rivals of the rule against published examples."""

from __future__ import annotations

import numpy as np

from benchmarks.calibration.rivals import best_mean, one_standard_error, within_one_error


def test_one_standard_error_equals_the_example_of_carets_manual() -> None:
    """help(oneSE): RMSE of 1 to 5 components, deviation .4, 10 resamples; `best` takes row 4, `oneSE` row 2."""
    errors = np.array([3, 1.1, 1.02, 1, 2])
    assert errors.argmin() + 1 == 4
    assert within_one_error(-errors, np.full(5, 0.4), 10, np.arange(5)) + 1 == 2


def test_more_resamples_allow_less() -> None:
    means, deviations = np.array([0.80, 0.86, 0.90]), np.full(3, 0.2)
    found = [within_one_error(means, deviations, resamples, np.arange(3)) for resamples in (4, 16, 100)]
    assert found == [0, 1, 2]


def test_simplicity_is_an_order_of_its_own() -> None:
    scores = np.array([[0.9, 0.7], [0.8, 0.78], [0.6, 0.6]])
    assert best_mean(scores) == 0
    assert one_standard_error(scores, np.array([1, 0, 2])) == 1
    assert one_standard_error(scores[:, :1], np.array([2, 1, 0])) == 0
