"""Numbers of any depth as 0..255: by the picture's own range, so that nothing is cut off at white."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

_ROWS = 256  # at a time: exact arithmetic without a second copy of the whole picture


def stretched(values: Values, counted: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Values of any depth, (height, width, ...), to 0..255 by their own finite range; a constant picture becomes 0.

    Args:
        counted: of the shape of `values`: only these make the range; the others are cut off at its ends.

    Raises:
        ValueError: there is no finite number in it, or their range is none.
    """
    low, high = _range(values, counted)
    return between(values, low, high)


def between(values: Values, low: float, high: float) -> Floats:
    """Values, (height, width, ...), as float32: `low` becomes 0, `high` 255, what lies outside is cut off, NaN becomes 0."""
    out = np.empty(values.shape, np.float32)
    scale = 255.0 / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore", over="ignore"):  # some bit patterns are no numbers
        for start in range(0, len(values), _ROWS):
            exact = np.nan_to_num(values[start : start + _ROWS].astype(np.float64), nan=low, posinf=low, neginf=low)
            out[start : start + _ROWS] = np.clip((exact - low) * scale, 0, 255)
    return out


def on_white(scaled: Floats, opacity: npt.NDArray[Any]) -> Floats:
    """(height, width, channels) of 0..255 laid on white; opacity (height, width) 0..1."""
    clear = 1 - opacity.astype(np.float32)[..., None]
    return scaled * (1 - clear) + 255 * clear


def _range(values: Values, counted: npt.NDArray[np.bool_] | None) -> tuple[float, float]:
    if counted is not None and counted.any():
        values = values[counted]
    if values.dtype.kind not in "biu":
        finite = np.isfinite(values)
        values = values if finite.all() else values[finite]
    if not values.size:
        raise ValueError("it holds no finite number")
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise ValueError(f"its values from {low:.3g} to {high:.3g} have no finite range")
    return low, high
