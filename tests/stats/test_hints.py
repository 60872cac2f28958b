"""Transferability hints against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from frostline.stats.hints import log_me, shrunk_h_score

RNG = np.random.default_rng


def informative(n: int, width: int, seed: int = 0, classes: int = 2, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian features whose first columns move with the class."""
    rng = RNG(seed)
    labels = np.arange(n) % classes
    features = rng.normal(size=(n, width))
    features[:, :classes] += shift * np.eye(classes)[labels]
    return features, labels


def marginal(features: np.ndarray, target: np.ndarray, a: float, b: float) -> float:
    """Log density of y ~ N(0, I/b + FF'/a), from the covariance itself."""
    covariance = np.eye(len(target)) / b + features @ features.T / a
    return float(multivariate_normal(np.zeros(len(target)), covariance).logpdf(target))


def formula(features: np.ndarray, target: np.ndarray, a: float, b: float) -> float:
    """The evidence as the paper writes it, over all D eigenvalues of F'F."""
    n, width = features.shape
    eigenvalues = np.linalg.eigvalsh(features.T @ features)
    mean = b * np.linalg.solve(a * np.eye(width) + b * features.T @ features, features.T @ target)
    fit = b / 2 * ((target - features @ mean) ** 2).sum() + a / 2 * (mean**2).sum()
    logs = np.log(a + b * np.maximum(eigenvalues, 0)).sum()
    return float(width / 2 * np.log(a) + n / 2 * np.log(b) - logs / 2 - fit - n / 2 * np.log(2 * np.pi))


def brute_log_me(features: np.ndarray, labels: np.ndarray, evidence: object = marginal) -> float:
    """The largest evidence over a and b by a general optimiser from several starts, per image."""
    found = []
    for one in np.unique(labels):
        target = (labels == one).astype(float)
        runs = [
            minimize(
                lambda z, y=target: -evidence(features, y, *np.exp(z)), start, method="Nelder-Mead", options={"maxiter": 800}
            )  # type: ignore[operator]
            for start in ([0.0, 0.0], [4.0, 1.5])
        ]
        found.append(-min(run.fun for run in runs))
    return float(np.mean(found)) / len(labels)


@pytest.mark.parametrize(("n", "width"), [(30, 5), (20, 40)])
def test_log_me_is_the_largest_gaussian_marginal(n: int, width: int) -> None:
    features, labels = informative(n, width, shift=2.0)
    assert log_me(features, labels) == pytest.approx(brute_log_me(features, labels), abs=1e-5)


@pytest.mark.parametrize(("n", "width"), [(30, 5), (20, 40)])
def test_the_published_evidence_equals_the_marginal(n: int, width: int) -> None:
    features, labels = informative(n, width)
    target = (labels == 1).astype(float)
    for a, b in ((1.0, 1.0), (3.0, 0.5), (0.2, 8.0)):
        assert formula(features, target, a, b) == pytest.approx(marginal(features, target, a, b))


def test_log_me_prefers_signal_to_wide_noise() -> None:
    """The usual code scores 512 columns of noise above informative features at 150 images."""
    signal, labels = informative(150, 16, shift=2.0)
    noise = RNG(1).normal(size=(150, 512))
    assert log_me(signal, labels) > log_me(noise, labels) + 0.05


def test_log_me_does_not_depend_on_scale_or_on_the_order_of_columns() -> None:
    features, labels = informative(60, 8, classes=3)
    assert log_me(1000 * features[:, ::-1], labels) == pytest.approx(log_me(features, labels), abs=1e-6)


def ledoit_wolf_by_hand(x: np.ndarray) -> tuple[np.ndarray, float]:
    """The 2004 estimator, image by image."""
    x = x - x.mean(axis=0)
    n, width = x.shape
    sample = x.T @ x / n
    level = np.trace(sample) / width
    target = level * np.eye(width)
    distance = ((sample - target) ** 2).sum() / width
    error = sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / width / n**2
    shrinkage = min(error, distance) / distance
    return shrinkage * target + (1 - shrinkage) * sample, float(shrinkage)


@pytest.mark.parametrize(("n", "width", "classes"), [(60, 5, 3), (25, 60, 2)])
def test_h_score_equals_its_definition(n: int, width: int, classes: int) -> None:
    features, labels = informative(n, width, classes=classes)
    labels[: n // 4] = 0
    covariance, shrinkage = ledoit_wolf_by_hand(features)
    expected = np.array([features[labels == one].mean(axis=0) for one in labels])  # E[f | y] of each image
    between = np.cov(expected.T, bias=True)
    wanted = np.trace(np.linalg.inv(covariance) @ between) * (1 - shrinkage)
    assert shrunk_h_score(features, labels) == pytest.approx(wanted)


def test_h_score_prefers_signal_to_wide_noise_and_stays_in_its_range() -> None:
    signal, labels = informative(150, 16, shift=3.0, classes=3)
    noise = RNG(1).normal(size=(150, 512))
    assert 0 <= shrunk_h_score(noise, labels) < shrunk_h_score(signal, labels) < 2
    assert shrunk_h_score(np.ones((10, 3)), np.arange(10) % 2) == 0


@pytest.mark.parametrize("hint", [log_me, shrunk_h_score])
def test_bad_input_is_refused(hint: object) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        hint(np.zeros((4, 2)), [0, 1])  # type: ignore[operator]
    with pytest.raises(ValueError, match="at least two"):
        hint(np.zeros((4, 2)), [1, 1, 1, 1])  # type: ignore[operator]
    with pytest.raises(ValueError, match="1 of 2 rows"):
        hint([[0.0, np.nan], [1.0, 1.0]], [0, 1])  # type: ignore[operator]
