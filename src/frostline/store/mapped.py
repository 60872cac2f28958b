"""Arrays in files, sent to other processes by their place there instead of by their bytes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Mapped:
    """Where an array lies in a file.

    Attributes:
        offset: bytes before its first value. strides: bytes from one value to the next, along each axis.
    """

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def open(self) -> Array:
        """The array, read-only; nothing is read yet."""
        whole = np.memmap(self.file, np.uint8, mode="r")
        return np.ndarray(self.shape, self.dtype, whole, self.offset, self.strides)


def sendable(array: Array) -> Array | Mapped:
    """Where `array` lies, if it is (part of) a mapped file that is still there; else the array itself."""
    whole = _mapped_base(array)
    if whole is None or not Path(str(whole.filename)).is_file():
        return array
    start = whole.offset - whole.offset % mmap.ALLOCATIONGRANULARITY  # a mapping starts at a page of the file
    first = np.frombuffer(whole._mmap, np.uint8).__array_interface__["data"][0]  # type: ignore[attr-defined]
    offset = start + array.__array_interface__["data"][0] - first
    return Mapped(Path(str(whole.filename)), offset, array.dtype.str, array.shape, array.strides)


def received(sent: Array | Mapped) -> Array:
    """What `sendable` was given."""
    return sent.open() if isinstance(sent, Mapped) else sent


def _mapped_base(array: object) -> np.memmap[Any, Any] | None:
    """The array whose memory this one shows, where that is a mapped file's."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None
