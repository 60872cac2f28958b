"""Memory that large tensors were in stays with the process, for the next batch: no page of it is asked for again.

glibc maps every block of 32 MiB or more by itself and gives it back as soon as it is freed, so each batch of feature maps pays
for its pages anew: a third of a pass, a quarter of a training step (docs/decisions/kernels.md).
"""

from __future__ import annotations

import ctypes
from functools import cache

# Parameters of mallopt(3): from what size on free memory at the heap's end is given back; from what size on a block is mapped by
# itself; how many may be.
TRIM, MAPPED_FROM, MOST_MAPPED = -1, -3, -4
NEVER = -1
USUAL = {TRIM: 64 * 2**20, MAPPED_FROM: 32 * 2**20, MOST_MAPPED: 65536}  # where glibc's own adjustment ends, off from then on
_asked: list[bool] = [False]


def kept() -> bool:
    """Whether freed memory stays with this process."""
    return _asked[0]


def keep() -> None:
    """From now on; does nothing where the C library is not glibc."""
    _set({TRIM: NEVER, MOST_MAPPED: 0}, True)


def release() -> None:
    """What is free goes back to the system, now and from now on; does nothing where nothing was kept."""
    if (library := _glibc()) is not None and kept():
        _set(USUAL, False)
        library.malloc_trim(0)


def _set(values: dict[int, int], asked: bool) -> None:
    if (library := _glibc()) is not None and _asked[0] != asked:
        for parameter, value in values.items():
            library.mallopt(parameter, value)
        _asked[0] = asked


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it has these calls."""
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim and library.gnu_get_libc_version else None
    except (OSError, TypeError, AttributeError):
        return None
