"""ROC and precision-recall curves: they pass through what can be counted by hand, and folds are averaged, not pooled."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from frostline.stats.ranking_curves import ranking_curve


def area(pairs: tuple[tuple[float, float], ...]) -> float:
    return float(np.trapezoid([y for _, y in pairs], [x for x, _ in pairs]))


def test_the_area_under_the_curve_is_the_auroc() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1], 400)
    values = truth + 1.3 * generator.normal(size=800)
    found = ranking_curve("chosen", "b", [(truth, values)])
    assert found is not None
    assert area(found.roc) == pytest.approx(roc_auc_score(truth, values), abs=0.005)
    assert found.share == 0.5


def test_a_perfect_ranking_finds_all_before_the_first_mistake() -> None:
    found = ranking_curve("chosen", "b", [(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))])
    assert found is not None
    assert all(y == 1.0 for _, y in found.roc[1:]) and all(y == 1.0 for _, y in found.precision)


def test_precision_is_the_best_at_each_recall_or_above() -> None:
    truth, values = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    found = ranking_curve("chosen", "b", [(truth, values)])
    assert found is not None
    precision = dict(found.precision)
    assert precision[0.4] == 1.0, "the first is right"
    assert precision[0.5] == 1.0
    assert precision[0.6] == precision[1.0] == pytest.approx(2 / 3, abs=1e-4), "both are found among three"


def test_folds_with_other_scales_are_averaged_and_those_of_one_class_left_out() -> None:
    truth = np.array([0, 0, 1, 1])
    first, second = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.91, 0.92, 0.98, 0.99])
    alone = ranking_curve("chosen", "b", [(truth, first)])
    both = ranking_curve("chosen", "b", [(truth, first), (truth, second), (np.zeros(4, int), first)])
    assert alone is not None and both is not None
    assert both.roc == alone.roc, "pooled, the second fold's negatives would stand above the first one's positives"
    assert ranking_curve("chosen", "b", [(np.zeros(4, int), first)]) is None
