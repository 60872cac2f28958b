"""Freed memory stays with the process while a search runs, and goes back to the system afterwards.

Each in a process of its own: how memory lies depends on everything that was done before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from frostline.compute import heap

HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # where all pages are huge, few are counted
glibc = pytest.mark.skipif(heap._glibc() is None, reason="only glibc gives large blocks back at once")
small = pytest.mark.skipif(HUGE.exists() and "[always]" in HUGE.read_text(), reason="faults of huge pages are too few to tell")

FAULTS = """
import resource, torch
from frostline.compute import heap
from frostline.compute.machine import settings_restored, settle

def faults():
    "Pages that the system handed out while tensors of 64 MiB were made and freed, after as many before."
    seen = []
    for _ in range(2):
        for _ in range(8):
            torch.ones(2**24)
        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    return seen[1] - seen[0]

usual = faults()
with settings_restored():
    settle("cpu", torch.get_num_threads())
    kept = faults()
print(usual, kept, int(heap.kept()))
"""

RESIDENT = """
import torch
from frostline.compute import heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

heap.keep(); heap.keep()
before = resident()
torch.ones(2**28)
held = resident() - before
heap.release()
print(held, resident() - before)
"""


def printed(code: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@glibc
@small
def test_a_large_tensor_gets_the_pages_of_the_one_before() -> None:
    usual, kept, afterwards = printed(FAULTS)
    assert usual > 8 * 2**26 / 4096 / 2 and kept < usual / 4
    assert not afterwards


@glibc
def test_what_was_kept_goes_back() -> None:
    held, left = printed(RESIDENT)
    assert held > 2**29 and left < 2**28


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    monkeypatch.setattr(heap, "_asked", [False])
    heap.keep()
    assert not heap.kept()
    heap.release()
