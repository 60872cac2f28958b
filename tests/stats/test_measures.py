"""Weighted measures against scikit-learn, and the engine that gives them intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from frostline.stats.measures import (
    Quantity,
    Rows,
    always_shown,
    auroc,
    average_precision,
    calibration_error,
    estimate,
    of_class,
    of_rare,
    scored,
    share,
)
from frostline.stats.sealed import with_test
from frostline.terms.detail import Measure
from frostline.terms.verdict import Verdict
from tests.stats.simulate import scores_to_probabilities, truth
from tests.stats.test_metrics import made


def rows_of(labels: np.ndarray, probabilities: np.ndarray, fold: np.ndarray | None = None) -> Rows:
    n = len(labels)
    none = np.zeros(n, dtype=int)
    return Rows(np.arange(n), labels, probabilities, none if fold is None else fold, none, np.zeros((n, 0)))


def weightings(n: int, count: int = 6) -> np.ndarray:
    weights = np.random.default_rng(1).poisson(1.0, (count, n)).astype(np.float64)
    weights[:, : min(n, 5)] += 1
    return weights


def value(found: tuple[Measure, ...], name: str) -> float:
    interval = next(one.interval for one in found if one.name == name)
    assert interval is not None
    return interval.value


@pytest.mark.parametrize("ties", [True, False])
def test_average_precision_and_auroc_equal_scikit_learn_under_weights(ties: bool) -> None:
    y, p = made(3, ties=ties)
    weights = weightings(len(y))
    for one in range(3):
        precision = [oracle.average_precision_score(y == one, p[:, one], sample_weight=w) for w in weights]
        assert average_precision(y == one, p[:, one], weights) == pytest.approx(precision, abs=1e-9)
        areas = [oracle.roc_auc_score(y == one, p[:, one], sample_weight=w) for w in weights]
        assert auroc(y == one, p[:, one], weights) == pytest.approx(areas, abs=1e-6)


def test_average_precision_without_a_positive_is_undefined() -> None:
    y, p = made(2)
    weights = np.stack([np.ones(len(y)), (y == 0).astype(float)])
    assert np.isnan(average_precision(y == 1, p[:, 1], weights)).tolist() == [False, True]


def test_constant_scores_have_the_share_as_average_precision_and_half_as_auroc() -> None:
    y = np.array([0, 1, 1, 0, 0])
    assert average_precision(y == 1, np.full(5, 0.3), np.ones((1, 5)))[0] == pytest.approx(0.4)
    assert auroc(y == 1, np.full(5, 0.3), np.ones((1, 5)))[0] == pytest.approx(0.5)


def plain_calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """Guo et al. 2017, eq. 5, bin by bin."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = np.linspace(0, 1, 16)
    bins = [(confidence >= low) & (confidence < high) for low, high in zip(edges[:-1], [*edges[1:-1], 1.1], strict=True)]
    return float(sum(abs(right[one].mean() - confidence[one].mean()) * one.mean() for one in bins if one.any()))


def test_calibration_error_by_hand() -> None:
    y, p = np.array([0, 0, 0, 1]), np.array([[0.9, 0.1]] * 4)
    assert calibration_error(rows_of(y, p), np.ones((1, 4)))[0] == pytest.approx(0.15)
    assert calibration_error(rows_of(y[:1], np.array([[1.0, 0.0]])), np.ones((1, 1)))[0] == 0


@pytest.mark.parametrize("classes", [2, 4])
def test_values_equal_scikit_learn(classes: int) -> None:
    y, p = made(classes, n=120)
    found = estimate([rows_of(y, p)], truth(y, classes=classes), always_shown(classes), replicates=40)
    said = p.argmax(axis=1)
    squares = ((p - np.eye(classes)[y]) ** 2).sum(axis=1).mean()
    area = oracle.roc_auc_score(y, p[:, 1]) if classes == 2 else oracle.roc_auc_score(y, p, multi_class="ovr")
    assert value(found, "auroc") == pytest.approx(area, abs=1e-6)
    assert value(found, "balanced-accuracy") == pytest.approx(oracle.balanced_accuracy_score(y, said), abs=1e-6)
    assert value(found, "accuracy") == pytest.approx(oracle.accuracy_score(y, said), abs=1e-6)
    assert value(found, "log-loss") == pytest.approx(oracle.log_loss(y, p), abs=1e-6)
    assert value(found, "brier") == pytest.approx(oracle.brier_score_loss(y, p[:, 1]) if classes == 2 else squares)
    assert value(found, "calibration-error") == pytest.approx(plain_calibration_error(y, p))
    assert value(found, "majority") == pytest.approx((y == 0).mean())


def test_calibration_error_under_weights_is_that_of_repeated_images() -> None:
    y, p = made(3, ties=False)
    weights = weightings(len(y))
    for row, found in zip(weights, calibration_error(rows_of(y, p), weights), strict=True):
        times = np.repeat(np.arange(len(y)), row.astype(int))
        assert found == pytest.approx(plain_calibration_error(y[times], p[times]))


def test_recall_precision_and_auroc_of_a_class_equal_scikit_learn() -> None:
    y, p = made(3, n=150)
    precision, recall, _, _ = oracle.precision_recall_fscore_support(y, p.argmax(axis=1), labels=range(3))
    for one in range(3):
        found = estimate([rows_of(y, p)], truth(y, classes=3), of_class(one, f"c{one}"), replicates=40)
        assert value(found, "recall") == pytest.approx(recall[one])
        assert value(found, "precision") == pytest.approx(precision[one])
        assert value(found, "auroc") == pytest.approx(oracle.roc_auc_score(y == one, p[:, one]), abs=1e-6)
        assert {measure.of for measure in found} == {f"c{one}"}


def test_auprc_only_of_classes_under_a_tenth() -> None:
    labels = np.repeat([0, 1, 2], [80, 14, 6])
    assert [one.of for one in of_rare(labels, ("a", "b", "c"))] == ["c"]
    _, p = made(3, n=100)
    found = estimate([rows_of(labels, p)], truth(labels, classes=3), of_rare(labels, ("a", "b", "c")), replicates=40)[0]
    assert found.note == "guessing reaches 0.060"
    assert found.interval is not None
    assert found.interval.value == pytest.approx(oracle.average_precision_score(labels == 2, p[:, 2]))


def test_a_rare_class_counts_in_patients_that_have_it_though_most_of_their_images_do_not() -> None:
    """40 patients with three images each, of which one in every second patient shows the rare class."""
    labels = np.zeros(120, dtype=int)
    labels[::6] = 1
    groups = np.repeat(np.arange(40), 3)
    ranked = scores_to_probabilities(np.random.default_rng(0).normal(labels * 2.0, 1.0))
    quantities = of_rare(np.repeat([0, 1], [95, 5]), ("a", "b"))
    single, joined = (
        estimate([rows_of(labels, ranked)], truth(labels, groups), quantities, replicates=300)[0].interval
        for groups in (np.arange(120), groups)
    )
    assert single is not None and joined is not None and joined.value == single.value
    assert joined.high - joined.low < 1.5 * (single.high - single.low) < 1


def test_what_needs_a_ranking_is_averaged_over_folds_and_never_pooled() -> None:
    y = np.tile([0, 1], 40)
    fold = np.repeat([0, 1], 40)
    scores = np.random.default_rng(0).normal(size=80) + y + 5.0 * fold  # every fold's model has a level of its own
    p = scores_to_probabilities(scores)
    found = estimate([rows_of(y, p, fold)], truth(y), always_shown(2), replicates=40)
    areas = [oracle.roc_auc_score(y[fold == one], p[fold == one, 1]) for one in (0, 1)]
    assert value(found, "auroc") == pytest.approx(np.mean(areas), abs=1e-6)
    assert abs(value(found, "auroc") - oracle.roc_auc_score(y, p[:, 1])) > 0.05
    assert value(found, "log-loss") == pytest.approx(oracle.log_loss(y, p), abs=1e-6)
    over = {one.name: one.over for one in found}
    assert (over["auroc"], over["balanced-accuracy"], over["accuracy"], over["brier"]) == ("folds", "folds", "images", "images")


def test_a_class_missing_in_a_fold_leaves_that_fold_out() -> None:
    y = np.array([0, 1] * 10 + [0] * 10)
    fold = np.repeat([0, 1], [20, 10])
    _, p = made(2, n=30)
    found = estimate([rows_of(y, p, fold)], truth(y), [scored("auroc")], replicates=40)
    assert value(found, "auroc") == pytest.approx(oracle.roc_auc_score(y[:20], p[:20, 1]), abs=1e-6)


def test_what_is_not_defined_says_why() -> None:
    y = np.zeros(20, dtype=int)
    p = np.tile([0.9, 0.1], (20, 1))
    found = estimate([rows_of(y, p)], truth(y), [scored("auroc"), *of_class(1, "ill")], replicates=40)
    assert [one.interval for one in found] == [None] * 4
    assert [one.note for one in found] == [
        "needs images of two classes",
        "no image of ill",
        "nothing was called ill",
        "needs images of ill and of others",
    ]


@pytest.mark.parametrize("metric", ["auroc", "balanced-accuracy", "accuracy"])
def test_intervals_are_those_of_the_sealed_score(metric: str) -> None:
    y = np.tile([0, 1], 60)
    groups = np.arange(120) // 3
    p = scores_to_probabilities(np.random.default_rng(3).normal(size=120) + y)
    base = Verdict(metric, 0.01, None, None, None, (), (), (), None, 0.0)  # type: ignore[arg-type]
    sealed = with_test(base, {"chosen": (y, p, groups)}, "now", replicates=200).score.interval
    found = estimate([rows_of(y, p)], truth(y, groups), [scored(metric)], replicates=200)[0].interval
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((sealed.value, sealed.low, sealed.high), abs=1e-6)


def test_repeats_that_disagree_widen_the_interval() -> None:
    y = np.tile([0, 1], 50)
    right = scores_to_probabilities(np.where(y == 1, 1.0, -1.0))
    half = np.where((np.arange(100) % 4 < 2)[:, None], right, right[:, ::-1])
    alike, apart = (
        estimate([rows_of(y, one), rows_of(y, other)], truth(y), [scored("accuracy")])[0].interval
        for one, other in ((half, half), (right, half))
    )
    assert alike is not None and apart is not None
    assert (alike.value, apart.value) == pytest.approx((0.5, 0.75))
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_repeats_count_by_their_folds() -> None:
    y = np.tile([0, 1], 10)
    right = scores_to_probabilities(np.where(y == 1, 1.0, -1.0))
    whole = rows_of(y, right, np.arange(20) // 5)
    part = rows_of(y, right[:, ::-1]).where(np.arange(20) < 10)
    found = estimate([whole, part], truth(y), [scored("accuracy")], replicates=40)[0].interval
    assert found is not None and found.value == pytest.approx(4 / 5)


def test_few_defined_replicates_mean_that_nothing_is_known() -> None:
    y = np.array([0] * 30 + [1])
    nothing = Quantity("x", lambda rows, weights: np.where(weights.sum(axis=1) == 31, share(rows.labels, weights), np.nan))
    groups = np.arange(31) // 2  # the last group has one image: most draws have another total
    found = estimate([rows_of(y, made(2, n=31)[1])], truth(y, groups), [nothing], replicates=10)[0].interval
    assert found is not None and (found.low, found.high) == (0.0, 1.0)


@pytest.mark.slow
def test_intervals_of_a_share_cover() -> None:
    """Sensitivity .9 on 30 positives: at least 93 % of intervals hold it, and they are not needlessly wide."""
    rng, hits, widths = np.random.default_rng(0), 0, []
    y = np.repeat([0, 1], 30)
    for _ in range(1000):
        called = rng.random(60) < np.where(y == 1, 0.9, 0.2)
        p = scores_to_probabilities(np.where(called, 1.0, -1.0))
        found = estimate([rows_of(y, p)], truth(y), of_class(1, "c1")[:1], replicates=300, seed=int(rng.integers(1 << 30)))
        interval = found[0].interval
        assert interval is not None
        hits += interval.low <= 0.9 <= interval.high
        widths.append(interval.high - interval.low)
    assert hits >= 930
    assert np.mean(widths) < 0.32
