"""What draws and folds are stratified by: the class; where an image may have several labels, the rarest one that it has.

Targets are (n,) classes, or (n, labels) 1, 0 and NaN for not known. A rare label is spread as evenly as can be, and common ones
even out by their number; the sets of labels themselves would be strata of one image each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def several(targets: Array) -> bool:
    """Whether an image may have several labels: rows of answers instead of classes."""
    return targets.ndim == 2


def strata_of(targets: Array, of_image: Array, count: int) -> Array:
    """(count,) the stratum of each unit.

    Args:
        of_image: (n,) the unit of each row of `targets`, 0..count-1.

    Returns:
        the most frequent class of its images; where they may have several labels: 0 for none, else one more than the number of
        the label that the fewest units have.
    """
    if not several(targets):
        counts = np.zeros((count, int(targets.max()) + 1), dtype=int)
        np.add.at(counts, (of_image, targets), 1)
        return np.asarray(counts.argmax(axis=1))
    has = holding(targets == 1, of_image, count)
    common = np.where(has, has.sum(axis=0), count + 1)
    return np.where(has.any(axis=1), common.argmin(axis=1) + 1, 0)


def holding(rows: Array, of_image: Array, count: int) -> Array:
    """(count, labels) whether some image of the unit is true in `rows` (n, labels)."""
    found = np.zeros((count, rows.shape[1]), dtype=bool)
    np.logical_or.at(found, of_image, rows)
    return found


def image_strata(targets: Array) -> Array:
    """(n,) the same of each image by itself."""
    return strata_of(targets, np.arange(len(targets)), len(targets)) if several(targets) else targets
