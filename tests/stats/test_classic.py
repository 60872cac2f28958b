"""The classical tests against published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from frostline.stats.classic import corrected_t, correlated_t, mcnemar
from frostline.stats.intervals import mean_interval


@pytest.fixture(scope="module")
def moons() -> np.ndarray:
    """scikit-learn, "Statistical comparison of models using grid search": AUROC of rbf minus linear, 10 x 10 folds."""
    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, cv=folds, scoring="roc_auc") for kernel in ("rbf", "linear")
    )
    return np.asarray(rbf - linear)


def test_corrected_t_equals_the_published_example(moons: np.ndarray) -> None:
    found = corrected_t(moons, 1 / 9)
    assert (found.statistic, found.one_sided) == pytest.approx((0.7503, 0.2274), abs=1e-3)
    assert found.two_sided == pytest.approx(2 * found.one_sided)


def test_without_correction_it_is_the_plain_t_test(moons: np.ndarray) -> None:
    found = corrected_t(moons, 0.0)
    assert (found.statistic, found.one_sided) == pytest.approx((2.611, 0.0052), abs=1e-3)


def test_correlated_t_equals_the_published_example(moons: np.ndarray) -> None:
    found = correlated_t(moons, 1 / 10, rope=0.01)
    assert found.above == pytest.approx(0.7726, abs=1e-3)
    assert found.within == pytest.approx(0.4317, abs=1e-3)
    assert (found.low, found.high) == pytest.approx((-0.0164, 0.0364), abs=1e-3)
    assert found.above + found.below == pytest.approx(1)


BAYCOMP = (  # baycomp 1.0.3: two_on_single(x, y, rope, runs) -> probabilities of x better, practically equal, y better
    (1, 0.01, 0.0006398126921656419, 0.09268905005687056, 0.9066711372509638),
    (1, 0.02, 7.998571403435683e-05, 0.561263698456057, 0.4386563158299087),
    (2, 0.01, 0.002978439106126638, 0.14487577808754437, 0.852145782806329),
    (2, 0.02, 0.00047965514956183763, 0.5472505131047114, 0.45226983174572677),
)
BAYCOMP_X = (0.80, 0.82, 0.85, 0.79, 0.84, 0.81, 0.83, 0.86, 0.78, 0.82)
BAYCOMP_Y = (0.83, 0.84, 0.84, 0.83, 0.86, 0.82, 0.84, 0.88, 0.80, 0.85)


@pytest.mark.parametrize(("runs", "rope", "x_better", "equal", "y_better"), BAYCOMP)
def test_correlated_t_equals_baycomp(runs: int, rope: float, x_better: float, equal: float, y_better: float) -> None:
    differences = np.subtract(BAYCOMP_Y, BAYCOMP_X)
    folds = len(differences) / runs
    found = correlated_t(differences, 1 / folds, rope)
    assert found.within == pytest.approx(equal, abs=1e-9)
    shifted = correlated_t(differences - rope, 1 / folds), correlated_t(differences + rope, 1 / folds)
    assert shifted[0].above == pytest.approx(y_better, abs=1e-9)
    assert shifted[1].below == pytest.approx(x_better, abs=1e-9)


@pytest.mark.parametrize(("runs", "above"), [(1, 0.9927333063346783), (2, 0.9781219690133627)])
def test_correlated_t_without_a_rope_equals_baycomp(runs: int, above: float) -> None:
    assert correlated_t(np.subtract(BAYCOMP_Y, BAYCOMP_X), runs / len(BAYCOMP_X)).above == pytest.approx(above, abs=1e-9)


def test_t_tests_without_spread_are_defined() -> None:
    assert corrected_t([0.0, 0.0], 0.25).statistic == 0
    assert corrected_t([0.1, 0.1], 0.25).one_sided == 0
    assert correlated_t([0.0, 0.0], 0.2, rope=0.01).within == 1
    with pytest.raises(ValueError, match="at least two"):
        corrected_t([0.1], 0.25)


@pytest.mark.parametrize(("only_first", "only_second", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (8, 2, 0.109375), (3, 3, 1.0)])
def test_mcnemar_is_the_binomial_on_discordant_images(only_first: int, only_second: int, p: float) -> None:
    first = np.array([1] * only_first + [0] * only_second + [1, 0])
    second = np.array([0] * only_first + [1] * only_second + [1, 0])
    found = mcnemar(first, second)
    assert found[:2] == (only_first, only_second)
    assert found[2] == pytest.approx(p)


def test_ants_and_bees_two_images_apart_prove_nothing() -> None:
    """Published runs: .9346 and .9477 of 153; the fewest discordant images that this needs give p = .5."""
    tuned, frozen = np.ones(153, dtype=bool), np.ones(153, dtype=bool)
    tuned[:10] = False
    frozen[:8] = False
    assert mcnemar(frozen, tuned)[2] == pytest.approx(0.5)


def test_an_interval_of_folds_ends_where_the_metric_does() -> None:
    found = mean_interval([0.9, 1.0, 0.95, 1.0], floor=0.0, ceiling=1.0)
    assert found.high == 1.0 and found.low < found.value < 1.0 < mean_interval([0.9, 1.0, 0.95, 1.0]).high


def test_mean_interval_is_nadeau_and_bengio() -> None:
    scores = [0.8, 0.85, 0.9, 0.82, 0.88]
    found = mean_interval(scores)
    half = t.ppf(0.975, 4) * np.std(scores, ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert (found.value, found.low, found.high) == pytest.approx((0.85, 0.85 - half, 0.85 + half))
    assert mean_interval(scores * 3, folds=5).high - 0.85 < half
    assert mean_interval([0.8, float("nan")]).low == 0.8
    assert np.isnan(mean_interval([]).value)
