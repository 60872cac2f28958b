"""How alike two sets of features of the same images are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST = 4  # images: n (n - 3) divides


def unbiased_cka(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Centred kernel alignment with linear kernels, near 0 for independent features and 1 for equal ones up to rotation.

    CKA (Kornblith, Norouzi, Lee, Hinton 2019, "Similarity of neural network representations revisited") with the unbiased
    HSIC of Song, Smola, Gretton, Bedo, Borgwardt 2012, eq. 5 ("Feature selection via dependence maximization"), as Nguyen,
    Raghu, Kornblith 2021 use it. The biased form is close to 1 for anything when images are fewer than features.

    Args:
        first: (n, p); second: (n, q): rows are the same images in the same order. At least four.

    Returns:
        A number between -1 and 1, not below 0 but for chance; NaN when all rows of one side are alike.

    Sample unit: one image; images of one patient count as if they were independent. Memory: the smaller of p x q and n x n.

    Raises:
        ValueError: the shapes do not fit, or fewer than four images.
    """
    x, y = _centred(first), _centred(second)
    if len(x) != len(y) or len(x) < FEWEST:
        raise ValueError(f"given features of {len(x)} and of {len(y)} images; expected the same ones, at least {FEWEST}.")
    alone = _hsic(x, x) * _hsic(y, y)
    return float(np.clip(_hsic(x, y) / np.sqrt(alone), -1.0, 1.0)) if alone > 0 else float("nan")


def _centred(features: npt.ArrayLike) -> Array:
    """Does not change the unbiased HSIC, but keeps large means from cancelling; scaled, so that nothing overflows."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"features of shape {x.shape}; expected (images, features).")
    x = x - x.mean(axis=0)
    return np.asarray(x / (np.abs(x).max(initial=0.0) or 1.0))


def _hsic(x: Array, y: Array) -> float:
    """n (n - 3) HSIC1 of K = xx' and L = yy' with zeroed diagonals:
    tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1."""
    n = len(x)
    own_x, own_y = (x**2).sum(axis=1), (y**2).sum(axis=1)  # the diagonals
    rows_x, rows_y = x @ x.sum(axis=0) - own_x, y @ y.sum(axis=0) - own_y  # K1, L1
    trace = _kernel_product(x, y) - own_x @ own_y
    return float(trace + rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_x @ rows_y))


def _kernel_product(x: Array, y: Array) -> float:
    """tr(xx'yy') = |x'y|^2, by whichever matrix is smaller."""
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        return float(((x.T @ y) ** 2).sum())
    return float(((x @ x.T) * (y @ y.T)).sum())
