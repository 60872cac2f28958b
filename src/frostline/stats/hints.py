"""Transferability scores: hints of how well frozen features suit the labels, without fitting a classifier.

Never a verdict: over many data sets the ranking of such scores flips with the setup, so each is shown beside its measured rank
correlation with the run's own results. Both are in the form that stays sensible when images are fewer than features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, svd
from scipy.optimize import minimize_scalar
from sklearn.covariance import ledoit_wolf

Array = npt.NDArray[Any]

FAINTEST, STRONGEST = 1e-12, 1e8  # of the ridge a/b, relative to the largest eigenvalue: the range of the search
GRID = 101


def log_me(features: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Log of the maximum evidence of a Bayesian linear model of the labels, per image, mean over classes (nats).

    You, Liu, Wang, Long 2021, "LogME: Practical assessment of pre-trained models for transfer learning". Each class, as 0 or
    1, is a linear function of the features with weights N(0, 1/a) and noise N(0, 1/b); a and b maximise the evidence

        D/2 ln a + n/2 ln b - 1/2 sum_D ln(a + b s_i) - b/2 |y - Fm|^2 - a/2 |m|^2 - n/2 ln 2 pi

    over all D eigenvalues s of F'F, the zero ones included: with n < D these carry (D - n) ln a, without which noise scores
    better than signal. For a given ratio a/b the best b has a closed form, so one bounded search over the ratio finds the
    maximum, where the usual fixed-point iteration may run away (pure noise wants a infinite).

    Args:
        features: (n, D), as they are: neither centred nor scaled.
        labels: (n,) integers, at least two classes.

    Raises:
        ValueError: the shapes do not fit, a feature is not finite, or there is only one class.
    """
    x, classes = _checked(features, labels)
    targets = classes.astype(np.float64)  # (n, C)
    left, singular, _ = svd(x, full_matrices=False)
    energy = (left.T @ targets) ** 2  # (k, C)
    rest = np.maximum((targets**2).sum(axis=0) - energy.sum(axis=0), 0.0)
    return float(np.mean([_best_evidence(singular**2, energy[:, c], rest[c], len(x)) for c in range(targets.shape[1])])) / len(x)


def _best_evidence(eigenvalues: Array, energy: Array, rest: float, n: int) -> float:
    """The largest evidence over ridges.

    Args:
        eigenvalues: (k,) of F'F, the others are 0.
        energy: (k,) squared projections of the targets on the left singular vectors; `rest` what they leave of |y|^2.
    """
    scale = float(eigenvalues.max(initial=0.0)) or 1.0
    grid = np.linspace(np.log(FAINTEST * scale), np.log(STRONGEST * scale), GRID)
    values = [_evidence(one, eigenvalues, energy, rest, n) for one in grid]
    top = int(np.argmax(values))
    bounds = grid[max(0, top - 1)], grid[min(GRID - 1, top + 1)]
    refined = minimize_scalar(lambda one: -_evidence(one, eigenvalues, energy, rest, n), bounds=bounds, method="bounded")
    return max(float(values[top]), -float(refined.fun))


def _evidence(log_ridge: float, eigenvalues: Array, energy: Array, rest: float, n: int) -> float:
    """Of y ~ N(0, (I + FF'/r) / b) with ridge r = a/b, at the best b: 1/b = y'(I + FF'/r)^-1 y / n."""
    ratio = eigenvalues / np.exp(log_ridge)
    noise = max((float((energy / (1 + ratio)).sum()) + rest) / n, np.finfo(np.float64).tiny)
    return float(-0.5 * (n * (np.log(2 * np.pi * noise) + 1) + np.log1p(ratio).sum()))


def shrunk_h_score(features: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The H-score with a shrunk covariance: how much of the features' spread lies between classes, 0 .. C - 1.

    tr(S^-1 (1 - shrinkage) Cov(E[f | y])) with Ledoit and Wolf's S (2004, "A well-conditioned estimator for large-dimensional
    covariance matrices"), after Ibrahim, Ponomareva, Mazumder 2022, "Newer is not always better: rethinking transferability
    metrics". The plain H-score inverts a singular covariance when images are fewer than features and is then the same
    number whatever the features.

    Args:
        features: (n, D); labels: (n,) integers, at least two classes.

    Raises:
        ValueError: the shapes do not fit, a feature is not finite, or there is only one class.
    """
    x, classes = _checked(features, labels)
    covariance, shrinkage = ledoit_wolf(x)
    if not covariance.diagonal().max() > 0:
        return 0.0
    counts = classes.sum(axis=0)
    means = (classes.T @ x) / counts[:, None] - x.mean(axis=0)  # (C, D)
    solved = cho_solve(cho_factor(covariance), means.T)  # (D, C)
    between = (means.T * solved).sum(axis=0)  # (C,)
    return float((1 - shrinkage) * (counts * between).sum() / len(x))


def _checked(features: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, Array]:
    """(n, D) float64, and (n, C) membership of the classes that occur."""
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y):
        raise ValueError(f"features {x.shape} and labels {y.shape} do not fit; expected (n, features) and (n,).")
    if not np.isfinite(x).all():
        raise ValueError(
            f"{int((~np.isfinite(x)).any(axis=1).sum())} of {len(x)} rows of features are not finite; leave them out."
        )
    names = np.unique(y)
    if len(names) < 2:
        raise ValueError(f"given images of {len(names)} class; a hint needs at least two.")
    return x, y[:, None] == names[None, :]
