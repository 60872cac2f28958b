"""Scores against scikit-learn, and the cases that have to be defined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from frostline.errors import OptionError
from frostline.stats.metrics import METRICS, default_metric, score
from frostline.stats.weighted import weighted_scores


def made(classes: int, n: int = 60, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    raw = rng.random((n, classes)) + 0.7 * np.eye(classes)[labels]
    if ties:
        raw = np.round(raw, 1) + 0.05
    return labels, raw / raw.sum(axis=1, keepdims=True)


def sklearn_score(metric: str, y: np.ndarray, p: np.ndarray, w: np.ndarray | None = None) -> float:
    if metric == "auroc" and p.shape[1] == 2:
        return float(oracle.roc_auc_score(y, p[:, 1], sample_weight=w))
    if metric == "auroc":
        areas = [oracle.roc_auc_score(y == one, p[:, one], sample_weight=w) for one in range(p.shape[1])]
        return float(np.mean(areas))
    if metric == "average-precision":
        classes = range(1, 2) if p.shape[1] == 2 else range(p.shape[1])
        return float(np.mean([oracle.average_precision_score(y == one, p[:, one], sample_weight=w) for one in classes]))
    if metric == "log-loss":
        return float(-oracle.log_loss(y, p, labels=list(range(p.shape[1])), sample_weight=w))
    function = {"accuracy": oracle.accuracy_score, "balanced-accuracy": oracle.balanced_accuracy_score}[metric]
    return float(function(y, p.argmax(axis=1), sample_weight=w))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("ties", [True, False])
def test_score_equals_scikit_learn(metric: str, classes: int, ties: bool) -> None:
    y, p = made(classes, ties=ties)
    assert score(metric, y, p) == pytest.approx(sklearn_score(metric, y, p), abs=1e-9)


def test_macro_auroc_equals_scikit_learn_one_against_rest() -> None:
    y, p = made(4)
    assert score("auroc", y, p) == pytest.approx(oracle.roc_auc_score(y, p, multi_class="ovr", average="macro"), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("ties", [True, False])
def test_weighted_scores_equal_scikit_learn_with_sample_weight(metric: str, classes: int, ties: bool) -> None:
    models = [made(classes, seed=0, ties=ties)[1], made(classes, seed=0, ties=not ties)[1]]
    y, _ = made(classes, seed=0)
    rng = np.random.default_rng(1)
    weights = rng.poisson(1.0, (7, len(y)))
    weights[:, :classes] += 1  # every class stays present: scikit-learn needs it
    found = weighted_scores(metric, y, models, weights)
    expected = [[sklearn_score(metric, y, p, w) for p in models] for w in weights]
    assert found == pytest.approx(np.array(expected), abs=2e-6)


def test_a_class_left_out_of_a_bag_is_left_out_of_the_mean() -> None:
    y, p = made(3)
    weights = np.stack([np.where(y == 2, 0, 1), np.where(y == 0, 1, 0)])
    recall = [(p.argmax(axis=1) == y)[y == one].mean() for one in range(3)]
    assert weighted_scores("balanced-accuracy", y, [p], weights)[0, 0] == pytest.approx(np.mean(recall[:2]), abs=1e-6)
    assert weighted_scores("balanced-accuracy", y, [p], weights)[1, 0] == pytest.approx(recall[0], abs=1e-6)
    assert np.isnan(weighted_scores("auroc", y, [p], weights)[1, 0])


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_bag_is_undefined(metric: str) -> None:
    y, p = made(2)
    assert np.isnan(weighted_scores(metric, y, [p], np.zeros((1, len(y))))).all()


@pytest.mark.parametrize(("metric", "expected"), [("auroc", 0.5), ("balanced-accuracy", 0.5), ("log-loss", np.log(0.5))])
def test_constant_predictions_have_a_score(metric: str, expected: float) -> None:
    y = np.array([0, 1, 1, 1])
    assert score(metric, y, np.full((4, 2), 0.5)) == pytest.approx(expected)


def test_what_is_undefined_is_nan() -> None:
    y, p = made(2)
    broken = p.copy()
    broken[3, 0] = np.nan
    assert all(np.isnan(score(metric, y, broken)) for metric in METRICS)
    assert np.isnan(score("auroc", np.zeros(5, dtype=int), p[:5]))
    assert np.isnan(score("accuracy", np.zeros(0, dtype=int), np.zeros((0, 2))))


def test_a_class_missing_in_a_fold_is_left_out() -> None:
    y, p = made(3)
    kept = y != 2
    areas = [oracle.roc_auc_score(y[kept] == one, p[kept, one]) for one in (0, 1)]
    assert score("auroc", y[kept], p[kept]) == pytest.approx(np.mean(areas))


def test_zero_probability_is_finite() -> None:
    assert score("log-loss", np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(METRICS["log-loss"].floor)


def test_wrong_input_is_named() -> None:
    with pytest.raises(OptionError, match="Nearest: auroc"):
        score("auroca", [0, 1], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="do not fit"):
        score("auroc", [0, 1, 1], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="2 columns"):
        score("auroc", [0, 2], [[1, 0], [0, 1]])


def test_default_metric() -> None:
    assert (default_metric(2), default_metric(3)) == ("auroc", "balanced-accuracy")
