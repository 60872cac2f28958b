"""Columns of the user's table by which scores are shown separately: text as it is, numbers in thirds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from frostline.errors import DataError

MOST_VALUES = 12  # more different texts are names or free text, which would be written down in clear
FEWEST_UNITS = 5  # values that stand for fewer patients are names of these, however few values there are
CUT_ABOVE = 6  # different numbers: fewer are shown as they are
CODE_DIGITS = 6  # whole numbers of more digits that hardly repeat are codes, such as a record's number

THIRDS = ("lower third, up to {low:.12g}", "middle third, above {low:.12g} up to {high:.12g}", "upper third, above {high:.12g}")


def readable(file: Path, column: str, cells: Sequence[str], units: Sequence[Hashable]) -> list[str]:
    """What is shown for each cell of `column`; empty cells stay empty.

    Numbers of more than six different values are cut into thirds of the rows, at rounded numbers: no cell is shown.

    Args:
        units: of each row: its patient, or the row itself.

    Raises:
        DataError: more than twelve different texts, or values most of which stand for fewer than five units, or whole numbers of
            more than six digits of which this is true: they might name people.
    """
    given = [cell for cell in cells if cell]
    different = len(set(given))
    numbers, rare = _numbers(given), _rare(cells, units)
    if numbers is not None and len(set(numbers)) > CUT_ABOVE and not (rare and _codes(given, numbers)):
        return _thirds(cells, numbers)
    if different > MOST_VALUES and numbers is None:
        raise DataError(
            f"{file}: the column {column!r} has {different:,} different values; subgroups need at most {MOST_VALUES}, or numbers,"
            " which are cut into thirds. Name another column, or add one that sums these up."
        )
    if rare:
        raise DataError(
            f"{file}: most of the {different:,} different values of the column {column!r} stand for fewer than {FEWEST_UNITS}"
            " patients (images, where no patients are named) each, and could name them; expected values that many share, such as"
            " sex, age or site. Name another column, or add one that sums these up."
        )
    return list(cells)


def _numbers(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, or None where one of them is none."""
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        return None
    return found if all(math.isfinite(one) for one in found) else None


def _rare(cells: Sequence[str], units: Sequence[Hashable]) -> bool:
    """Whether most values stand for few units."""
    sharing: defaultdict[str, set[Hashable]] = defaultdict(set)
    for cell, unit in zip(cells, units, strict=True):
        if cell:
            sharing[cell].add(unit)
    return bool(sharing) and median(len(found) for found in sharing.values()) < FEWEST_UNITS


def _codes(cells: Sequence[str], numbers: Sequence[float]) -> bool:
    digits = median(len(cell.partition(".")[0].lstrip("+-")) for cell in cells)
    return digits > CODE_DIGITS and all(one.is_integer() for one in numbers)


def _thirds(cells: Sequence[str], numbers: Sequence[float]) -> list[str]:
    low, high = _rounded(*(float(end) for end in np.quantile(numbers, [1 / 3, 2 / 3], method="lower")))
    names = [form.format(low=low, high=high) for form in THIRDS]
    return [names[(float(cell) > low) + (float(cell) > high)] if cell else "" for cell in cells]


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Both to a decimal place: moved by at most a tenth of what lies between. Equal ones are shared by many rows."""
    if low == high:
        return low, high
    places = -math.floor(math.log10((high - low) / 5))
    return round(low, places), round(high, places)
