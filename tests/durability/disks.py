"""A disk of a few megabytes that is really full when it is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = 4096


@contextlib.contextmanager
def small_disk(at: Path, megabytes: int, files: int = 0) -> Iterator[Path]:
    """A file system of its own at `at`, with room for so many bytes (and files, where that is given).

    Mounting needs rights that most users do not have; without them the test is skipped, saying so.
    """
    at.mkdir()
    options = f"size={megabytes}m" + (f",nr_inodes={files}" if files else "")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)  # maps of its files may still be open


def fill(disk: Path, leave: int = 0) -> Path:
    """A file that takes all room but `leave` bytes; delete it to have the room back."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * PAGE)
    os.truncate(filler, filler.stat().st_size - leave)
    assert shutil.disk_usage(disk).free >= leave
    return filler
