"""Tar shards: an index of their members, made once by reading the headers; then bytes by seeking. Nothing is ever extracted.

A member is bytes at a place. Names are only compared, so one that climbs out of its folder could do no harm here; such a tar, and
one with links or devices, is refused all the same, because whoever made it did not mean images.
"""

from __future__ import annotations

import posixpath
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from frostline.errors import DataError

MARK = ".tar::"  # between a shard and its member in a path
MOST_MEMBER_BYTES = 2**30  # of one picture; a label has a bound of its own
MOST_MEMBERS = 2_000_000  # of one shard
_MOST_HEADER_BYTES = 2**20  # of what a header says beyond its 512 bytes, such as a long name
_KEPT = 4096  # indexes in memory

Place = tuple[int, int]  # offset, bytes
Index = dict[str, Place]

_lock = threading.Lock()
_indexes: OrderedDict[tuple[str, int, int], Index] = OrderedDict()


def split_member(path: str | Path) -> tuple[Path, str] | None:
    """(shard, member) of a path that names a member of a tar that is there; None for a plain file's path."""
    shard, mark, member = str(path).partition(MARK)
    if not mark or not member or not Path(f"{shard}.tar").is_file():
        return None
    return Path(f"{shard}.tar"), member


def index_of(shard: Path) -> Index:
    """Name -> where its bytes lie, in the tar's order; of an unchanged tar the headers are read once.

    Raises:
        DataError: it is damaged, compressed, or holds what no set of images does. OSError: it cannot be opened.
    """
    status = shard.stat()
    key = (str(shard), status.st_size, status.st_mtime_ns)
    with _lock:
        if key not in _indexes:
            _indexes[key] = _read_index(shard)
            while len(_indexes) > _KEPT:
                _indexes.popitem(last=False)
        return _indexes[key]


def member_size(shard: Path, member: str) -> int:
    """
    Raises:
        FileNotFoundError: the shard has no such member.
    """
    return _place(shard, member)[1]


def member_bytes(shard: Path, member: str, most: int = MOST_MEMBER_BYTES) -> bytes:
    """
    Raises:
        FileNotFoundError: the shard has no such member. OSError: it is larger than `most`, or cut off.
    """
    offset, size = _place(shard, member)
    if size > most:
        raise OSError(f"it has {size:,} bytes, at most {most:,} are read")
    with shard.open("rb") as file:
        file.seek(offset)
        found = file.read(size)
    if len(found) < size:
        raise OSError("the tar ends before it does")
    return found


def _place(shard: Path, member: str) -> Place:
    found = index_of(shard).get(member)
    if found is None:
        raise FileNotFoundError(2, f"the shard {shard.name} has no member {member}")
    return found


def _read_index(shard: Path) -> Index:
    found: Index = {}
    with shard.open("rb") as file, _told(shard):
        whole = shard.stat().st_size
        with tarfile.open(fileobj=cast(IO[bytes], _Bounded(file)), mode="r:") as tar:
            for member in tar:
                vars(tar)["members"] = []  # it would keep every header
                _check_place(shard, member, tar.offset, whole)
                name = _name(shard, member)
                if name is None:
                    continue
                if name in found or len(found) >= MOST_MEMBERS:
                    raise DataError(_refused(shard, f"it names {name!r} twice" if name in found else "it has too many members"))
                found[name] = (member.offset_data, member.size)
            _check_end(shard, file, tar)
    return found


def _check_place(shard: Path, member: tarfile.TarInfo, following: int, whole: int) -> None:
    """
    Args:
        following: where the parser will look for the next header. whole: bytes of the tar.

    Raises:
        DataError: the member's bytes are not in the tar, or the parser would never come to its end.
    """
    if member.size < 0 or following <= member.offset:
        raise DataError(_refused(shard, f"its member {member.name!r} has {member.size:,} bytes, and leads back"))
    if member.isreg() and member.offset_data + member.size > whole:
        raise DataError(_refused(shard, f"it ends before {member.name!r} does"))


def _check_end(shard: Path, file: IO[bytes], tar: tarfile.TarFile) -> None:
    """A damaged header ends the parser's loop as the end does, and what follows would be missing without a word."""
    file.seek(tar.offset)
    rest = file.read(tarfile.BLOCKSIZE)
    if rest.strip(b"\0"):
        raise DataError(_refused(shard, f"a header at byte {tar.offset:,} is damaged"))


def _name(shard: Path, member: tarfile.TarInfo) -> str | None:
    """Of a regular member; None for a folder, and for what some systems leave beside files.

    Raises:
        DataError: it is something else, or its name leads out of the tar.
    """
    name = posixpath.normpath(member.name)
    if name.startswith(("/", "../")) or name == ".." or "\0" in name or "\\" in name:
        raise DataError(_refused(shard, f"the name of a member, {member.name!r}, leads out of it"))
    if member.isdir():
        return None
    if not member.isreg() or member.issparse():
        raise DataError(_refused(shard, f"its member {name!r} is a link, a device or full of holes"))
    return None if posixpath.basename(name).startswith(".") else name


@contextmanager
def _told(shard: Path) -> Iterator[None]:
    """What the parser stumbles over becomes a DataError."""
    try:
        yield
    except (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(_refused(shard, f"it cannot be read as a plain tar ({reason})")) from error


def _refused(shard: Path, why: str) -> str:
    return (
        f"the shard {shard} is not used: {why}. Expected an uncompressed tar of image files with .cls, .json or .txt files of the"
        " same names beside them; write it again."
    )


class _Bounded:
    """A file whose headers may ask for little at a time, and for nothing behind its end over and over."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._empty = file, 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise ValueError(f"a header asks for {size:,} bytes")
        found = self._file.read(size)
        self._empty = 0 if found else self._empty + 1
        if self._empty > 8:
            raise EOFError("a header goes on behind the end")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
