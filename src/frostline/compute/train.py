"""Training what a recipe leaves trainable, and predicting with the result."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from frostline.backbones import folded
from frostline.compute.build import TransferNetwork, parameter_groups
from frostline.compute.sources import Source
from frostline.terms.kernels import Mode
from frostline.terms.result import FloatArray, IntArray

WARM_UP = 0.1  # share of the steps
CLIP = 1.0  # gradient norm: one bad batch must not undo the transferred weights
SETTLED_ON = 256  # images: every channel of a map has many positions an image


class Diverged(Exception):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Schedule:
    """How to train: warm-up, then cosine to zero (BiT, He 2018).

    Attributes:
        opt: `adamw`, or `sgd` with momentum 0.9.
    """

    lr: float
    epochs: int
    batch: int = 32
    opt: str = "adamw"
    wd: float = 0.01
    rates: str = "flat"


def train(
    model: TransferNetwork,
    source: Source,
    rows: IntArray,
    labels: IntArray,
    schedule: Schedule,
    mode: Mode,
    seed: int,
    class_weights: FloatArray | None = None,
    watch: Callable[[], None] | None = None,
) -> list[float]:
    """Train `model` in place; the mean loss of each epoch.

    Args:
        rows: data set indices to train on; labels: for all data set indices.
        class_weights: (classes,) for the loss, or None for equal ones.
        watch: called before each step; what it raises ends the training.

    Raises:
        Diverged: the loss is not finite.
    """
    torch.manual_seed(seed)
    optimizer = _optimizer(model, schedule)
    order = np.random.default_rng(seed)
    steps = max(1, math.ceil(len(rows) / schedule.batch)) * schedule.epochs
    plan = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, steps))
    device = next(model.parameters()).device
    weight = None if class_weights is None else torch.from_numpy(np.asarray(class_weights, np.float32)).to(device)
    criterion = nn.CrossEntropyLoss(weight=weight)
    model.train()
    losses = []
    for epoch in range(schedule.epochs):
        total = 0.0
        for batch in _batches(order.permutation(rows), schedule.batch):
            if watch is not None:
                watch()
            targets = torch.from_numpy(labels[batch]).to(device)
            loss = _step(model, source.batch(batch, epoch), source.first, targets, criterion, optimizer, mode)
            plan.step()
            total += loss * len(batch)
        losses.append(total / max(len(rows), 1))
    return losses


@torch.no_grad()
def settle_statistics(model: TransferNetwork, source: Source, rows: IntArray, mode: Mode, seed: int, batch: int = 32) -> None:
    """Give trained batch normalisation the statistics of its final weights ("precise" ones, Wu and Johnson 2021, section 3).

    A running average over so few steps as a small data set allows remembers the weights of long before. Frozen normalisation is
    left exactly as it is.

    Args:
        rows: data set indices of the training images; at most 256 of them are shown, as they are shown when predicting.
    """
    model.train()
    trained = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.training]
    trained = [module for module in trained if module.track_running_stats]
    if not trained:
        return
    momenta = [module.momentum for module in trained]
    model.eval()
    for module in trained:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over batches
        module.train()
    shown = np.sort(np.random.default_rng(seed).permutation(rows)[:SETTLED_ON])
    for chosen in _batches(shown, batch):
        inputs = source.batch(chosen, 0)
        with precision(mode, inputs.device.type):
            model.resume(inputs, source.first)
    for module, momentum in zip(trained, momenta, strict=True):
        module.momentum = momentum
    model.eval()


def _optimizer(model: TransferNetwork, schedule: Schedule) -> torch.optim.Optimizer:
    groups = parameter_groups(model, schedule.lr, schedule.wd, schedule.rates)
    if schedule.opt == "sgd":
        return torch.optim.SGD(groups, lr=schedule.lr, momentum=0.9)
    return torch.optim.AdamW(groups, lr=schedule.lr)


def _factor(step: int, steps: int) -> float:
    """Share of the peak rate at `step`."""
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _batches(rows: IntArray, size: int) -> Iterator[IntArray]:
    """Batches of `size`; a last single image joins the batch before it (normalisation needs two)."""
    count = max(1, len(rows) // size if len(rows) % size == 1 and len(rows) > size else math.ceil(len(rows) / size))
    bounds = [*range(0, count * size, size), len(rows)]
    return (rows[start:stop] for start, stop in itertools.pairwise(bounds))


def _step(
    model: TransferNetwork,
    inputs: Tensor,
    first: int,
    targets: Tensor,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    mode: Mode,
) -> float:
    with precision(mode, inputs.device.type):
        loss = criterion(model.resume(inputs, first).float(), targets)
    value = float(loss.detach())
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
def predict(model: TransferNetwork, source: Source, rows: IntArray, mode: Mode, batch: int = 64) -> FloatArray:
    """(len(rows), classes) probabilities in evaluation mode, view 0."""
    network = for_evaluation(model.eval(), mode)
    found = []
    for start in range(0, len(rows), batch):
        inputs = source.batch(rows[start : start + batch], 0)
        with precision(mode, inputs.device.type):
            logits = network.resume(inputs, source.first)
        found.append(torch.softmax(logits.float(), dim=1).cpu().numpy())
    return np.concatenate(found)


def for_evaluation(model: TransferNetwork, mode: Mode) -> TransferNetwork:
    """The same function with normalisation folded away; it shares the head with `model`."""
    twin = TransferNetwork(folded(model.trunk), model.head, model.actions, model.every_stage).eval()
    place(twin, mode, str(next(model.parameters()).device))
    return twin
