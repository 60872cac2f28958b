"""scikit-learn's own checks, and what a recipe means there."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from frostline.integrations.sklearn import TransferClassifier

SMALL = {"backbone": "timm/test_resnet", "pretrained": False, "size": 32}


@pytest.mark.slow
@parametrize_with_checks([TransferClassifier(**SMALL)])
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)


def test_digits_are_told_apart_across_folds() -> None:
    images, labels = load_digits(n_class=3, return_X_y=True)
    scores = cross_val_score(TransferClassifier(**SMALL), images[:480], labels[:480], cv=3)
    assert scores.mean() > 0.93


def test_paths_and_arrays_of_bytes_are_images_too(stripes: Path) -> None:
    paths = sorted(stripes.rglob("*.png"))
    labels = [path.parent.name for path in paths]
    fitted = TransferClassifier(**SMALL).fit(paths, labels)
    assert fitted.score(paths, labels) > 0.8
    bytes_ = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 3), np.uint8)
    assert TransferClassifier(**SMALL).fit(bytes_, np.arange(12) % 2).predict_proba(bytes_).shape == (12, 2)


@pytest.mark.parametrize("recipe", ["all: tune | head: linear | train: epochs=1", "all: freeze | head: mlp(8)"])
def test_trained_recipes_fit_and_survive_pickling(recipe: str) -> None:
    images, labels = load_digits(n_class=2, return_X_y=True)
    fitted = TransferClassifier(**SMALL, recipe=recipe, epochs=2).fit(images[:60], labels[:60])
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(fitted.predict_proba(images[:9]), again.predict_proba(images[:9]))
