"""Where heads are fitted: standardised features along directions in which they vary independently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostline.compute.features import PIECE, Sample, decomposed, principal_axes, rows_key
from frostline.compute.machine import one_thread
from frostline.terms.result import FloatArray

FEW_COLUMNS = 6  # measured: two take .26 ms one by one and .58 at once, ten 1.6 and 1.1 (1,536 x 1,280, one thread)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """What a solver multiplies with.

    Attributes:
        values: (V n, r) standardised features along `basis`, in which they vary more or less independently.
        basis: (channels, r) orthonormal columns. spectrum: (r,) mean squares of the columns of `values`.
    """

    values: FloatArray
    basis: FloatArray
    spectrum: FloatArray


def coordinates(sample: Sample, mean: FloatArray, scale: FloatArray) -> Coordinates:
    """Of a sample, along the axes that it shares with others or along its own, the least varying first.

    Args:
        mean, scale: (channels,) as `Sample.moments` gives them.
    """
    axes = own_axes(sample, mean, scale) if sample.axes is None else sample.axes
    values = turned(sample, mean, scale, axes)
    return Coordinates(values, axes, np.maximum(mean_squares(values), 1e-12))


def turned(sample: Sample, mean: FloatArray, scale: FloatArray, axes: FloatArray) -> FloatArray:
    """(V n, r) standardised features along `axes`, (channels, r)."""
    rotated = sample.buffer(axes.shape[1])
    for part, values in sample.pieces():
        rotated[part] = ((values - mean) / scale) @ axes
    return rotated


def leading(sample: Sample, mean: FloatArray, scale: FloatArray, most: int) -> FloatArray:
    """(channels, r) the at most `most` axes along which the sample itself varies most; worked out once for the same images."""
    key = (rows_key(sample.rows), len(sample.views), most)
    if key not in sample.leading:
        sample.leading[key] = np.ascontiguousarray(own_axes(sample, mean, scale)[:, -most:])
    return sample.leading[key]


@one_thread()
def own_axes(sample: Sample, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """(channels, r) axes along which the sample itself varies, the least varying first."""
    if sample.channels <= len(sample):
        return principal_axes(sample)
    # With fewer samples than channels they come from the smaller Gram matrix, (V n, V n).
    standard = np.concatenate([(values - mean) / scale for _, values in sample.pieces()])
    spectrum, left = decomposed(standard @ standard.T / len(standard))
    keep = spectrum > max(float(spectrum[-1]), 1e-12) * 1e-6
    keep[-1] = True
    return np.asarray(standard.T @ left[:, keep] / np.sqrt(np.maximum(spectrum[keep], 1e-12) * len(standard)))


def mean_squares(values: FloatArray) -> FloatArray:
    """(columns,) of (n, columns), without a second array of that size."""
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), PIECE):
        total += np.square(values[start : start + PIECE]).sum(axis=0, dtype=np.float64)
    return np.asarray(total / max(1, len(values)), np.float32)


def product(matrix: FloatArray, columns: FloatArray) -> FloatArray:
    """matrix @ columns. A few columns take less time one by one: libraries read the matrix at full speed for vectors only."""
    if columns.shape[1] > FEW_COLUMNS:
        return matrix @ columns
    return np.stack([matrix @ np.ascontiguousarray(column) for column in columns.T], axis=1)
