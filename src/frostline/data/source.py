"""Where an image's bytes come from: a file, or a member of a tar shard, written `shard.tar::member`."""

from __future__ import annotations

import io
from pathlib import Path

from frostline.data.tar import MARK, member_bytes, member_size, split_member

__all__ = ["MARK", "content", "exists", "opened", "size_of"]


def opened(path: str | Path) -> io.BufferedReader | io.BytesIO:
    """The image's file, or its bytes in memory where it lies in a shard; to be closed by the caller.

    Raises:
        OSError: it is not there. DataError: its shard cannot be used.
    """
    inside = split_member(path)
    return Path(path).open("rb") if inside is None else io.BytesIO(member_bytes(*inside))


def content(path: str | Path) -> bytes:
    """All of it."""
    with opened(path) as file:
        return file.read()


def exists(path: str | Path) -> bool:
    """Whether there is a regular file, or such a member."""
    inside = split_member(path)
    if inside is None:
        return Path(path).is_file()
    try:
        member_size(*inside)
    except FileNotFoundError:
        return False
    return True


def size_of(path: str | Path) -> int:
    """Bytes.

    Raises:
        OSError: it is not there.
    """
    inside = split_member(path)
    return Path(path).stat().st_size if inside is None else member_size(*inside)
