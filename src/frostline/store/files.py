"""Files that are there completely or not at all, whatever kills the process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frostline.errors import no_room, room_in

TEMPORARY = ".tmp"
MOST_JSON_BYTES = 256 * 2**20
_CHUNK_BYTES = 4 * 2**20


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A unique temporary path beside `path`; what is written there becomes `path` when the block ends without an error.

    The file and its folder are synced, so after this returns the content survives a power cut.

    Raises:
        DiskFull: there is no room; what was at `path` before is still there.
    """
    temporary = temporary_beside(path)
    try:
        with room_in(path.parent):
            yield temporary
            publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8 in `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


def read_json(path: Path, most: int = MOST_JSON_BYTES) -> Any:
    """What the JSON file says.

    Raises:
        ValueError: it is no JSON, nested beyond reason, or larger than anything that frostline writes.
        OSError: it cannot be read.
    """
    if path.stat().st_size > most:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, at most {most:,} are expected")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def require_room(folder: Path, needed: int) -> None:
    """Nothing, if the disk of `folder` has `needed` bytes free.

    Raises:
        DiskFull: it has not: what cannot be done again is not begun.
    """
    if shutil.disk_usage(folder).free < needed:
        raise no_room(folder, f"{needed:,} bytes are needed to close")


def temporary_beside(path: Path) -> Path:
    """A name that no other writer uses and that says whose it is: `.NAME.PID.RANDOM.tmp`."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:12]}{TEMPORARY}")


def publish(temporary: Path, path: Path) -> None:
    """Sync `temporary`, rename it to `path` and sync the folder."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files in `folder` whose process is gone."""
    for path in folder.glob(f".*{TEMPORARY}"):
        parts = path.name.rsplit(".", 3)
        if len(parts) == 4 and parts[1].isdigit() and not _alive(int(parts[1])):
            path.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Delete every temporary file in `folder`, to be called by its only writer before it writes.

    In a container each process may have the number that the killed one had: numbers do not tell that it is gone.
    """
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of the whole file, 64 hexadecimal digits: what `sha256sum` prints."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def crc32(path: Path) -> int:
    """Of the whole file: accidents (truncation, flipped bits) are what it guards against, not an adversary."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return value


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
