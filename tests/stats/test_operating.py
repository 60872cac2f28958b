"""Thresholds by brute force, and that no image helps to choose its own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from frostline.stats.measures import Rows, estimate
from frostline.stats.operating import (
    NO_TRAINING,
    NONE_FOUND,
    CutRule,
    best_f1,
    cut_rules,
    fixed_elsewhere,
    fixed_on_other_folds,
    operating_point,
    quantities,
)
from tests.stats.simulate import scores_to_probabilities, truth

YOUDEN, AT_90 = cut_rules(0.9)


def brute_force(labels: np.ndarray, scores: np.ndarray, target: float | None) -> float:
    """The best of all observed scores; the highest of several."""
    best, chosen = -1.0, float("nan")
    for one in sorted(set(scores.tolist()), reverse=True):
        called = scores >= one
        sensitivity, specificity = called[labels].mean(), (~called[~labels]).mean()
        gain = sensitivity + specificity - 1 if target is None else sensitivity
        if (target is None or specificity >= target) and gain > best + 1e-12:
            best, chosen = gain, one
    return chosen


@pytest.mark.parametrize("rule", [YOUDEN, AT_90, CutRule("specificity", 0.5)])
@pytest.mark.parametrize("rounded", [True, False])
def test_thresholds_equal_brute_force(rule: CutRule, rounded: bool) -> None:
    for seed in range(15):
        rng = np.random.default_rng(seed)
        labels = np.arange(50) % 3 == 0
        scores = 1 / (1 + np.exp(-rng.normal(size=50) - 1.5 * labels))
        scores = np.round(scores, 1) if rounded else scores
        assert rule.threshold(labels, scores) == brute_force(labels, scores, rule.target)


@pytest.mark.parametrize("rounded", [True, False])
def test_the_best_f1_equals_brute_force_among_thresholds_that_do_not_call_too_many(rounded: bool) -> None:
    for seed in range(15):
        rng = np.random.default_rng(seed)
        labels = rng.random(60) < 0.15
        labels[:2] = True, False
        scores = np.round(rng.random(60) + labels, 1 if rounded else 9)
        best, chosen = 0.0, float("nan")
        for one in sorted(set(scores.tolist()), reverse=True):
            called = scores >= one
            f1 = 2 * (called & labels).sum() / (called.sum() + labels.sum())
            if called.sum() <= 2 * labels.sum() and f1 > best + 1e-12:
                best, chosen = f1, one
        assert np.array_equal(best_f1(labels, scores), chosen, equal_nan=True)


def test_a_label_that_cannot_be_told_is_not_said_of_every_image() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.arange(400) % 20 == 0, rng.random(400)
    assert (scores >= best_f1(labels, scores)).sum() <= 40 < (scores >= YOUDEN.threshold(labels, scores)).sum()
    assert np.isnan(best_f1(labels, np.full(400, 0.3))) and np.isnan(best_f1(labels & False, scores))


def test_no_threshold_where_nothing_separates() -> None:
    labels = np.arange(20) % 2 == 0
    assert np.isnan(YOUDEN.threshold(labels, np.full(20, 0.4)))
    assert np.isnan(YOUDEN.threshold(np.ones(20, dtype=bool), np.linspace(0, 1, 20)))
    assert np.isnan(AT_90.threshold(labels, np.where(labels, 0.2, 0.8)))


def rows_of(folds: int = 4, n: int = 80, seed: int = 0) -> Rows:
    y = np.arange(n) // folds % 2
    p = scores_to_probabilities(np.random.default_rng(seed).normal(size=n) + 1.5 * y)
    return Rows(np.arange(n), y, p, np.arange(n) % folds, np.zeros(n, dtype=int), np.zeros((n, 0)))


def test_a_folds_threshold_comes_from_the_other_folds_only() -> None:
    rows = rows_of()
    cut = fixed_on_other_folds(rows, (YOUDEN, AT_90))
    for fold in range(4):
        others = rows.fold != fold
        expected = [brute_force(rows.labels[others] == 1, rows.probabilities[others, 1], one) for one in (None, 0.9)]
        assert np.unique(cut.thresholds[~others], axis=0).tolist() == [expected]
    poisoned = dataclasses.replace(rows, labels=np.where(rows.fold == 2, 1 - rows.labels, rows.labels))
    again = fixed_on_other_folds(poisoned, (YOUDEN, AT_90))
    assert (again.thresholds[rows.fold == 2] == cut.thresholds[rows.fold == 2]).all()
    assert (again.thresholds[rows.fold == 1] != cut.thresholds[rows.fold == 1]).any()


def test_a_sealed_threshold_comes_from_other_predictions_only() -> None:
    training, test = [rows_of(seed=1), rows_of(seed=2)], rows_of(folds=1, seed=3)
    labels = np.concatenate([one.labels for one in training]) == 1
    scores = np.concatenate([one.probabilities[:, 1] for one in training])
    cut = fixed_elsewhere(test, training, (YOUDEN, AT_90))
    assert np.unique(cut.thresholds, axis=0).tolist() == [[brute_force(labels, scores, None), brute_force(labels, scores, 0.9)]]


def test_sensitivity_and_specificity_are_those_reached_by_hand() -> None:
    rows = fixed_on_other_folds(rows_of(), (YOUDEN, AT_90))
    for number, rule in enumerate((YOUDEN, AT_90)):
        reached = estimate([rows], truth(rows.labels), quantities(number), replicates=60)
        point = operating_point(rule, number, [rows], reached, trained=True)
        called = rows.probabilities[:, 1] >= rows.thresholds[:, number]
        assert point.sensitivity is not None and point.specificity is not None
        assert point.sensitivity.value == pytest.approx(called[rows.labels == 1].mean())
        assert point.specificity.value == pytest.approx(1 - called[rows.labels == 0].mean())
        assert point.specificity.low < point.specificity.value < point.specificity.high
        assert (len(point.thresholds), point.target, point.note) == (4, rule.target, "")


def test_a_single_hold_out_has_nothing_to_fix_a_threshold_on() -> None:
    rows = fixed_on_other_folds(rows_of(folds=1), (YOUDEN,))
    reached = estimate([rows], truth(rows.labels), quantities(0), replicates=40)
    point = operating_point(YOUDEN, 0, [rows], reached, trained=False)
    assert (point.thresholds, point.sensitivity, point.note) == ((), None, NO_TRAINING)


def test_constant_predictions_have_no_operating_point() -> None:
    flat = dataclasses.replace(rows_of(), probabilities=np.full((80, 2), 0.5))
    rows = fixed_on_other_folds(flat, (YOUDEN,))
    reached = estimate([rows], truth(rows.labels), quantities(0), replicates=40)
    assert operating_point(YOUDEN, 0, [rows], reached, trained=True).note == NONE_FOUND


def test_a_fold_without_a_threshold_is_left_out_and_said() -> None:
    y = np.array([0, 1] * 20 + [0] * 20)  # without the first fold there is one class only
    rows = Rows(np.arange(60), y, rows_of(n=60).probabilities, np.repeat([0, 1], [40, 20]), y * 0, np.zeros((60, 0)))
    cut = fixed_on_other_folds(rows, (YOUDEN,))
    reached = estimate([cut], truth(y), quantities(0), replicates=40)
    point = operating_point(YOUDEN, 0, [cut], reached, trained=True)
    assert point.note == "no threshold in 1 of 2 folds" and len(point.thresholds) == 1
    assert point.sensitivity is None, "the fold that has a threshold has no positive image"
    assert point.specificity is not None
