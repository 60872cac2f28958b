"""Heads that a solver fits, against scikit-learn."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from frostline.compute import features as features_module
from frostline.compute import stacked
from frostline.compute.features import Features, Sample
from frostline.compute.heads import _inner_fifth, best_linear_head, predict, sample_weights
from frostline.compute.logistic import logistic_path
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
    mine = logistic_path(Sample.of(features), labels, 3, (10.0, l2))[-1].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (l2 * len(labels)), max_iter=10_000, tol=1e-8).fit(standard, labels)
    assert np.abs(mine - theirs.predict_proba(standard)).max() < 5e-3


@pytest.mark.parametrize("classes", [2, 5])
def test_a_path_ends_near_the_minimum_of_its_weakest_penalty(classes: int) -> None:
    """Classes that are told apart exactly: steps scaled with the bound of the curvature end 13 % above it here."""
    features, labels = blobs(n=400, channels=200, classes=classes)
    head, standard = logistic_path(Sample.of(features), labels, classes)[-1], (features - features.mean(0)) / features.std(0)
    penalty = head.l2 / 2 if classes == 2 else head.l2  # of the one difference that scikit-learn has for two classes
    theirs = LogisticRegression(C=1 / (penalty * len(labels)), max_iter=100_000, tol=1e-10).fit(standard, labels)

    def reached(probabilities: np.ndarray, squares: float) -> float:
        return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean() + head.l2 / 2 * squares)

    squares = (theirs.coef_**2).sum() / (2 if classes == 2 else 1)
    mine = reached(head.probabilities(features), ((head.weight * features.std(0)) ** 2).sum())
    assert mine < 1.01 * reached(theirs.predict_proba(standard), squares)


def test_more_channels_than_samples_give_the_same_solution_as_scikit_learn() -> None:
    features, labels = blobs(n=40, channels=200)
    mine = logistic_path(Sample.of(features), labels, 3, (0.1,))[0].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (0.1 * len(labels)), max_iter=10_000, tol=1e-8).fit(standard, labels)
    assert np.abs(mine - theirs.predict_proba(standard)).max() < 5e-3


def test_balanced_weights_give_the_solution_of_scikit_learn() -> None:
    features, labels = blobs()
    keep = (labels != 0) | (np.arange(len(labels)) % 5 == 0)
    features, labels = features[keep], labels[keep]
    mine = logistic_path(Sample.of(features), labels, 3, (0.01,), sample_weights(labels, 3, True))[0].probabilities(features)
    standard = (features - features.mean(0)) / features.std(0)
    model = LogisticRegression(C=1 / (0.01 * len(labels)), max_iter=10_000, tol=1e-8, class_weight="balanced")
    assert np.abs(mine - model.fit(standard, labels).predict_proba(standard)).max() < 5e-3


def test_constant_channels_and_absent_classes_are_harmless() -> None:
    features, labels = blobs(classes=2)
    features[:, 0] = 7
    found = logistic_path(Sample.of(features), labels, 4, (0.01,))[0].probabilities(features)
    assert np.isfinite(found).all()
    assert found[:, 2:].max() < 0.01


def test_inner_choice_of_strength_prefers_a_strong_penalty_on_noise() -> None:
    generator = np.random.default_rng(0)
    noise, labels = generator.normal(size=(120, 60)).astype(np.float32), generator.integers(0, 2, 120)
    assert best_linear_head(Sample.of(noise), labels, 2, np.arange(120), seed=0).l2 >= 1.0


def test_the_inner_choice_of_strength_is_judged_on_other_patients() -> None:
    generator = np.random.default_rng(0)
    patients, diagnosis = np.repeat(np.arange(60), 4), generator.integers(0, 2, 60)
    looks = generator.normal(size=(60, 100))  # every patient is recognised, and says nothing of another
    features = (looks[patients] + generator.normal(scale=0.1, size=(240, 100))).astype(np.float32)
    sample, labels = Sample.of(features), diagnosis[patients]
    recognised = best_linear_head(sample, labels, 2, np.arange(240), seed=0)
    assert best_linear_head(sample, labels, 2, patients, seed=0).l2 >= 1.0 > recognised.l2


@pytest.mark.parametrize("rare", [3, 4, 9])
def test_the_inner_fifth_holds_some_of_a_rare_class(rare: int) -> None:
    labels = np.repeat([0, 1], [200, rare])
    for seed in range(5):
        held_out = _inner_fifth(labels, np.arange(len(labels)), seed)
        assert held_out.sum() == pytest.approx(len(labels) / 5, abs=1)
        assert 1 <= held_out[labels == 1].sum() <= 2


def test_where_every_class_is_tiny_a_fifth_of_all_is_held_out_and_of_one_class_nothing_is_chosen() -> None:
    of_two = np.repeat(np.arange(50), 2)
    assert _inner_fifth(of_two, np.arange(100), 0).sum() == 20
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    assert best_linear_head(Sample.of(features), np.repeat([0, 1], [39, 1]), 2, np.arange(40), seed=0).l2 == 0.01


def test_stacked_networks_equal_networks_trained_alone() -> None:
    features, labels = blobs()
    together = fit_stacked(Sample.of(features), labels, 3, [8], [1e-3, 1e-2], 12, seed=0)
    alone = fit_stacked(Sample.of(features), labels, 3, [8], [1e-3], 12, seed=0)
    assert np.abs(together.probabilities(Sample.of(features))[0] - alone.probabilities(Sample.of(features))[0]).max() < 1e-4
    assert (together.probabilities(Sample.of(features))[1].argmax(1) == labels).mean() > 0.8


def test_axes_shared_by_all_samples_change_no_solution() -> None:
    features, labels = blobs()
    rows = np.arange(0, 300, 2)
    shared = Features((features,), np.arange(300)).sample(rows)
    assert shared.axes is not None
    for strength in (1.0, 1e-3):
        alone = logistic_path(Sample.of(features[rows]), labels[rows], 3, (10.0, strength))[-1]
        found = logistic_path(shared, labels[rows], 3, (10.0, strength))[-1]
        assert np.abs(found.probabilities(features) - alone.probabilities(features)).max() < 5e-3


def test_views_of_an_image_are_further_samples_with_its_label() -> None:
    features, labels = blobs(n=120)
    other = features + np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    views = Features((features, other), np.arange(120)).sample(np.arange(120), views=2)
    stacked = Sample.of(np.concatenate([features, other]))
    found = logistic_path(views, labels, 3, (0.01,))
    expected = logistic_path(stacked, np.tile(labels, 2), 3, (0.01,))
    assert np.abs(predict(found, views) - predict(expected, Sample.of(features))).max() < 5e-3


def test_large_work_arrays_lie_in_a_file_and_give_the_same_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    strengths = (1.0, 0.1, 0.01)
    memory = logistic_path(Features((features,), np.arange(300)).sample(np.arange(300)), labels, 3, strengths)
    monkeypatch.setattr(features_module, "MAPPED_ABOVE", 1000)
    monkeypatch.setattr(features_module, "PIECE", 64)
    sample = Features((features,), np.arange(300), tmp_path).sample(np.arange(300))
    assert isinstance(sample.buffer(20), np.memmap)
    mapped = logistic_path(sample, labels, 3, strengths)
    assert (
        max(np.abs(a.probabilities(features) - b.probabilities(features)).max() for a, b in zip(memory, mapped, strict=True))
        < 5e-3
    )
    assert not list(tmp_path.iterdir())


def test_small_networks_see_the_leading_components_and_fold_them_into_their_first_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    whole = fit_stacked(Sample.of(features), labels, 3, [16], [1e-2], 20, seed=0)
    monkeypatch.setattr(stacked, "MOST_COMPONENTS", 8)
    few = fit_stacked(Sample.of(features), labels, 3, [16], [1e-2], 20, seed=0)
    assert few.weights[0].shape == whole.weights[0].shape == (1, 20, 16)
    assert np.linalg.matrix_rank(few.weights[0][0].numpy()) <= 8
    assert (few.probabilities(Sample.of(features))[0].argmax(1) == labels).mean() > 0.8


@pytest.mark.parametrize("channels", [20, 180, 300])
@pytest.mark.parametrize("l2", [1.0, 1e-3])
def test_two_classes_as_one_column_give_the_probabilities_of_scikit_learn(channels: int, l2: float) -> None:
    features, labels = blobs(n=150, channels=channels, classes=2)
    seen = np.arange(100)
    sample = Features((features,), np.arange(150)).sample(seen)
    assert (sample.axes is None) == (channels == 300)
    mine = logistic_path(sample, labels[seen], 2, (10.0, 0.1, l2))[-1].probabilities(features)
    standard = (features - features[seen].mean(0)) / features[seen].std(0)
    strength = 2 / (l2 * len(seen))  # it penalises |d|^2 / 2 of two classes, which is |W|^2
    theirs = LogisticRegression(C=strength, max_iter=10_000, tol=1e-8).fit(standard[seen], labels[seen])
    assert np.abs(mine - theirs.predict_proba(standard)).max() < 5e-3


def test_images_that_are_not_trained_on_say_nothing_about_the_components_of_small_networks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacked, "MOST_COMPONENTS", 8)
    features, labels = blobs(n=150, channels=30)
    seen, other = np.arange(100), features.copy()
    other[100:] = np.random.default_rng(5).normal(size=(50, 30)) * 100
    one, two = (Features((values,), np.arange(150)).sample(seen) for values in (features, other))
    assert one.axes is not None and two.axes is not None and not np.allclose(one.axes, two.axes)
    fitted = [
        fit_stacked(sample, labels[seen], 3, [8], [1e-2], 5, seed=0).probabilities(Sample.of(features)) for sample in (one, two)
    ]
    assert np.array_equal(*fitted)


def test_small_networks_fitted_side_by_side_in_threads_are_those_fitted_one_after_the_other() -> None:
    features, labels = blobs()
    sample = Sample.of(features)

    def fitted(seed: int) -> np.ndarray:
        return fit_stacked(sample, labels, 3, [16], [1e-3, 1e-2], 12, seed).probabilities(sample)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fitted, range(8)))
    assert all(np.allclose(one, fitted(seed), atol=1e-6) for seed, one in enumerate(together))


def test_the_components_of_the_same_images_are_worked_out_once_for_all_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "MOST_COMPONENTS", 8)
    features, labels = blobs(n=150, channels=30)
    shared, rows, others = Features((features,), np.arange(150)), np.arange(100), np.arange(50, 150)
    for width in (8, 16):
        fit_stacked(shared.sample(rows), labels[rows], 3, [width], [1e-2], 1, seed=0)
    assert len(shared.sample(rows).leading) == 1
    again = fit_stacked(shared.sample(others), labels[others], 3, [8], [1e-2], 5, seed=0)
    alone = fit_stacked(Features((features,), np.arange(150)).sample(others), labels[others], 3, [8], [1e-2], 5, seed=0)
    assert np.array_equal(again.probabilities(Sample.of(features)), alone.probabilities(Sample.of(features)))
