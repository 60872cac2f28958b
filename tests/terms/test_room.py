"""Blocks are taken on every system, and what a file holds stays."""

import os
from pathlib import Path

import pytest

from frostline.terms.room import take_room


@pytest.mark.parametrize("able", [True, False])
def test_a_hole_takes_its_blocks_and_the_contents_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    if not able:
        monkeypatch.delattr(os, "posix_fallocate")
    path, size = tmp_path / "file", 3 * 2**20 + 5
    with path.open("w+b") as file:
        file.write(b"head")
        file.truncate(size)
        file.flush()
        assert 512 * os.fstat(file.fileno()).st_blocks < size
        take_room(file, size)
        os.fsync(file.fileno())
        assert 512 * os.fstat(file.fileno()).st_blocks >= size
    held = path.read_bytes()
    assert held[:4] == b"head" and held[4:] == bytes(size - 4)


def test_an_empty_file_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    with (tmp_path / "file").open("w+b") as file:
        take_room(file, 10_000)
        assert os.fstat(file.fileno()).st_size == 10_000
