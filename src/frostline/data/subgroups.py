"""Columns of the user's table by which scores are shown separately: text as it is, numbers in thirds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from frostline.errors import DataError

MOST_VALUES = 12  # more different texts are names or free text, which would be written down in clear
CUT_ABOVE = 6  # different numbers: fewer are shown as they are

THIRDS = ("lower third, up to {low:g}", "middle third, above {low:g} up to {high:g}", "upper third, above {high:g}")


def readable(file: Path, column: str, cells: Sequence[str]) -> list[str]:
    """What is shown for each cell of `column`; empty cells stay empty.

    Numbers of more than six different values are cut into thirds of the rows.

    Raises:
        DataError: more than twelve different texts: they might name people.
    """
    given = [cell for cell in cells if cell]
    different = len(set(given))
    numbers = _numbers(given)
    if numbers is not None and len(set(numbers)) > CUT_ABOVE:
        return _thirds(cells, numbers)
    if different > MOST_VALUES:
        raise DataError(
            f"{file}: the column {column!r} has {different:,} different values; subgroups need at most {MOST_VALUES}, or numbers,"
            " which are cut into thirds. Name another column, or add one that sums these up."
        )
    return list(cells)


def _numbers(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, or None where one of them is none."""
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        return None
    return found if all(math.isfinite(one) for one in found) else None


def _thirds(cells: Sequence[str], numbers: Sequence[float]) -> list[str]:
    low, high = (float(end) for end in np.quantile(numbers, [1 / 3, 2 / 3], method="lower"))
    names = [form.format(low=low, high=high) for form in THIRDS]
    return [names[(float(cell) > low) + (float(cell) > high)] if cell else "" for cell in cells]
