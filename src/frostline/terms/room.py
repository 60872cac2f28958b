"""Room on a disk, taken before it is written to."""

from __future__ import annotations

import os
from typing import BinaryIO

from frostline.errors import NO_ROOM

PIECE = 2**20


def take_room(file: BinaryIO, size: int) -> None:
    """Make the disk hold the first `size` bytes of `file`, whose contents stay: a hole in a file on a full disk would kill the
    process that fills it through a memory map.

    Raises:
        OSError: there is no room for them.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:  # not every system or file system can
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        _write_again(file.fileno(), size)


def _write_again(number: int, size: int) -> None:
    """What is read from a hole takes room when it is written."""
    os.ftruncate(number, max(size, os.fstat(number).st_size))
    for start in range(0, size, PIECE):
        piece = os.pread(number, min(PIECE, size - start), start)
        while piece:
            written = os.pwrite(number, piece, start)
            piece, start = piece[written:], start + written
