"""Several labels an image: heads against scikit-learn, and what is not known changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from frostline.compute import heads
from frostline.compute.features import Sample
from frostline.compute.heads import best_linear_head, forest, forest_probabilities, predict
from frostline.compute.logistic import logistic_path
from frostline.compute.losses import known_cross_entropy, loss_on, masses_of, probabilities_of, targets_of
from frostline.compute.stacked import fit_stacked
from frostline.compute.trials import subset


def several(n: int = 300, channels: int = 20, labels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and complete answers; the label with the last number is rare."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, channels))
    wanted = features @ generator.normal(size=(channels, labels)) + generator.normal(size=(n, labels))
    answers = wanted > np.quantile(wanted, np.linspace(0.5, 0.9, labels), axis=0).diagonal()
    return (features * generator.uniform(0.1, 10, channels) + 3).astype(np.float32), answers.astype(np.float32)


def grown(sample: Sample, truth: np.ndarray, classes: int) -> np.ndarray:
    """What trees say of the images that they were grown on."""
    return forest_probabilities(forest(sample, truth, classes, 0, False), sample, classes, truth.ndim == 2)


@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-3])
def test_one_decomposition_gives_the_binary_regressions_of_scikit_learn(l2: float) -> None:
    features, answers = several()
    answers[::4, 1] = np.nan
    mine = logistic_path(Sample.of(features), answers, 3, (10.0, l2))[-1].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    for label in range(3):
        known = np.isfinite(answers[:, label])
        model = LogisticRegression(C=1 / (l2 * known.sum()), max_iter=10_000, tol=1e-8)
        model.fit(standard[known], answers[known, label])
        assert np.abs(mine[:, label] - model.predict_proba(standard)[:, 1]).max() < 5e-3


def test_the_inner_choice_of_a_strength_does_not_need_every_answer() -> None:
    features, answers = several()
    answers[::2, 0] = np.nan
    head = best_linear_head(Sample.of(features), answers, 3, np.arange(len(answers)), 0)
    seen = head.probabilities(features)
    assert head.several and roc_auc_score(answers[:, 1], seen[:, 1]) > 0.9


def test_a_label_without_any_known_answer_is_harmless() -> None:
    features, answers = several()
    answers[:, 2] = np.nan
    found = predict(logistic_path(Sample.of(features), answers, 3, (0.1,)), Sample.of(features))
    assert np.isfinite(found).all() and np.allclose(found[0, :, 2], 0.5)
    assert np.allclose(grown(Sample.of(features), answers, 3)[:, 2], 0.5)


@pytest.mark.parametrize("labelled", ["classes", "labels"])
def test_of_very_many_images_a_tree_sees_some(labelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bounds its size: the more a tree has seen, the more leaves it has."""
    features, answers = several(400)
    sample = Sample.of(features)
    truth, classes, column = (answers, 3, 0) if labelled == "labels" else (answers[:, 0].astype(int), 2, 1)
    every = grown(sample, truth, classes)
    monkeypatch.setattr(heads, "MOST_IN_A_TREE", 50)
    some = grown(sample, truth, classes)
    right = answers[:, 0] == 1
    assert every[right, column].min() == 1.0 and every[~right, column].max() == 0.0, "whoever sees all images knows them"
    assert some[right, column].mean() < 0.95 and roc_auc_score(right, some[:, column]) > 0.9


def test_labels_known_for_the_same_images_share_a_forest() -> None:
    features, answers = several(200)
    together = grown(Sample.of(features), answers, 3)
    partly = answers.copy()
    partly[::3, 1] = np.nan
    apart = grown(Sample.of(features), partly, 3)
    for found in (together, apart):
        assert found.min() >= 0 and found.max() <= 1
        assert all(roc_auc_score(answers[:, label], found[:, label]) > 0.9 for label in range(3))


def test_small_networks_learn_every_label() -> None:
    features, answers = several(400)
    answers[::5, 0] = np.nan
    fitted = fit_stacked(Sample.of(features), answers, 3, [32], [1e-3, 1e-2], 30, 0)
    seen = fitted.probabilities(Sample.of(features))
    assert seen.shape == (2, 400, 3) and not np.allclose(seen.sum(axis=2), 1)
    known = np.isfinite(answers[:, 0])
    assert roc_auc_score(answers[known, 0], seen[1][known, 0]) > 0.9


def test_what_is_not_known_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    answers = torch.tensor([[1, 0, float("nan")]] * 6)
    loss = known_cross_entropy(logits, answers)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, :2], answers[:, :2])
    assert float(loss.detach()) == pytest.approx(float(expected))
    loss.backward()
    assert logits.grad is not None and (logits.grad[:, 2] == 0).all() and (logits.grad[:, 0] != 0).all()
    assert float(known_cross_entropy(logits, answers * float("nan"))) == 0.0


def test_losses_and_probabilities_fit_their_targets() -> None:
    classes, labels = targets_of(np.array([0, 2])), targets_of(np.array([[1, np.nan], [0, 1]]))
    assert classes.dtype == torch.int64 and labels.dtype == torch.float32
    logits = torch.zeros(2, 3)
    assert float(loss_on(classes)(logits, classes)) == pytest.approx(np.log(3))
    assert loss_on(labels) is known_cross_entropy
    assert torch.allclose(probabilities_of(logits, several=False).sum(dim=1), torch.ones(2))
    assert torch.allclose(probabilities_of(logits, several=True), torch.full((2, 3), 0.5))


def test_fewer_images_keep_the_rare_label() -> None:
    _, answers = several(400)
    rows = subset(np.arange(400), answers, 100, 0)
    assert 90 <= len(rows) <= 110
    assert answers[rows].mean(axis=0) == pytest.approx(answers.mean(axis=0), abs=0.08)


@pytest.mark.parametrize("weights", [None, np.asarray([0.2, 1.0, 1.8], np.float32)])
@pytest.mark.parametrize("multi", [False, True])
def test_means_over_parts_of_a_batch_are_put_together_by_their_masses(multi: bool, weights: np.ndarray | None) -> None:
    generator = np.random.default_rng(4)
    logits = torch.from_numpy(generator.normal(size=(11, 3)).astype(np.float32))
    answers = generator.integers(0, 2, (11, 3)).astype(np.float32)
    answers[generator.random((11, 3)) < 0.4] = np.nan
    answers[7:] = np.nan  # the last part knows nothing
    targets = targets_of(answers if multi else generator.integers(0, 3, 11))
    loss, masses = loss_on(targets, weights), masses_of(targets, weights)
    parts = [slice(0, 5), slice(5, 7), slice(7, 11)]
    together = sum(float(loss(logits[part], targets[part])) * float(masses[part].sum()) for part in parts) / float(masses.sum())
    assert together == pytest.approx(float(loss(logits, targets)), rel=1e-5)
