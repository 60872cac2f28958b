"""Damaged files of every kind: no crash, no hang, no more than 2 GiB, and always one clear line.

The files are made from valid ones by seeded damage; each kind is read in a process of its own, because what must not happen
there would end this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.victim import MEMORY_BYTES, READERS, SECONDS

FAST = {"pictures": 400, "dicom": 200, "weights": 100, "documents": 80}
SLOW = {"pictures": 12_000, "dicom": 6_000, "weights": 2_500, "documents": 1_500}
FIRST_SLOW = 100_000  # other damage than in the fast suite


def test_the_slow_suite_reads_at_least_twenty_thousand_files() -> None:
    assert sum(SLOW.values()) >= 20_000 and FAST.keys() == SLOW.keys() == READERS.keys()


def fuzzed(kind: str, folder: Path, first: int, count: int) -> dict[str, Any]:
    if kind == "dicom":
        pytest.importorskip("pydicom")
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.hostile.victim", kind, str(folder), str(first), str(count)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + count, cwd=root)
    assert done.returncode == 0, f"files {first} to {first + count}; the last is in {folder}: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(found: dict[str, Any], count: int) -> None:
    assert found.get("escaped", 0) == found.get("unclear", 0) == 0, found["messages"]
    assert found["read"] + found["refused"] == count
    assert found["refused"] > count / 10, "the damage does no harm"
    assert found["slowest"] < SECONDS and found["peak"] < MEMORY_BYTES


@pytest.mark.parametrize("kind", FAST)
def test_damaged_files_are_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    check(fuzzed(kind, tmp_path, 0, FAST[kind]), FAST[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", SLOW)
def test_many_damaged_files_are_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    check(fuzzed(kind, tmp_path, FIRST_SLOW, SLOW[kind]), SLOW[kind])
