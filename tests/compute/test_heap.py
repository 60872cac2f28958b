"""Freed memory stays with the process while a search runs, and goes back to the system afterwards."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
import torch

from frostline.compute import heap
from frostline.compute.machine import settings_restored, settle

LARGE = 64 * 2**20  # bytes: the C library maps a block of this size by itself
glibc = pytest.mark.skipif(heap._glibc() is None, reason="only glibc gives large blocks back at once")


def faults(times: int = 8) -> int:
    """Pages that the system handed out while a large tensor was made and freed again and again."""
    torch.ones(LARGE // 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(LARGE // 4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_a_large_tensor_gets_the_pages_of_the_one_before() -> None:
    usual = faults()
    with settings_restored():
        settle("cpu", torch.get_num_threads())
        kept = faults()
    assert kept < usual / 4
    assert faults() > usual / 2, "afterwards as it was"


@glibc
def test_what_was_kept_goes_back() -> None:
    code = """
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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held, left = map(int, done.stdout.split())
    assert held > 2**29 and left < 2**28


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    heap.keep()
    assert not heap.kept()
    heap.release()
