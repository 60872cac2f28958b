"""Logistic regression along a path of strengths, on the features of a frozen trunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from frostline.compute.coordinates import coordinates, product
from frostline.compute.features import Sample
from frostline.compute.machine import one_thread
from frostline.stats.strata import several
from frostline.terms.data import Targets
from frostline.terms.result import FloatArray

MOST_STEPS = 60  # a strength; separable classes would go on for ever without being told apart any better
LEAST_CURVATURE = 1e-4  # of classes that are told apart, or a label without answers
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


@one_thread()
def logistic_path(
    sample: Sample,
    labels: Targets,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
    weights: FloatArray | None = None,
) -> list[LinearHead]:
    """Multinomial logistic regression for every strength, from one eigendecomposition; of several labels a binary one each.

    Minimises mean_i w_i * CE(softmax(W z_i + b), y_i) + l2/2 |W|^2 over standardised features z. They are turned along the axes
    of their second-moment matrix S, and the unknowns scaled by the diagonal there of c S + l2, which is close to the Hessian for
    c_k = mean_i w_i p_ik (1 - p_ik) (at most 1/4: a bound as in Boehning 1992). L-BFGS then needs few steps; each strength
    starts where the stronger one ended, with the c of that place.

    With several labels the loss is the sum over labels of the mean CE(sigmoid) over the images whose answer is known: so many
    problems of one label against the rest, all solved side by side in the same coordinates.

    Args:
        sample: n images in V views; labels: (n,), or (n, classes) 1, 0 and NaN; weights: (n,) that sum to n, or None.

    Returns:
        one head a strength, in the order of `strengths`, which should fall.
    """
    mean, scale = sample.moments()
    found = coordinates(sample, mean, scale)
    weight = np.ones(len(sample), np.float32) if weights is None else np.tile(weights, len(sample.views))
    problem = _problem(np.concatenate([labels] * len(sample.views)), classes)
    loss = problem.loss(found.values, problem.targets, weight)
    start = np.zeros((found.values.shape[1] + 1, problem.targets.shape[1]), np.float32)
    heads = []
    for l2 in strengths:
        start = _solve(loss, found.spectrum, problem.penalty * l2, start)
        fitted = problem.expand(start)
        slopes = (found.basis @ fitted[:-1]) / scale[:, None]
        bias = fitted[-1] - mean @ slopes
        heads.append(LinearHead(np.ascontiguousarray(slopes.T), bias.astype(np.float32), l2, several(labels)))
    return heads


class Loss(Protocol):
    """Of coefficients (r + 1, columns), the last row the bias."""

    def __call__(self, coefficients: FloatArray) -> tuple[float, FloatArray]:
        """The loss and its gradient."""

    def curvature(self, coefficients: FloatArray) -> FloatArray:
        """(columns,) the weighted mean of p (1 - p): by how much the second moments go into the Hessian."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is minimised.

    Attributes:
        targets: (V n, columns). penalty: what a strength is multiplied with.
        loss: of values, targets and weights. expand: (r + 1, columns) -> (r + 1, classes).
    """

    targets: FloatArray
    loss: Callable[[FloatArray, FloatArray, FloatArray], Loss]
    penalty: float = 1.0
    expand: Callable[[FloatArray], FloatArray] = lambda coefficients: coefficients


def _problem(labels: Targets, classes: int) -> _Problem:
    """Of two classes only the difference d of both logits counts: W = (-d, d) / 2, so l2/2 |W|^2 = l2/4 |d|^2."""
    if several(labels):
        return _Problem(labels.astype(np.float32), _Binary)
    if classes == 2:
        return _Problem(
            labels.astype(np.float32)[:, None], _Binary, 0.5, lambda difference: np.hstack([-difference, difference]) / 2
        )
    return _Problem(np.eye(classes, dtype=np.float32)[labels], _Multinomial)


@dataclass(frozen=True, eq=False)
class _Multinomial:
    """Mean over samples of w_i * CE(softmax); targets: (n, classes) one-hot."""

    values: FloatArray
    targets: FloatArray
    weight: FloatArray

    def __call__(self, coefficients: FloatArray) -> tuple[float, FloatArray]:
        logits = _logits(self.values, coefficients)
        top = logits.max(axis=1, keepdims=True)
        unnormalised = np.exp(logits - top)
        total = unnormalised.sum(axis=1, keepdims=True)
        cross_entropy = np.log(total[:, 0]) + top[:, 0] - (logits * self.targets).sum(axis=1)
        residual = (unnormalised / total - self.targets) * (self.weight[:, None] / len(self.targets))
        return float((self.weight * cross_entropy).mean()), _gradient(self.values, residual)

    def curvature(self, coefficients: FloatArray) -> FloatArray:
        said = softmax(_logits(self.values, coefficients))
        return np.asarray((self.weight[:, None] * said * (1 - said)).mean(axis=0), np.float32)


class _Binary:
    """Sum over labels of the mean over known answers of w_i * CE(sigmoid); targets: (n, classes) 1, 0 and NaN."""

    def __init__(self, values: FloatArray, targets: FloatArray, weight: FloatArray) -> None:
        known = np.isfinite(targets)
        share = np.where(known, weight[:, None], 0.0)
        self.values = values
        self.answers = np.where(known, targets, 0.0).astype(np.float32)
        self.share = (share / np.maximum(share.sum(axis=0), 1e-12)).astype(np.float32)

    def __call__(self, coefficients: FloatArray) -> tuple[float, FloatArray]:
        logits = _logits(self.values, coefficients)
        cross_entropy = (1 - self.answers) * logits - log_expit(logits)
        residual = (expit(logits) - self.answers) * self.share
        return float((self.share * cross_entropy).sum()), _gradient(self.values, residual)

    def curvature(self, coefficients: FloatArray) -> FloatArray:
        said = expit(_logits(self.values, coefficients))
        return np.asarray((self.share * said * (1 - said)).sum(axis=0), np.float32)


def _logits(values: FloatArray, coefficients: FloatArray) -> FloatArray:
    return np.asarray(product(values, coefficients[:-1]) + coefficients[-1])


def _gradient(values: FloatArray, residual: FloatArray) -> FloatArray:
    """(r + 1, columns) of the coefficients, the last row of the bias; residual: (n, columns)."""
    return np.vstack([product(values.T, residual), residual.sum(axis=0)[None]])


def _solve(loss: Loss, spectrum: FloatArray, l2: float, start: FloatArray) -> FloatArray:
    """(r + 1, columns) coefficients, the last row the bias, starting from those of a stronger penalty."""
    curvature = np.maximum(loss.curvature(start), LEAST_CURVATURE)
    scaling = np.vstack([1 / np.sqrt(spectrum[:, None] * curvature + l2), 1 / np.sqrt(curvature)]).astype(np.float32)

    def loss_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        coefficients = (flat.reshape(start.shape) * scaling).astype(np.float32)
        value, gradient = loss(coefficients)
        gradient[:-1] += l2 * coefficients[:-1]
        penalty = l2 / 2 * float((coefficients[:-1] ** 2).sum())
        return value + penalty, (gradient * scaling).ravel().astype(np.float64)

    options = {"maxiter": MOST_STEPS, "ftol": 1e-7, "gtol": 1e-5}
    best = minimize(loss_and_gradient, (start / scaling).ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(best.x.reshape(start.shape) * scaling, np.float32)
