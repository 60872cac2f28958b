"""The size at which images are shown to a network, by that of the files."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from frostline.terms.backbone import InputSpec

SMALLEST_SIZE = 96
SIZE_STEP = 32


def size_for(sides: Sequence[int], spec: InputSpec) -> int:
    """The multiple of 32 nearest above the median of short `sides`, between 96 and the backbone's own size.

    The backbone's own where no side is known, or where it takes no other.
    """
    if spec.fixed_size or spec.height <= SMALLEST_SIZE or not sides:
        return spec.height
    above = -(-int(statistics.median(sides)) // SIZE_STEP) * SIZE_STEP
    return min(max(above, SMALLEST_SIZE), spec.height)
