"""How many trials are carried out at a time, and with how much of the machine each."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from frostline.backends import Backend, Node, Process, Serial
from frostline.errors import InputError, OptionError, nearest
from frostline.session.dispatch import get_ready
from frostline.terms.quantities import plural
from frostline.terms.settings import BACKENDS

CORES_A_WORKER = 4  # a trial's steps are small: threads beyond that hardly help it, a second trial does
MOST_WORKERS = 8  # of one's own choice: each has a copy of the network, and of what training it takes
LEAST_CORES = 8  # with fewer there is nothing to share
LEAST_TIME_S = 120.0  # a shorter search is over before the processes have paid for their start
MOST_A_GPU = 8  # trials
LOCAL = "local"  # a Ray cluster that is started here, for the time of a search
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
        backend: `serial`, `process` or `ray`. workers: trials at a time. threads: of each.
        pace: how many times longer a trial takes at most, for having only its share of the threads.
        devices: that train one network together.
        gpus: of each trial, a share perhaps, and address of the cluster: where Ray is asked for them.
    """

    backend: str
    workers: int
    threads: int
    pace: float = 1.0
    gpus: float = 0.0
    address: str | None = None
    devices: int = 1

    @property
    def words(self) -> str:
        where = "in a process" if self.address is None else f"in a task of Ray ({self.address})"
        gpus = f" and {self.gpus:g} of a GPU" if self.gpus else ""
        gpus = f" and {self.gpus:g} GPUs" if self.gpus > 1 else gpus
        return f"{plural(self.workers, 'trial')} at a time, each {where} with {plural(self.threads, 'thread')}{gpus}"


def problems(
    backend: str, workers: int | None, backbones: Sequence[str], address: str | None = None, devices: int = 1
) -> list[str]:
    """A sentence for each thing that cannot be used."""
    found, cores = [], os.cpu_count() or 1
    ray = _by_ray(backend, address)
    if backend not in BACKENDS:
        found.append(f"backend {backend!r} is not one of {', '.join(BACKENDS)}.{nearest(backend, BACKENDS)}")
    if address is not None and not ray:
        found.append(f"address {address!r} is for backend 'ray', not {backend!r}: leave out one of the two.")
    if workers is not None and not 1 <= workers <= cores and not (ray and workers > 0):
        found.append(f"workers {workers} is not between 1 and {cores}, the cores of this machine.")
    if backend == "serial" and workers is not None and workers > 1:
        found.append(f"backend 'serial' carries out one trial at a time, not {workers}: leave out one of the two.")
    if devices < 1:
        found.append(f"devices_per_trial {devices} is not positive.")
    if (backend == "process" or ray or devices > 1) and _unsendable(backbones):
        otherwise = "use one device a trial" if devices > 1 else "use backend 'serial'"
        found.append(
            f"backbone {_unsendable(backbones)[0]!r} is a function of the running script, which other processes cannot import:"
            f" put it into a module of its own, or {otherwise}."
        )
    return found


def unreachable(backend: str, address: str | None) -> list[str]:
    """A sentence where a cluster was asked for and nobody answers at its address: after some seconds, and nothing is started.

    Raises:
        InputError: the extra of Ray is not installed.
    """
    if not _by_ray(backend, address) or (place := _place(address)) == LOCAL:
        return []
    try:
        _ray().reach(place)
    except OptionError as error:
        return [str(error)]
    return []


def _place(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or LOCAL


def _by_ray(backend: str, address: str | None) -> bool:
    return backend == "ray" or (backend == "auto" and address is not None)


def _unsendable(backbones: Sequence[str]) -> list[str]:
    return [name for name in backbones if name.startswith("__main__:")]


def choose_staff(
    backend: str,
    workers: int | None,
    backbones: Sequence[str],
    machine: Machine,
    time_s: float | None = None,
    address: str | None = None,
    devices: int = 1,
) -> Staff:
    """What `auto` and None stand for: a worker for each GPU (or for `devices` of them), or for every four of at least eight
    cores (eight workers at most), else serial; serial also for a search of less than two minutes. Ray where its address was
    given.

    Raises:
        OptionError: there is no cluster at `address`, it has no room for so many workers, or there are not so many devices.
    """
    if _by_ray(backend, address):
        return _on_cluster(_place(address), workers, machine, devices)
    _check_there(machine, devices)
    usual = 1 if backend == "auto" and (time_s or LEAST_TIME_S) < LEAST_TIME_S else _usual(machine, devices)
    if backend == "auto":
        backend = "process" if (workers or usual) > 1 and not _unsendable(backbones) else "serial"
    if backend == "serial":
        return Staff("serial", 1, machine.threads, devices=devices)
    count = workers or max(usual, 2 if machine.device == "cpu" else 1)
    each = max(1, machine.threads // count)
    return Staff("process", count, each, machine.threads / each if machine.device == "cpu" else 1.0, devices=devices)


def _check_there(machine: Machine, devices: int) -> None:
    """
    Raises:
        OptionError: this machine has fewer devices than a trial is to be trained on.
    """
    there = {"cuda": machine.gpus, "cpu": os.cpu_count() or 1}.get(machine.device, 1)
    if devices > there:
        what = "core" if machine.device == "cpu" else "GPU"
        raise OptionError(f"--devices-per-trial {devices}: this machine has {plural(there, what)}; give at most {there}.")


def _on_cluster(address: str, workers: int | None, machine: Machine, devices: int = 1) -> Staff:
    """Of the address, whatever it is, with what its machines have."""
    look = _ray().look
    if address == LOCAL:
        _check_there(machine, devices)
        nodes: Sequence[Node] = [Node(max(machine.threads, devices * (workers or 1), workers or 2), machine.gpus)]
    else:
        nodes = look(address)
    gpu = machine.device == "cuda"
    threads, gpus, count = shares(nodes, workers, gpu) if devices == 1 else whole_shares(nodes, workers, gpu, devices)
    if not threads:
        what = "GPUs and cores" if gpu else "cores"
        each = f" on {plural(devices, 'device')} of one machine each" if devices > 1 else ""
        raise OptionError(
            f"the Ray cluster at {address!r} has no {what} for {plural(count, 'trial')} at a time{each}: fewer --workers."
        )
    return Staff("ray", count, threads, 1.0 if gpu else max(1.0, machine.threads / threads), gpus, address, devices)


def shares(nodes: Sequence[Node], workers: int | None, gpu: bool) -> tuple[int, float, int]:
    """Threads (0 where there is no room) and GPUs of each of `workers` trials, and how many these are.

    None stands for a trial for each GPU, or for every four cores of a machine: two at least where there are two cores.
    """
    cpus = sum(node.cpus for node in nodes)
    usual = sum(node.gpus for node in nodes) if gpu else max(sum(_fours(node.cpus) for node in nodes), min(2, cpus))
    count = workers or max(1, usual)
    together = next((number for number in range(1, MOST_A_GPU + 1) if _room(nodes, 1, number, gpu) >= count), 0)
    fitting = [threads for threads in range(1, cpus + 1) if together and _room(nodes, threads, together, gpu) >= count]
    return max(fitting, default=0), math.floor(1e4 / together) / 1e4 if gpu and together else 0.0, count


def whole_shares(nodes: Sequence[Node], workers: int | None, gpu: bool, devices: int) -> tuple[int, float, int]:
    """As `shares`, where each trial has `devices` GPUs of one machine for itself, or as many threads at least."""
    most = [node.gpus // devices if gpu else node.cpus // devices for node in nodes]
    usual = sum(most) if gpu else sum(node.cpus // max(devices, CORES_A_WORKER) for node in nodes)
    count = workers or max(1, usual)
    cpus = max((node.cpus for node in nodes), default=0)
    rooms = {
        threads: sum(min(node.cpus // threads, own) for node, own in zip(nodes, most, strict=True))
        for threads in range(1, cpus + 1)
    }
    fitting = [threads for threads, room in rooms.items() if room >= count and (gpu or threads >= devices)]
    return max(fitting, default=0), float(devices) if gpu else 0.0, count


def _fours(cpus: int) -> int:
    return max(cpus > 0, cpus // CORES_A_WORKER)


def _room(nodes: Sequence[Node], threads: int, together: int, gpu: bool) -> int:
    """Trials at a time that the machines have room for, `together` of them on a GPU."""
    return sum(min(node.cpus // threads, node.gpus * together if gpu else node.cpus) for node in nodes)


def _usual(machine: Machine, devices: int = 1) -> int:
    if machine.device == "cuda":
        return max(1, machine.gpus // devices) if machine.gpus else 0
    if machine.device != "cpu" or machine.threads < LEAST_CORES:
        return 1
    return max(1, min(MOST_WORKERS, machine.threads // max(CORES_A_WORKER, devices)))


def hire(staff: Staff, machine: Machine) -> Backend:
    """The backend; no process is started yet."""
    if staff.backend == "serial":
        return Serial()
    if staff.backend == "ray":
        ray, environment = _ray(), dict.fromkeys(THREADS, str(staff.threads))
        share = ray.Share(staff.threads, staff.gpus)
        found: Backend = ray.Ray(staff.address or LOCAL, staff.workers, share, environment, get_ready)
        return found
    return Process([_environment(staff, machine, place) for place in range(staff.workers)], get_ready)


def _ray() -> ModuleType:
    """The one module that imports Ray.

    Raises:
        InputError: its extra is not installed.
    """
    try:
        from frostline.backends import ray
    except ImportError as error:
        raise InputError(f"the Ray backend needs its extra ({error}): pip install 'frostline[ray]'.") from None
    return ray


def _environment(staff: Staff, machine: Machine, place: int) -> dict[str, str]:
    """Read by the libraries when they are loaded, which is why it cannot be set later."""
    found = dict.fromkeys(THREADS, str(staff.threads))
    if machine.device == "cuda" and machine.gpus:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = seen.split(",") if seen else [str(number) for number in range(machine.gpus)]
        own = range(place * staff.devices, (place + 1) * staff.devices)
        found["CUDA_VISIBLE_DEVICES"] = ",".join(names[number % machine.gpus] for number in own)
    return found
