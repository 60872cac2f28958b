"""Classical tests: the cross-checks beside the bootstrap.

None of these chooses recipes again: on the winner of many they are optimistic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t


@dataclass(frozen=True)
class CorrectedT:
    """Statistic, degrees of freedom, one-sided p-value (the mean is above 0), and the two-sided one."""

    statistic: float
    freedom: int
    one_sided: float
    two_sided: float


@dataclass(frozen=True)
class Posterior:
    """Probabilities of the mean difference, and its 95 % credible interval."""

    above: float
    below: float
    within: float
    low: float
    high: float


def corrected_variance(differences: npt.ArrayLike, test_to_train: float) -> float:
    """s^2 (1/J + n_test/n_train): the variance of a mean over J overlapping folds (Nadeau and Bengio 2003, eq. 9)."""
    values = np.asarray(differences, dtype=float)
    return float(values.var(ddof=1) * (1 / len(values) + test_to_train))


def corrected_t(differences: npt.ArrayLike, test_to_train: float) -> CorrectedT:
    """Nadeau and Bengio's corrected resampled t-test ("Inference for the generalization error", 2003).

    Args:
        differences: (J,) one a fold of each repeat.
        test_to_train: n_test / n_train; 1 / (k - 1) in k folds.

    The correction is a heuristic: no unbiased estimate of the variance over folds exists (Bengio and Grandvalet 2004).

    Raises:
        ValueError: fewer than two folds.
    """
    values = _at_least_two(differences)
    statistic = _ratio(float(values.mean()), corrected_variance(values, test_to_train))
    freedom = len(values) - 1
    return CorrectedT(statistic, freedom, float(t.sf(statistic, freedom)), float(2 * t.sf(abs(statistic), freedom)))


def correlated_t(differences: npt.ArrayLike, correlation: float, rope: float = 0.0) -> Posterior:
    """The Bayesian correlated t-test (Corani and Benavoli 2015, "A Bayesian approach for comparing cross-validated ...").

    mu ~ t_{J-1}(mean, s^2 (1/J + rho / (1 - rho))), rho = 1/k: baycomp's `two_on_single`. Never on one hold-out.

    Args:
        differences: (J,) one a fold of each repeat.
        correlation: rho.
        rope: differences up to this are of no practical interest.

    Raises:
        ValueError: fewer than two folds.
    """
    values = _at_least_two(differences)
    mean = float(values.mean())
    scale = float(np.sqrt(corrected_variance(values, correlation / (1 - correlation))))
    if scale == 0:
        return Posterior(float(mean > 0), float(mean < 0), float(abs(mean) <= rope), mean, mean)
    posterior = t(len(values) - 1, loc=mean, scale=scale)
    low, high = posterior.interval(0.95)
    within = posterior.cdf(rope) - posterior.cdf(-rope)
    return Posterior(float(posterior.sf(0)), float(posterior.cdf(0)), float(within), float(low), float(high))


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> tuple[int, int, float]:
    """The exact McNemar test: binomial on the images that exactly one of two models gets right.

    Only on one untouched test set of independent images: predictions of several folds, or several images of one patient,
    are not independent.

    Returns:
        (images only the first gets right, only the second, two-sided p-value); p is 1 where they never differ.
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 0, 0, 1.0
    return only_first, only_second, float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def _at_least_two(differences: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        raise ValueError(f"given {len(values)} fold; a t-test needs at least two.")
    return values


def _ratio(mean: float, variance: float) -> float:
    """mean / sqrt(variance); 0 / 0 is 0, anything else over 0 is infinite."""
    if variance == 0:
        return float(np.sign(mean) * np.inf) if mean else 0.0
    return mean / float(np.sqrt(variance))
