"""Training what a recipe leaves trainable, and predicting with the result."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from frostline.backbones import folded
from frostline.compute.build import TransferNetwork, parameter_groups
from frostline.compute.losses import loss_on, probabilities_of, targets_of
from frostline.compute.sources import Source
from frostline.compute.state import restore, state_of
from frostline.store.checkpoints import Checkpoint
from frostline.terms.data import Targets
from frostline.terms.kernels import Mode
from frostline.terms.result import FloatArray, IntArray
from frostline.terms.schedule import common_epochs, rate_share

MOMENTUM = 0.9  # of sgd
OPTIONS: dict[str, Callable[[str], Any]] = {"lr": float, "epochs": int, "batch": int, "opt": str, "wd": float, "rates": str}
CLIP = 1.0  # gradient norm: one bad batch must not undo the transferred weights
SETTLED_ON = 256  # images: every channel of a map has many positions an image


class Diverged(Exception):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Schedule:
    """How to train. What is written here holds wherever nobody says otherwise, in exported programs too.

    Attributes:
        opt: `adamw`, or `sgd` with momentum 0.9.
        share: (step, steps an epoch, epochs) -> share of the peak rate.
    """

    lr: float = 3e-4
    epochs: int = 1
    batch: int = 32
    opt: str = "adamw"
    wd: float = 0.01
    rates: str = "flat"
    share: Callable[[int, int, int], float] = rate_share

    @classmethod
    def of(cls, options: Mapping[str, str], **otherwise: Any) -> Schedule:
        """As a recipe's `options` say; else as `otherwise` says."""
        said = {name: kind(options[name]) for name, kind in OPTIONS.items() if name in options}
        return cls(**{**otherwise, **said})


class Memory(Protocol):
    """Where a training's state is kept at the end of the epochs that it has in common with longer ones."""

    def load(self) -> Checkpoint | None:
        """The latest state of the same training that is there."""

    def save(self, state: Checkpoint) -> None:
        """Keep `state`, if a longer training may follow."""


LossOf = Callable[[IntArray, int], tuple[Tensor, float]]


class Team(Protocol):
    """Processes that train the same network at the same time, each on its own share of every batch.

    Attributes:
        rank: which of them this one is, from 0.
    """

    @property
    def rank(self) -> int: ...

    def loss_of(
        self, model: TransferNetwork, source: Source, every: Tensor, class_weights: FloatArray | None, mode: Mode
    ) -> LossOf:
        """As `_alone`, of this process's share: gradients are, after `backward`, those of the mean over the whole batch, and
        the value is that mean."""


def train(
    model: TransferNetwork,
    source: Source,
    rows: IntArray,
    labels: Targets,
    schedule: Schedule,
    mode: Mode,
    seed: int,
    class_weights: FloatArray | None = None,
    watch: Callable[[], None] | None = None,
    memory: Memory | None = None,
    team: Team | None = None,
) -> tuple[list[float], int]:
    """Train `model` in place; the mean loss of each epoch, and how many epochs were taken over from `memory`.

    An epoch's order of images and its random numbers depend on the seed and on its own number alone, so that a training goes on
    from another's state exactly as if it had begun at the beginning.

    Args:
        rows: data set indices to train on; labels: for all data set indices, (N,) or with several labels an image (N, classes).
        class_weights: (classes,) for the loss, or None for equal ones.
        watch: called before each step; what it raises ends the training.
        team: that this process trains in; None where it is alone.

    Raises:
        Diverged: the loss is not finite.
    """
    optimizer = _optimizer(model, schedule)
    peaks = [float(group["lr"]) for group in optimizer.param_groups]
    per_epoch = len(list(_batches(rows, schedule.batch)))
    device = next(model.parameters()).device
    every = targets_of(labels).to(device)
    common = common_epochs(schedule.epochs)
    losses = _resume(model, optimizer, memory, common)
    taken_over = len(losses)
    model.train()
    loss_of = (_alone if team is None else team.loss_of)(model, source, every, class_weights, mode)
    for epoch in range(taken_over, schedule.epochs):
        if memory is not None and epoch == common > taken_over:
            memory.save(state_of(model, optimizer, losses))
        order, total = _begin(seed, epoch, 0 if team is None else team.rank), 0.0
        for number, batch in enumerate(_batches(order.permutation(rows), schedule.batch)):
            if watch is not None:
                watch()
            share = schedule.share(epoch * per_epoch + number, per_epoch, schedule.epochs)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = share * peak
            total += _step(*loss_of(batch, epoch), optimizer) * len(batch)
        losses.append(total / max(len(rows), 1))
    return losses, taken_over


def _begin(seed: int, epoch: int, rank: int = 0) -> np.random.Generator:
    """Set torch's random numbers for an epoch, others in each rank; the generator of its order, which is everyone's."""
    own = np.random.SeedSequence([seed, epoch])
    torch.manual_seed(int(own.generate_state(rank + 1)[rank]))
    return np.random.default_rng(own)


def _resume(model: TransferNetwork, optimizer: torch.optim.Optimizer, memory: Memory | None, latest: int) -> list[float]:
    """The losses of the epochs that need not run again; `model` and `optimizer` are then as they were after these."""
    state = None if memory is None else memory.load()
    if state is None or state.epochs > latest or not restore(model, optimizer, state):
        return []
    return list(state.losses)


def settle_statistics(model: TransferNetwork, source: Source, rows: IntArray, mode: Mode, seed: int, batch: int = 32) -> None:
    """Give trained batch normalisation the statistics of its final weights ("precise" ones, Wu and Johnson 2021, section 3).

    A running average over so few steps as a small data set allows remembers the weights of long before. Frozen normalisation is
    left exactly as it is.

    Args:
        rows: data set indices of the training images; at most 256 of them are shown, as they are shown when predicting.
    """
    model.train()
    trained = [module for module in normalisations(model) if module.training]
    estimate_statistics(model, trained, source, rows, mode, seed, batch)


def normalisations(module: nn.Module) -> list[_BatchNorm]:
    """The layers of `module` that keep statistics."""
    found = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    return [layer for layer in found if layer.track_running_stats]


@torch.no_grad()
def estimate_statistics(
    model: TransferNetwork,
    layers: Sequence[_BatchNorm],
    source: Source,
    rows: IntArray,
    mode: Mode,
    seed: int,
    batch: int = 32,
) -> None:
    """Give `layers` of `model` the statistics of what reaches them when (at most 256 of) `rows` are shown; frozen ones too."""
    model.eval()
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
        layer.train()
    shown = np.sort(np.random.default_rng(seed).permutation(rows)[:SETTLED_ON])
    for chosen in _batches(shown, batch):
        inputs = source.batch(chosen, 0)
        with precision(mode, inputs.device.type):
            model.resume(inputs, source.first)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


def _optimizer(model: TransferNetwork, schedule: Schedule) -> torch.optim.Optimizer:
    groups = parameter_groups(model, schedule.lr, schedule.wd, schedule.rates)
    if schedule.opt == "sgd":
        return torch.optim.SGD(groups, lr=schedule.lr, momentum=MOMENTUM)
    return torch.optim.AdamW(groups, lr=schedule.lr)


def _batches(rows: IntArray, size: int) -> Iterator[IntArray]:
    """Batches of `size`; a last single image joins the batch before it (normalisation needs two)."""
    count = max(1, len(rows) // size if len(rows) % size == 1 and len(rows) > size else math.ceil(len(rows) / size))
    bounds = [*range(0, count * size, size), len(rows)]
    return (rows[start:stop] for start, stop in itertools.pairwise(bounds))


def _alone(model: TransferNetwork, source: Source, every: Tensor, class_weights: FloatArray | None, mode: Mode) -> LossOf:
    """(data set indices of a batch, epoch) -> the loss whose gradients are followed, and its value.

    Args:
        every: targets of all data set indices, where the model is.
    """
    criterion = loss_on(every, class_weights)

    def loss_of(batch: IntArray, epoch: int) -> tuple[Tensor, float]:
        inputs = source.batch(batch, epoch)
        with precision(mode, inputs.device.type):
            loss = criterion(model.resume(inputs, source.first).float(), every[batch])
        return loss, float(loss.detach())

    return loss_of


def _step(loss: Tensor, value: float, optimizer: torch.optim.Optimizer) -> float:
    if not math.isfinite(value):
        raise Diverged(f"loss {value}")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], CLIP)
    optimizer.step()
    return value


def precision(mode: Mode, device: str) -> contextlib.AbstractContextManager[object]:
    """Mixed precision where the mode asks for it."""
    if mode.dtype == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16 if mode.dtype == "bf16" else torch.float16)


def place(model: nn.Module, mode: Mode, device: str) -> None:
    """Move `model` to the device and memory format, in place."""
    model.to(device)
    if mode.channels_last:
        model.to(memory_format=torch.channels_last)


@torch.no_grad()
def predict(
    model: TransferNetwork, source: Source, rows: IntArray, mode: Mode, several: bool = False, batch: int = 64
) -> FloatArray:
    """(len(rows), classes) probabilities in evaluation mode, view 0; of each by itself where an image may have `several`."""
    network = for_evaluation(model.eval(), mode)
    found = []
    for start in range(0, len(rows), batch):
        inputs = source.batch(rows[start : start + batch], 0)
        with precision(mode, inputs.device.type):
            logits = network.resume(inputs, source.first)
        found.append(probabilities_of(logits, several).cpu().numpy())
    return np.concatenate(found)


def for_evaluation(model: TransferNetwork, mode: Mode) -> TransferNetwork:
    """The same function with normalisation folded away; it shares the head with `model`."""
    twin = TransferNetwork(folded(model.trunk), model.head, model.actions, model.every_stage).eval()
    place(twin, mode, str(next(model.parameters()).device))
    return twin
