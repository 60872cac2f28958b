"""Heads that a solver fits: logistic regression along a path of strengths, forests on pixels, small networks on features.

All of them take features of a frozen trunk, computed once, and give probabilities for a validation set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from threadpoolctl import ThreadpoolController

from frostline.compute.features import PIECE, Sample, principal_axes
from frostline.stats.strata import several
from frostline.terms.data import Targets
from frostline.terms.result import FloatArray

MOST_STEPS = 60  # a strength; separable classes would go on for ever without being told apart any better
TREES = 100
MOST_IN_A_TREE = 10_000
STRENGTHS: tuple[float, ...] = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = features @ weight.T + bias, on features as they come (the standardisation is folded in).

    Attributes:
        weight: (classes, channels).
        bias: (classes,).
        l2: the strength it was fitted with.
        several: an image may have several labels: each is a question of its own.
    """

    weight: FloatArray
    bias: FloatArray
    l2: float
    several: bool = False

    def probabilities(self, features: FloatArray) -> FloatArray:
        """(n, classes) for (n, channels)."""
        logits = features @ self.weight.T + self.bias
        return np.asarray(expit(logits), np.float32) if self.several else softmax(logits)


def softmax(logits: FloatArray) -> FloatArray:
    """Row-wise softmax of (n, classes)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def class_weights(labels: Targets, classes: int) -> FloatArray:
    """(classes,) weights with which every class present weighs the same, and all n samples n; 0 for absent classes."""
    counts = np.bincount(labels, minlength=classes)
    present = max(1, int((counts > 0).sum()))
    return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


def sample_weights(labels: Targets, classes: int, balanced: bool) -> FloatArray:
    """(n,) weights that sum to n: equal, or such that every class present weighs the same."""
    return class_weights(labels, classes)[labels] if balanced else np.ones(len(labels), np.float32)


def logistic_path(
    sample: Sample,
    labels: Targets,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
    weights: FloatArray | None = None,
) -> list[LinearHead]:
    """Multinomial logistic regression for every strength, from one eigendecomposition; of several labels a binary one each.

    Minimises mean_i w_i * CE(softmax(W z_i + b), y_i) + l2/2 |W|^2 over standardised features z. In the coordinates of the
    features' second-moment matrix, scaled by the bound H <= S/4 + l2 on the Hessian (Boehning 1992), L-BFGS needs few steps,
    and each strength starts where the stronger one ended.

    With several labels the loss is the sum over labels of the mean CE(sigmoid) over the images whose answer is known: so many
    problems of one label against the rest, all solved side by side in the same coordinates.

    Args:
        sample: n images in V views; labels: (n,), or (n, classes) 1, 0 and NaN; weights: (n,) that sum to n, or None.

    Returns:
        one head a strength, in the order of `strengths`, which should fall.
    """
    mean, scale = sample.moments()
    rotated, axes = rotate(sample, mean, scale)
    spectrum = np.maximum(mean_squares(rotated), 1e-12)
    many = several(labels)
    targets = np.tile(labels if many else np.eye(classes, dtype=np.float32)[labels], (len(sample.views), 1)).astype(np.float32)
    loss = _binary if many else _multinomial
    weight = np.ones(len(sample), np.float32) if weights is None else np.tile(weights, len(sample.views))
    start = np.zeros((rotated.shape[1] + 1, classes), np.float64)
    heads = []
    for l2 in strengths:
        with one_thread():
            start = _solve(loss(rotated, targets, weight), spectrum, l2, start)
        slopes = (axes @ start[:-1].astype(np.float32)) / scale[:, None]
        bias = start[-1].astype(np.float32) - mean @ slopes
        heads.append(LinearHead(np.ascontiguousarray(slopes.T), bias.astype(np.float32), l2, many))
    return heads


def rotate(sample: Sample, mean: FloatArray, scale: FloatArray, most: int | None = None) -> tuple[FloatArray, FloatArray]:
    """(V n, r) standardised features along principal axes, and the axes, (channels, r), the least varying first.

    Args:
        mean, scale: (channels,) as `Sample.moments` gives them; most: keep so many axes, those along which most varies.
    """
    if sample.axes is None and sample.channels > len(sample):
        return _few(sample, mean, scale, most)
    axes = sample.axes if sample.axes is not None else principal_axes(sample)
    axes = axes if most is None else np.ascontiguousarray(axes[:, -most:])
    rotated = sample.buffer(axes.shape[1])
    for part, values in sample.pieces():
        rotated[part] = ((values - mean) / scale) @ axes
    return rotated, axes


def _few(sample: Sample, mean: FloatArray, scale: FloatArray, most: int | None) -> tuple[FloatArray, FloatArray]:
    """With fewer samples than channels the axes come from the smaller Gram matrix, (V n, V n)."""
    standard = np.concatenate([(values - mean) / scale for _, values in sample.pieces()])
    spectrum, left = np.linalg.eigh(standard @ standard.T / len(standard))
    keep = spectrum > max(float(spectrum[-1]), 1e-12) * 1e-6
    keep[: len(keep) - (most or len(keep))] = False
    keep[-1] = True
    axes = standard.T @ left[:, keep] / np.sqrt(np.maximum(spectrum[keep], 1e-12) * len(standard))
    return standard @ axes, axes


def mean_squares(values: FloatArray) -> FloatArray:
    """(columns,) of (n, columns), without a second array of that size."""
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), PIECE):
        total += np.square(values[start : start + PIECE]).sum(axis=0, dtype=np.float64)
    return np.asarray(total / max(1, len(values)), np.float32)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Products with a few columns only get slower with more threads; several solvers side by side do not."""
    with _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The linear algebra libraries of this process, looked for once."""
    return ThreadpoolController()


Loss = Callable[[FloatArray], tuple[float, FloatArray]]  # coefficients (rank + 1, classes) -> loss, gradient


def _multinomial(rotated: FloatArray, targets: FloatArray, weight: FloatArray) -> Loss:
    """Mean over samples of w_i * CE(softmax); targets: (n, classes) one-hot."""

    def loss(coefficients: FloatArray) -> tuple[float, FloatArray]:
        logits = rotated @ coefficients[:-1] + coefficients[-1]
        top = logits.max(axis=1, keepdims=True)
        unnormalised = np.exp(logits - top)
        total = unnormalised.sum(axis=1, keepdims=True)
        cross_entropy = np.log(total[:, 0]) + top[:, 0] - (logits * targets).sum(axis=1)
        residual = (unnormalised / total - targets) * (weight[:, None] / len(targets))
        return float((weight * cross_entropy).mean()), np.vstack([rotated.T @ residual, residual.sum(axis=0)[None]])

    return loss


def _binary(rotated: FloatArray, targets: FloatArray, weight: FloatArray) -> Loss:
    """Sum over labels of the mean over known answers of w_i * CE(sigmoid); targets: (n, classes) 1, 0 and NaN."""
    known = np.isfinite(targets)
    answers = np.where(known, targets, 0.0).astype(np.float32)
    share = np.where(known, weight[:, None], 0.0)
    share = (share / np.maximum(share.sum(axis=0), 1e-12)).astype(np.float32)

    def loss(coefficients: FloatArray) -> tuple[float, FloatArray]:
        logits = rotated @ coefficients[:-1] + coefficients[-1]
        cross_entropy = (1 - answers) * logits - log_expit(logits)
        residual = (expit(logits) - answers) * share
        return float((share * cross_entropy).sum()), np.vstack([rotated.T @ residual, residual.sum(axis=0)[None]])

    return loss


def _solve(loss: Loss, spectrum: FloatArray, l2: float, start: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(rank + 1, classes) coefficients, the last row the bias, starting from those of a stronger penalty."""
    scaling = np.concatenate([1 / np.sqrt(spectrum / 4 + l2), [2.0]]).astype(np.float32)[:, None]
    classes = start.shape[1]

    def loss_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        coefficients = (flat.reshape(-1, classes) * scaling).astype(np.float32)
        value, gradient = loss(coefficients)
        gradient[:-1] += l2 * coefficients[:-1]
        penalty = l2 / 2 * float((coefficients[:-1] ** 2).sum())
        return value + penalty, (gradient * scaling).ravel().astype(np.float64)

    found = minimize(
        loss_and_gradient,
        (start / scaling).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "ftol": 1e-7, "gtol": 1e-5},
    )
    return np.asarray(found.x.reshape(-1, classes) * scaling, dtype=np.float64)


def best_linear_head(sample: Sample, labels: Targets, classes: int, seed: int, weights: FloatArray | None = None) -> LinearHead:
    """One head whose strength was chosen on an inner fifth of the training samples, never on validation samples."""
    order = np.random.default_rng(seed).permutation(len(labels))
    inner, outer = order[: len(order) // 5], order[len(order) // 5 :]
    if len(inner) == 0 or not _told_apart(labels[outer]):
        return logistic_path(sample, labels, classes, (0.01,), weights)[0]
    path = logistic_path(sample.at(outer), labels[outer], classes, weights=None if weights is None else weights[outer])
    seen = predict(path, sample.at(inner))
    best = int(np.argmin([_cross_entropy(labels[inner], one) for one in seen]))
    return logistic_path(sample, labels, classes, STRENGTHS[: best + 1], weights)[best]


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


def forest(train: Sample, labels: Targets, wanted: Sample, classes: int, seed: int, balanced: bool) -> FloatArray:
    """(n, classes) probabilities of a random forest; absent classes get zero.

    A tree sees at most 10,000 images: their number bounds its size. Of several labels those whose answers are known for the same
    images share one forest.
    """
    if several(labels):
        return _forest_of_labels(train, labels, wanted, seed)
    model = RandomForestClassifier(
        TREES,
        random_state=seed,
        n_jobs=-1,
        class_weight="balanced" if balanced else None,
        max_samples=MOST_IN_A_TREE if len(train) > MOST_IN_A_TREE else None,
    )
    model.fit(train.filled(), labels)
    probabilities = np.zeros((len(wanted), classes), np.float32)
    for part, values in wanted.pieces():
        probabilities[part, model.classes_] = model.predict_proba(values)
    return probabilities


def _forest_of_labels(train: Sample, answers: Targets, wanted: Sample, seed: int) -> FloatArray:
    """(n, labels): regression trees on 1 and 0 split where Gini's index would, and their means are probabilities."""
    known, features = np.isfinite(answers), train.filled()
    probabilities = np.full((len(wanted), answers.shape[1]), 0.5, np.float32)  # where no answer is known
    for pattern in np.unique(known, axis=1).T:
        labels, rows = np.flatnonzero((known == pattern[:, None]).all(axis=0)), np.flatnonzero(pattern)
        if not len(rows):
            continue
        most = MOST_IN_A_TREE if len(rows) > MOST_IN_A_TREE else None
        model = RandomForestRegressor(TREES, random_state=seed, n_jobs=-1, max_features="sqrt", max_samples=most)
        wished = answers[np.ix_(rows, labels)]
        model.fit(features[rows], wished[:, 0] if len(labels) == 1 else wished)
        for part, values in wanted.pieces():
            probabilities[part, labels] = model.predict(values).reshape(len(values), -1)
    return probabilities
