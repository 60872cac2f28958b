"""How many trials are carried out at a time, and with how much of the machine each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from frostline.backends import Backend, Process, Serial
from frostline.errors import nearest
from frostline.session.dispatch import get_ready
from frostline.terms.settings import BACKENDS

CORES_A_WORKER = 4  # a trial's steps are small: threads beyond that hardly help it, a second trial does
MOST_WORKERS = 8  # of one's own choice: each has a copy of the network, and of what training it takes
LEAST_CORES = 8  # with fewer there is nothing to share
LEAST_TIME_S = 120.0  # a shorter search is over before the processes have paid for their start
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@dataclass(frozen=True)
class Machine:
    """What a search may use.

    Attributes:
        device: `cpu`, `cuda` or `mps`. threads: of this process; gpus: that it sees.
    """

    device: str
    threads: int
    gpus: int = 0


@dataclass(frozen=True)
class Staff:
    """Who carries out the trials.

    Attributes:
        backend: `serial` or `process`. workers: trials at a time. threads: of each.
        pace: how many times longer a trial takes at most, for having only its share of the threads.
    """

    backend: str
    workers: int
    threads: int
    pace: float = 1.0


def problems(backend: str, workers: int | None, backbones: Sequence[str]) -> list[str]:
    """A sentence for each thing that cannot be used."""
    found, cores = [], os.cpu_count() or 1
    if backend not in BACKENDS:
        found.append(f"backend {backend!r} is not one of {', '.join(BACKENDS)}.{nearest(backend, BACKENDS)}")
    if workers is not None and not 1 <= workers <= cores:
        found.append(f"workers {workers} is not between 1 and {cores}, the cores of this machine.")
    if backend == "serial" and workers is not None and workers > 1:
        found.append(f"backend 'serial' carries out one trial at a time, not {workers}: leave out one of the two.")
    if backend == "process" and _unsendable(backbones):
        found.append(
            f"backbone {_unsendable(backbones)[0]!r} is a function of the running script, which other processes cannot import:"
            " put it into a module of its own, or use backend 'serial'."
        )
    return found


def _unsendable(backbones: Sequence[str]) -> list[str]:
    return [name for name in backbones if name.startswith("__main__:")]


def choose_staff(
    backend: str, workers: int | None, backbones: Sequence[str], machine: Machine, time_s: float | None = None
) -> Staff:
    """What `auto` and None stand for: a worker for each GPU, or for every four of at least eight cores (eight workers at
    most), else serial; serial also for a search of less than two minutes."""
    usual = 1 if backend == "auto" and (time_s or LEAST_TIME_S) < LEAST_TIME_S else _usual(machine)
    if backend == "auto":
        backend = "process" if (workers or usual) > 1 and not _unsendable(backbones) else "serial"
    if backend == "serial":
        return Staff("serial", 1, machine.threads)
    count = workers or max(usual, 2 if machine.device == "cpu" else 1)
    each = max(1, machine.threads // count)
    return Staff("process", count, each, machine.threads / each if machine.device == "cpu" else 1.0)


def _usual(machine: Machine) -> int:
    if machine.device == "cuda":
        return machine.gpus
    if machine.device != "cpu" or machine.threads < LEAST_CORES:
        return 1
    return min(MOST_WORKERS, machine.threads // CORES_A_WORKER)


def hire(staff: Staff, machine: Machine) -> Backend:
    """The backend; no process is started yet."""
    if staff.backend == "serial":
        return Serial()
    return Process([_environment(staff, machine, place) for place in range(staff.workers)], get_ready)


def _environment(staff: Staff, machine: Machine, place: int) -> dict[str, str]:
    """Read by the libraries when they are loaded, which is why it cannot be set later."""
    found = dict.fromkeys(THREADS, str(staff.threads))
    if machine.device == "cuda" and machine.gpus:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = seen.split(",") if seen else [str(number) for number in range(machine.gpus)]
        found["CUDA_VISIBLE_DEVICES"] = names[place % machine.gpus]
    return found
