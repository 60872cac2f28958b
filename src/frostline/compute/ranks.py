"""One network trained by several processes on this machine, a device and a share of every batch each (DDP)."""

from __future__ import annotations

import gc
import os
import socket
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from frostline.backends import Crew, Watch
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork, build, fitting
from frostline.compute.inputs import source_for
from frostline.compute.losses import loss_on, masses_of
from frostline.compute.machine import gpus, settle, threads
from frostline.compute.sources import Source
from frostline.compute.state import changing
from frostline.compute.synchronised import normalised_together, uses_batch_statistics
from frostline.compute.train import LossOf, Memory, Schedule, place, precision, train
from frostline.store.checkpoints import Checkpoint
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe
from frostline.terms.result import FloatArray, IntArray

HERE = "127.0.0.1"
TIMEOUT = timedelta(minutes=10)  # that one may wait for the others; one that died is noticed at once
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# --- the process whose network it is ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """What one process is told: everything, and which one it is.

    Attributes:
        recipe: with everything that was chosen for it. start: the head's tensors.
        rank: from 0, of `bench.devices`; port: where they find each other, on this machine.
    """

    bench: Bench
    recipe: Recipe
    start: Mapping[str, Tensor]
    rows: IntArray
    schedule: Schedule
    seed: int
    memory: Memory | None
    rank: int
    port: int


@dataclass(frozen=True, eq=False)
class Trained:
    """What the first process answers: everything that training has changed, on the CPU, and what `train` returns."""

    tensors: Mapping[str, Tensor]
    losses: list[float]
    forked: int


def train_by_ranks(
    bench: Bench,
    recipe: Recipe,
    network: TransferNetwork,
    rows: IntArray,
    schedule: Schedule,
    seed: int,
    watch: Watch | None = None,
    memory: Memory | None = None,
) -> tuple[list[float], int]:
    """As `train` of `network`, by `bench.devices` processes; this one waits, and is in no group with them: what befalls them
    does not befall it. Meanwhile `network` is on the CPU: its device is the first process's.

    Args:
        recipe: by which `network` was built from `seed`; its head may have been fitted since.

    Raises:
        CrewLost: one of them died. Diverged, RuntimeError, ...: as `train`.
    """
    ranks = _ranks(bench.devices, bench.kernels.device)
    network.to("cpu")
    _free(bench.kernels.device)
    start = {name: tensor.detach().clone() for name, tensor in network.head.state_dict().items()}
    parts = [Part(bench, recipe, start, rows, schedule, seed, memory, rank, ranks.port) for rank in range(bench.devices)]
    try:
        found = ranks.crew.run(train_part, parts, watch or _nothing)[0]
    except BaseException:
        dismiss()
        raise
    place(network, bench.kernels.train, bench.kernels.device)
    assert found is not None
    with torch.no_grad():
        for name, tensor in changing(network):
            tensor.copy_(found.tensors[name])
    return found.losses, found.forked


@dataclass(frozen=True, eq=False)
class _Ranks:
    """Processes that know each other, kept from one training to the next: to start them takes seconds.

    Attributes:
        store: where they find each other, through `port`; it ends with this process.
    """

    key: tuple[object, ...]
    crew: Crew
    store: object
    port: int


_kept: list[_Ranks] = []


def _ranks(count: int, device: str) -> _Ranks:
    """Those that are there, where they are as many and on the devices that this process has now; else new ones."""
    seen = _seen() if device == "cuda" else []
    key = (count, device, *seen, threads())
    if not _kept or _kept[0].key != key:
        dismiss()
        crew = Crew([_environment(rank, count, seen) for rank in range(count)])
        _kept.append(_Ranks(key, crew, *_meeting_place()))
    return _kept[0]


def dismiss() -> None:
    """End the processes that were kept, if there are any."""
    while _kept:
        _kept.pop().crew.close()


def _meeting_place() -> tuple[object, int]:
    """A store that only this machine reaches (by itself it would listen on every address), and its port."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in every build of torch

    listener = socket.create_server((HERE, 0))
    port = int(listener.getsockname()[1])
    return TCPStore(HERE, port, None, True, wait_for_workers=False, master_listen_fd=listener.detach()), port


def _seen() -> list[str]:
    """The GPUs of this process, by the names that its environment has for them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(number) for number in range(gpus())]


def _environment(rank: int, count: int, seen: list[str]) -> dict[str, str]:
    """Of one process: its own device, which is the only one there, and its share of the threads; nothing leaves the machine."""
    found = dict.fromkeys(THREADS, str(max(1, threads() // count)))
    inside = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    if inside:
        found |= {"GLOO_SOCKET_IFNAME": inside, "NCCL_SOCKET_IFNAME": inside}
    found["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # what they have to say, their answers say
    return found | ({"CUDA_VISIBLE_DEVICES": seen[rank]} if seen else {})


def _nothing() -> None:
    """Nobody watches."""


def _free(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


# --- each of the processes --------------------------------------------------------------------------------------------


def train_part(part: Part, watch: Watch) -> Trained | None:
    """Train the network together with the others; the first one answers for all."""
    bench, device = part.bench, part.bench.kernels.device
    settle(device, threads())
    _join(part)
    network = build(part.recipe, bench.backbone, bench.classes, part.seed)
    network.head.load_state_dict(dict(part.start))
    place(network, bench.kernels.train, device)
    source = source_for(bench, part.recipe, network, fitting(part.recipe, bench.backbone))
    weights, mode = bench.class_weights(part.rows), bench.kernels.train
    memory = None if part.memory is None else _Shared(part.memory, part.rank, device)
    team = Ranks(part.rank, bench.devices)
    losses, forked = train(network, source, part.rows, bench.labels, part.schedule, mode, part.seed, weights, watch, memory, team)
    changed = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in changing(network)}
    del network
    _free(device)
    return Trained(changed, losses, forked) if part.rank == 0 else None


def _join(part: Part) -> None:
    """Meet the others, once in the life of a process."""
    if dist.is_initialized():
        return
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in every build of torch

    store = TCPStore(HERE, part.port, None, False, timeout=TIMEOUT)
    backend = "nccl" if part.bench.kernels.device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=part.rank, world_size=part.bench.devices, timeout=TIMEOUT)


@dataclass(frozen=True)
class Ranks:
    """`compute.train.Team` of the processes of torch's default group."""

    rank: int
    count: int

    def loss_of(
        self, model: TransferNetwork, source: Source, every: Tensor, class_weights: FloatArray | None, mode: Mode
    ) -> LossOf:
        """See `Team.loss_of`. A mean over a batch is the sum of its shares' means, each times its share of the weight; DDP
        takes the mean of the gradients where the sum is wanted.

        A process for which nothing is left of a small batch runs an image whose loss and statistics count for nothing: the
        others wait for its gradients.
        """
        network = _distributed(model, source.first)
        together = uses_batch_statistics(model)
        criterion, masses = loss_on(every, class_weights), masses_of(every.cpu(), class_weights).numpy()

        def loss_of(batch: IntArray, epoch: int) -> tuple[Tensor, float]:
            own = share_of(batch, self.rank, self.count)
            shown = own if len(own) else batch[:1]
            inputs = source.batch(shown, epoch)
            with ExitStack() as inside:
                inside.enter_context(precision(mode, inputs.device.type))
                if together:
                    network.module.whole = (len(batch), len(own) > 0)
                loss = criterion(network(inputs).float(), every[shown])
            share = float(masses[own].sum() / max(masses[batch].sum(), 1e-12))
            loss = loss * share if len(own) else loss.nan_to_num() * 0.0
            value = loss.detach().clone()
            dist.all_reduce(value)
            return loss * self.count, float(value)

        return loss_of


def share_of(batch: IntArray, rank: int, count: int) -> IntArray:
    """The part of `batch` that is `rank`'s: they follow each other and differ by one image at most."""
    return np.array_split(batch, count)[rank]


class _Resuming(nn.Module):
    """What DDP calls: (batch, ...) inputs of stage `first` -> (batch, classes) logits.

    Attributes:
        whole: images of the whole batch, and whether those of this process are among them, where normalisation learns from
            them; None where it does not.
    """

    def __init__(self, model: TransferNetwork, first: int) -> None:
        super().__init__()
        self.model = model
        self.first = first
        self.whole: tuple[int, bool] | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.whole is None:
            return self.model.resume(inputs, self.first)
        with normalised_together(*self.whole):
            return self.model.resume(inputs, self.first)


def _distributed(model: TransferNetwork, first: int) -> DistributedDataParallel:
    """The same graph in every step, so that parameters without a use are found once; buffers are the same by themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DistributedDataParallel(_Resuming(model, first), broadcast_buffers=False, static_graph=True)


@dataclass(frozen=True)
class _Shared:
    """`Memory` for all: what one of them cannot read, none takes; the first one writes."""

    memory: Memory
    rank: int
    device: str

    def load(self) -> Checkpoint | None:
        found = self.memory.load()
        epochs = 0 if found is None else found.epochs
        least = torch.tensor([epochs, -epochs], device=self.device)
        dist.all_reduce(least, dist.ReduceOp.MIN)
        return found if int(least[0]) == -int(least[1]) else None

    def save(self, state: Checkpoint) -> None:
        if self.rank == 0:
            self.memory.save(state)
