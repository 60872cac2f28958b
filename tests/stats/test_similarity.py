"""Unbiased CKA against its definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from frostline.stats.similarity import unbiased_cka

RNG = np.random.default_rng


def hsic_by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic of order four, over every ordered choice of four images (Song et al. 2012, eq. 4)."""
    k, m = x @ x.T, y @ y.T
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(x)), 4)]
    return float(np.mean(terms))


def cka_by_matrices(x: np.ndarray, y: np.ndarray) -> float:
    """As 03-method writes it, with the n x n kernels."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        mixed = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ a @ b @ one)
        return float((np.trace(a @ b) + mixed) / (n * (n - 3)))

    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize(("n", "p", "q"), [(9, 3, 2), (9, 20, 30)])
def test_equals_the_definition(n: int, p: int, q: int) -> None:
    rng = RNG(0)
    x = rng.normal(size=(n, p)) + 3
    y = x[:, :1] * rng.normal(size=(1, q)) + rng.normal(size=(n, q))
    wanted = hsic_by_definition(x, y) / np.sqrt(hsic_by_definition(x, x) * hsic_by_definition(y, y))
    assert unbiased_cka(x, y) == pytest.approx(wanted)
    assert unbiased_cka(x, y) == pytest.approx(cka_by_matrices(x, y))


def test_independent_features_are_near_zero_where_the_biased_form_is_near_one() -> None:
    """Its standard deviation at n images is about sqrt(2) / n: .028 here."""
    found = [unbiased_cka(*RNG(seed).normal(size=(2, 50, 512))) for seed in range(20)]
    assert abs(np.mean(found)) < 0.02
    assert np.max(np.abs(found)) < 0.12


def test_rotation_scale_and_shift_change_nothing() -> None:
    x = RNG(0).normal(size=(40, 10))
    rotation = np.linalg.qr(RNG(1).normal(size=(10, 10)))[0]
    assert unbiased_cka(x, 1e6 * (x @ rotation) + 1e5) == pytest.approx(1)


def test_no_kernel_of_all_images_is_made() -> None:
    """40,000 images: their kernel would take 12 GiB."""
    x = RNG(0).normal(size=(40_000, 4))
    assert unbiased_cka(x, x[:, ::-1]) == pytest.approx(1)


def test_what_cannot_be_said_is_not_said() -> None:
    assert np.isnan(unbiased_cka(np.ones((5, 2)), RNG(0).normal(size=(5, 2))))
    with pytest.raises(ValueError, match="at least 4"):
        unbiased_cka(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="expected \\(images, features\\)"):
        unbiased_cka(np.ones(5), np.ones(5))
