"""What this machine computes on: devices, cores, and torch's settings for a run."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

from frostline.compute import heap

CPUS = Path("/sys/devices/system/cpu")
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_devices() -> tuple[str, ...]:
    """What this machine can compute on, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, found in there.items() if found)


def choose_device(asked: str) -> str:
    """`asked`, or for `auto` the first of cuda, mps and cpu that is there."""
    return available_devices()[0] if asked == "auto" else asked


def seconds(run: Callable[[], object], device: str) -> float:
    """How long `run` takes, until the device has finished it."""
    start = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: str) -> None:
    """Wait until everything that was sent to the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def thread_counts() -> tuple[int, ...]:
    """Numbers of threads worth a try on a CPU: as many as may run, and one a physical core; never more than `OMP_NUM_THREADS`."""
    allowed = _allowed()
    most = min(len(allowed), cpu_quota(QUOTA) or len(allowed))
    cores = {core_of(CPUS, cpu) for cpu in allowed}
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(asked) if asked.isdigit() and int(asked) else most
    return tuple(sorted({min(most, limit), min(len(cores), most, limit)}, reverse=True))


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def core_of(folder: Path, cpu: int) -> str:
    """What names the physical core of `cpu`: the processors that share it."""
    try:
        return (folder / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def cpu_quota(file: Path) -> int | None:
    """Processors' worth of time that a container may use, rounded up; None where there is no such limit."""
    try:
        quota, period = file.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def wide_vectors() -> bool:
    """Whether torch may use more than AVX2: without, an x86 processor has no instructions for bf16, or must not use them."""
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return not x86 or torch.backends.cpu.get_cpu_capability().upper().startswith("AVX512")


def settle(device: str, threads: int) -> None:
    """Torch's settings for a run: its number of threads, freed memory that stays, and fp32 that is really computed as such."""
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    heap.keep()
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Threads that are started meanwhile compute with so many threads each."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra, of torch and of numpy, by one thread meanwhile; around a block, or as a decorator of a function.

    Products with a few columns only get slower with more threads, while several solvers side by side do not. And a decomposition
    by another number of threads is another in its last digits: whoever fits the same head, in whatever process, uses one.
    """
    with torch_threads(1), _libraries().limit(limits=1):  # in this order: the second changes what torch says of itself
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The linear algebra libraries of this process, looked for once."""
    return ThreadpoolController()


@contextlib.contextmanager
def settings_restored() -> Iterator[None]:
    """Torch's settings are afterwards as they were: a search may run inside somebody's program."""
    threads, kept = torch.get_num_threads(), heap.kept()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        if not kept:
            heap.release()
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32


def threads() -> int:
    """Threads of one computation: the cores, or fewer where the user said so (OMP_NUM_THREADS)."""
    return torch.get_num_threads()


def gpus() -> int:
    """CUDA devices that this process sees."""
    return torch.cuda.device_count()
