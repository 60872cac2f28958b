"""Heads that a solver fits: logistic regression with a chosen strength, trees on pixels.

All of them take features of a frozen trunk, computed once, and give probabilities for a validation set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from frostline.compute.features import Sample
from frostline.compute.logistic import STRENGTHS, LinearHead, logistic_path
from frostline.stats.strata import several, strata_of
from frostline.terms.data import Targets
from frostline.terms.result import FloatArray, IntArray

Trees = tuple[IntArray, Callable[[FloatArray], FloatArray]]  # columns of the answer, and (n, features) -> what stands there

TREES = 100
MOST_IN_A_TREE = 10_000


def class_weights(labels: Targets, classes: int) -> FloatArray:
    """(classes,) weights with which every class present weighs the same, and all n samples n; 0 for absent classes."""
    counts = np.bincount(labels, minlength=classes)
    present = max(1, int((counts > 0).sum()))
    return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


def sample_weights(labels: Targets, classes: int, balanced: bool) -> FloatArray:
    """(n,) weights that sum to n: equal, or such that every class present weighs the same."""
    return class_weights(labels, classes)[labels] if balanced else np.ones(len(labels), np.float32)


def best_linear_head(
    sample: Sample, labels: Targets, classes: int, units: IntArray, seed: int, weights: FloatArray | None = None
) -> LinearHead:
    """One head whose strength was chosen on an inner fifth of the training samples, never on validation samples; .01 where one
    of the two parts has images of a single class.

    Args:
        units: (n,) what the inner fifth takes or leaves as a whole, such as a patient's images.
    """
    held_out = _inner_fifth(labels, units, seed)
    inner, outer = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    if not (_told_apart(labels[inner]) and _told_apart(labels[outer])):
        return logistic_path(sample, labels, classes, (0.01,), weights)[0]
    path = logistic_path(sample.at(outer), labels[outer], classes, weights=None if weights is None else weights[outer])
    seen = predict(path, sample.at(inner))
    best = int(np.argmin([_cross_entropy(labels[inner], one) for one in seen]))
    return logistic_path(sample, labels, classes, STRENGTHS[: best + 1], weights)[best]


def _inner_fifth(labels: Targets, units: IntArray, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) whether an image is held out: every fifth unit, stratum by stratum, the rarest first, each in random order."""
    of_image = np.unique(units, return_inverse=True)[1]
    strata = strata_of(labels, of_image, int(of_image.max()) + 1)
    rarity = np.bincount(strata)[strata]
    order = np.lexsort((np.random.default_rng(seed).random(len(strata)), strata, rarity))
    held_out = np.zeros(len(strata), dtype=bool)
    held_out[order[2::5]] = True
    return np.asarray(held_out[of_image])


def _cross_entropy(labels: Targets, probabilities: FloatArray) -> float:
    """The mean over images; of several labels the mean over known answers."""
    if several(labels):
        clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
        return float(-np.nanmean(np.where(np.isnan(labels), np.nan, np.log(np.where(labels == 1, clipped, 1 - clipped)))))
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7)).mean())


def _told_apart(labels: Targets) -> bool:
    """Whether there are two classes, or some label that an image has and another has not."""
    if several(labels):
        return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).any())
    return len(np.unique(labels)) > 1


def predict(heads: Sequence[LinearHead], sample: Sample) -> FloatArray:
    """(heads, n, classes) probabilities of the images as view 0 shows them."""
    shown = replace(sample, views=sample.views[:1])
    pieces = [np.stack([head.probabilities(values) for head in heads]) for _, values in shown.pieces()]
    return np.concatenate(pieces, axis=1)


def forest(train: Sample, labels: Targets, classes: int, seed: int, balanced: bool) -> Iterator[Trees]:
    """Extremely randomised trees (Geurts, Ernst, Wehenkel 2006), one forest after the other as they are asked for.

    A tree sees at most 10,000 images, drawn for it where there are more: their number bounds its size. Of several labels those
    whose answers are known for the same images share one forest. docs/decisions/forest.md says why not a random forest.
    """
    if several(labels):
        yield from _forests_of_labels(train, labels, seed)
        return
    weights = "balanced" if balanced else None
    model = ExtraTreesClassifier(TREES, random_state=seed, n_jobs=-1, class_weight=weights, **_drawn(len(train)))
    model.fit(train.filled(), labels)
    yield model.classes_, model.predict_proba


def forest_probabilities(trees: Iterable[Trees], wanted: Sample, classes: int, several_labels: bool) -> FloatArray:
    """(n, classes) of `wanted`: 0 for classes that no tree has seen, or a half where each is a question of its own."""
    found = np.full((len(wanted), classes), 0.5 if several_labels else 0.0, np.float32)
    for columns, predicted in trees:
        for part, values in wanted.pieces():
            found[part, columns] = predicted(values).reshape(len(values), -1)
    return found


def _forests_of_labels(train: Sample, answers: Targets, seed: int) -> Iterator[Trees]:
    """Regression trees on 1 and 0 split where Gini's index would, and their means are probabilities."""
    known, features = np.isfinite(answers), train.filled()
    for pattern in np.unique(known, axis=1).T:
        labels, rows = np.flatnonzero((known == pattern[:, None]).all(axis=0)), np.flatnonzero(pattern)
        if not len(rows):
            continue
        model = ExtraTreesRegressor(TREES, random_state=seed, n_jobs=-1, max_features="sqrt", **_drawn(len(rows)))
        wished = answers[np.ix_(rows, labels)]
        yield labels, model.fit(features[rows], wished[:, 0] if len(labels) == 1 else wished).predict


def _drawn(images: int) -> dict[str, Any]:
    """A tree sees all images, or of very many so many that are drawn for it."""
    return {"bootstrap": True, "max_samples": MOST_IN_A_TREE} if images > MOST_IN_A_TREE else {}
