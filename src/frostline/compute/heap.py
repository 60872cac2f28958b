"""Memory that large tensors were in stays with the process, for the next batch: no page of it is asked for again.

glibc maps every block of 32 MiB or more by itself and gives it back as soon as it is freed, so each batch of feature maps pays
for its pages anew: a third of a pass, a quarter of a training step (docs/decisions/kernels.md).
"""

from __future__ import annotations

import ctypes
from functools import cache

TRIM, MOST_MAPPED = (
    -1,
    -4,
)  # parameters of mallopt(3): from what size on free memory at the heap's end is given back; blocks mapped
NEVER = -1
USUAL = {TRIM: 128 * 1024, MOST_MAPPED: 65536}
_asked: list[bool] = [False]


def kept() -> bool:
    """Whether freed memory stays with this process."""
    return _asked[0]


def keep() -> None:
    """From now on; does nothing where the C library is not glibc."""
    _set({TRIM: NEVER, MOST_MAPPED: 0}, True)


def release() -> None:
    """What is free goes back to the system, now and from now on."""
    _set(USUAL, False)
    if (library := _glibc()) is not None:
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
