"""Heads that a solver fits: logistic regression along a path of strengths, forests on pixels, small networks on features.

All of them take features of a frozen trunk, computed once, and give probabilities for a validation set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import ThreadpoolController

from frostline.terms.result import FloatArray, IntArray

MOST_STEPS = 60  # a strength; separable classes would go on for ever without being told apart any better
STRENGTHS: tuple[float, ...] = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = features @ weight.T + bias, on features as they come (the standardisation is folded in).

    Attributes:
        weight: (classes, channels).
        bias: (classes,).
        l2: the strength it was fitted with.
    """

    weight: FloatArray
    bias: FloatArray
    l2: float

    def probabilities(self, features: FloatArray) -> FloatArray:
        """(n, classes) for (n, channels)."""
        return softmax(features @ self.weight.T + self.bias)


def softmax(logits: FloatArray) -> FloatArray:
    """Row-wise softmax of (n, classes)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def class_weights(labels: IntArray, classes: int) -> FloatArray:
    """(classes,) weights with which every class present weighs the same, and all n samples n; 0 for absent classes."""
    counts = np.bincount(labels, minlength=classes)
    present = max(1, int((counts > 0).sum()))
    return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


def sample_weights(labels: IntArray, classes: int, balanced: bool) -> FloatArray:
    """(n,) weights that sum to n: equal, or such that every class present weighs the same."""
    return class_weights(labels, classes)[labels] if balanced else np.ones(len(labels), np.float32)


def logistic_path(
    features: FloatArray,
    labels: IntArray,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
    weights: FloatArray | None = None,
) -> list[LinearHead]:
    """Multinomial logistic regression for every strength, from one eigendecomposition.

    Minimises mean_i w_i * CE(softmax(W z_i + b), y_i) + l2/2 |W|^2 over standardised features z. In the coordinates of the
    features' second-moment matrix, scaled by the bound H <= S/4 + l2 on the Hessian (Boehning 1992), L-BFGS needs few steps,
    and each strength starts where the stronger one ended.

    Args:
        features: (n, channels); labels: (n,); weights: (n,) that sum to n, or None.

    Returns:
        one head a strength, in the order of `strengths`, which should fall.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-6 * max(float(scale.max()), 1e-12), scale, np.inf).astype(np.float32)
    standard = np.asarray((features - mean) / scale, dtype=np.float32)
    rotation, spectrum = _principal_axes(standard)
    rotated = standard @ rotation
    targets = np.eye(classes, dtype=np.float32)[labels]
    weight = np.ones(len(labels), np.float32) if weights is None else weights
    start = np.zeros((rotated.shape[1] + 1, classes), np.float64)
    heads = []
    for l2 in strengths:
        with _threads().limit(limits=1):  # products with so few columns only get slower with more
            start = _solve(rotated, spectrum, targets, weight, l2, start)
        slopes = (rotation @ start[:-1].astype(np.float32)) / scale[:, None]
        bias = start[-1].astype(np.float32) - mean @ slopes
        heads.append(LinearHead(np.ascontiguousarray(slopes.T), bias.astype(np.float32), l2))
    return heads


@cache
def _threads() -> ThreadpoolController:
    """The linear algebra libraries of this process, looked for once."""
    return ThreadpoolController()


def _principal_axes(standard: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(channels, rank) axes and (rank,) eigenvalues of the second moments of (n, channels), through the smaller Gram matrix."""
    n, channels = standard.shape
    if channels <= n:
        spectrum, axes = eigh(standard.T @ standard / n, driver="evd", overwrite_a=True, check_finite=False)
    else:
        spectrum, left = eigh(standard @ standard.T / n, driver="evd", overwrite_a=True, check_finite=False)
        axes = standard.T @ left / np.sqrt(np.maximum(spectrum, 1e-12) * n)
    keep = spectrum > max(float(spectrum[-1]), 1e-12) * 1e-6
    if not keep.any():
        keep[-1] = True
    return np.ascontiguousarray(axes[:, keep], np.float32), np.maximum(spectrum[keep], 1e-12).astype(np.float32)


def _solve(
    rotated: FloatArray, spectrum: FloatArray, targets: FloatArray, weight: FloatArray, l2: float, start: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(rank + 1, classes) coefficients, the last row the bias, starting from those of a stronger penalty."""
    n, classes = targets.shape
    scaling = np.concatenate([1 / np.sqrt(spectrum / 4 + l2), [2.0]]).astype(np.float32)[:, None]

    def loss_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        coefficients = (flat.reshape(-1, classes) * scaling).astype(np.float32)
        logits = rotated @ coefficients[:-1] + coefficients[-1]
        top = logits.max(axis=1, keepdims=True)
        unnormalised = np.exp(logits - top)
        total = unnormalised.sum(axis=1, keepdims=True)
        cross_entropy = np.log(total[:, 0]) + top[:, 0] - (logits * targets).sum(axis=1)
        loss = float((weight * cross_entropy).mean()) + l2 / 2 * float((coefficients[:-1] ** 2).sum())
        residual = (unnormalised / total - targets) * (weight[:, None] / n)
        gradient = np.vstack([rotated.T @ residual + l2 * coefficients[:-1], residual.sum(axis=0)[None]]) * scaling
        return loss, gradient.ravel().astype(np.float64)

    found = minimize(
        loss_and_gradient,
        (start / scaling).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "ftol": 1e-7, "gtol": 1e-5},
    )
    return np.asarray(found.x.reshape(-1, classes) * scaling, dtype=np.float64)


def best_linear_head(
    features: FloatArray, labels: IntArray, classes: int, seed: int, weights: FloatArray | None = None
) -> LinearHead:
    """One head whose strength was chosen on an inner fifth of the training samples, never on validation samples."""
    order = np.random.default_rng(seed).permutation(len(labels))
    inner, outer = order[: len(order) // 5], order[len(order) // 5 :]
    if len(inner) == 0 or len(np.unique(labels[outer])) < 2:
        return logistic_path(features, labels, classes, (0.01,), weights)[0]
    path = logistic_path(features[outer], labels[outer], classes, weights=None if weights is None else weights[outer])
    losses = [
        -np.log(np.maximum(head.probabilities(features[inner])[np.arange(len(inner)), labels[inner]], 1e-7)).mean()
        for head in path
    ]
    best = int(np.argmin(losses))
    return logistic_path(features, labels, classes, STRENGTHS[: best + 1], weights)[best]


def forest(train: FloatArray, labels: IntArray, validation: FloatArray, classes: int, seed: int, balanced: bool) -> FloatArray:
    """(n, classes) probabilities of a random forest of 300 trees; absent classes get zero."""
    model = RandomForestClassifier(300, random_state=seed, n_jobs=-1, class_weight="balanced" if balanced else None)
    model.fit(train, labels)
    probabilities = np.zeros((len(validation), classes), np.float32)
    probabilities[:, model.classes_] = model.predict_proba(validation)
    return probabilities
