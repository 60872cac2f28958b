"""Heads that a solver fits, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from frostline.compute.heads import best_linear_head, logistic_path, sample_weights
from frostline.compute.stacked import fit_stacked


def blobs(n: int = 300, channels: int = 20, classes: int = 3, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    centres = generator.normal(size=(classes, channels))
    features = centres[labels] + 1.5 * generator.normal(size=(n, channels))
    return (features * generator.uniform(0.1, 10, channels) + 3).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-4])
def test_logistic_path_gives_the_probabilities_of_scikit_learn(l2: float) -> None:
    features, labels = blobs()
    mine = logistic_path(features, labels, 3, (10.0, l2))[-1].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (l2 * len(labels)), max_iter=10_000, tol=1e-8).fit(standard, labels)
    assert np.abs(mine - theirs.predict_proba(standard)).max() < 5e-3


def test_more_channels_than_samples_give_the_same_solution_as_scikit_learn() -> None:
    features, labels = blobs(n=40, channels=200)
    mine = logistic_path(features, labels, 3, (0.1,))[0].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (0.1 * len(labels)), max_iter=10_000, tol=1e-8).fit(standard, labels)
    assert np.abs(mine - theirs.predict_proba(standard)).max() < 5e-3


def test_balanced_weights_give_the_solution_of_scikit_learn() -> None:
    features, labels = blobs()
    keep = (labels != 0) | (np.arange(len(labels)) % 5 == 0)
    features, labels = features[keep], labels[keep]
    mine = logistic_path(features, labels, 3, (0.01,), sample_weights(labels, 3, True))[0].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    model = LogisticRegression(C=1 / (0.01 * len(labels)), max_iter=10_000, tol=1e-8, class_weight="balanced")
    assert np.abs(mine - model.fit(standard, labels).predict_proba(standard)).max() < 5e-3


def test_constant_channels_and_absent_classes_are_harmless() -> None:
    features, labels = blobs(classes=2)
    features[:, 0] = 7
    found = logistic_path(features, labels, 4, (0.01,))[0].probabilities(features)
    assert np.isfinite(found).all()
    assert found[:, 2:].max() < 0.01


def test_inner_choice_of_strength_prefers_a_strong_penalty_on_noise() -> None:
    generator = np.random.default_rng(0)
    noise, labels = generator.normal(size=(120, 60)).astype(np.float32), generator.integers(0, 2, 120)
    assert best_linear_head(noise, labels, 2, seed=0).l2 >= 1.0


def test_stacked_networks_equal_networks_trained_alone() -> None:
    features, labels = blobs()
    together = fit_stacked(features, labels, 3, [8], [1e-3, 1e-2], 12, seed=0)
    alone = fit_stacked(features, labels, 3, [8], [1e-3], 12, seed=0)
    # Dropout draws differ between stacked and single networks; the initial weights and the batches do not.
    assert np.abs(together.probabilities(features)[0] - alone.probabilities(features)[0]).max() < 0.2
    assert (together.probabilities(features)[1].argmax(1) == labels).mean() > 0.8
