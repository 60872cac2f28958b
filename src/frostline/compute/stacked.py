"""Small networks on stored features, several learning rates trained side by side in one batch of matrix products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from frostline.compute.coordinates import leading, mean_squares, turned
from frostline.compute.features import Sample
from frostline.compute.losses import loss_on, probabilities_of, targets_of
from frostline.compute.new_layers import DROPOUT, PooledHead
from frostline.stats.strata import several
from frostline.terms.data import Targets
from frostline.terms.result import FloatArray

BATCH = 128
WEIGHT_DECAY = 0.01
MOST_COMPONENTS = 512  # of the features: further ones cost more than they add (docs/decisions/small-networks.md)


@dataclass(frozen=True, eq=False)
class StackedHeads:
    """R fitted networks (channels -> hidden ... -> classes); features are standardised inside the first layer.

    Attributes:
        weights: one tensor a layer, (R, inputs, outputs); biases: (R, 1, outputs).
        several: an image may have several labels: each is a question of its own.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    several: bool = False

    @torch.no_grad()
    def probabilities(self, sample: Sample) -> FloatArray:
        """(R, n, classes) of the images as view 0 shows them."""
        found = []
        for _, values in replace(sample, views=sample.views[:1]).pieces():
            hidden = torch.from_numpy(values).expand(len(self.weights[0]), -1, -1)
            found.append(probabilities_of(_forward(hidden, self.weights, self.biases), self.several).numpy())
        return np.concatenate(found, axis=1)

    @torch.no_grad()
    def copy_into(self, module: nn.Module, which: int) -> None:
        """Put network `which` into an `mlp` head's module."""
        assert isinstance(module, PooledHead) and isinstance(module.body, nn.Sequential)
        layers = [layer for layer in module.body if isinstance(layer, nn.Linear)]
        for layer, weight, bias in zip(layers, self.weights, self.biases, strict=True):
            layer.weight.copy_(weight[which].T)
            layer.bias.copy_(bias[which, 0])


def fit_stacked(
    sample: Sample,
    labels: Targets,
    classes: int,
    hidden: Sequence[int],
    rates: Sequence[float],
    epochs: int,
    seed: int,
    class_weights: FloatArray | None = None,
    dtype: str = "fp32",
) -> StackedHeads:
    """One network a rate, all from the same initial weights and shown the same batches; AdamW, cosine.

    Wide features are seen through their 512 leading principal components, all scaled alike.

    Args:
        sample: n images in V views, shown in turn, one an epoch; labels: (n,), or (n, classes) 1, 0 and NaN.
        dtype: `bf16` for mixed precision, where the machine is faster in it.
    """
    inputs, first, mean = _inputs(sample)
    layers = _initial([inputs.shape[2], *hidden, classes], len(rates), seed)
    _optimise(layers, inputs, targets_of(labels), rates, epochs, seed, class_weights, dtype)
    return replace(_fold(layers, first, torch.from_numpy(mean)), several=several(labels))


def _inputs(sample: Sample) -> tuple[Tensor, Tensor, FloatArray]:
    """What the first layer sees, (V, n, r); the map to it from centred features, (channels, r); their mean, (channels,)."""
    mean, scale = sample.moments()
    if sample.channels > MOST_COMPONENTS:
        axes = leading(sample, mean, scale, MOST_COMPONENTS)  # of these training images: which are left out is theirs to say
        seen = turned(sample, mean, scale, axes)
        unit = max(float(np.sqrt(mean_squares(seen).mean())), 1e-6)
        seen /= unit
        first = axes / scale[:, None] / unit
    else:
        seen, first = sample.buffer(sample.channels), np.diag(1 / scale)
        for part, values in sample.pieces():
            seen[part] = (values - mean) / scale
    shaped = torch.from_numpy(seen).view(len(sample.views), len(sample.rows), -1)
    return shaped, torch.from_numpy(np.ascontiguousarray(first, np.float32)), mean


@dataclass(frozen=True, eq=False)
class _Layer:
    """The same layer of R networks: one tensor for the products, and a view of it for each network, which has a rate of its own.

    Attributes:
        weight: (R, inputs, outputs); bias: (R, 1, outputs). of: [network] -> views of its weight and bias.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    of: tuple[tuple[nn.Parameter, nn.Parameter], ...]

    @classmethod
    def initial(cls, inputs: int, outputs: int, count: int, generator: torch.Generator) -> _Layer:
        """The same random weights in all networks; biases are zero."""
        bound = 1 / math.sqrt(inputs)
        weight = (torch.rand(inputs, outputs, generator=generator) * 2 - 1) * bound
        weights, biases = nn.Parameter(weight.repeat(count, 1, 1)), nn.Parameter(torch.zeros(count, 1, outputs))
        views = tuple((nn.Parameter(weights.data[index]), nn.Parameter(biases.data[index])) for index in range(count))
        return cls(weights, biases, views)

    def hand_over_gradients(self) -> None:
        """From the whole tensors to each network's own."""
        for whole, which in ((self.weight, 0), (self.bias, 1)):
            assert whole.grad is not None
            for views, gradient in zip(self.of, whole.grad, strict=True):
                views[which].grad = gradient
            whole.grad = None


def _initial(widths: Sequence[int], count: int, seed: int) -> list[_Layer]:
    generator = torch.Generator().manual_seed(seed)
    return [_Layer.initial(inputs, outputs, count, generator) for inputs, outputs in itertools.pairwise(widths)]


def _optimise(
    layers: Sequence[_Layer],
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    epochs: int,
    seed: int,
    class_weights: FloatArray | None,
    dtype: str,
) -> None:
    groups = [{"params": [p for layer in layers for p in layer.of[index]], "lr": rate} for index, rate in enumerate(rates)]
    optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)
    steps = epochs * math.ceil(inputs.shape[1] / BATCH)
    plan = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))
    order, dropping = (torch.Generator().manual_seed(seed) for _ in range(2))  # not the global one: threads share that
    criterion = loss_on(targets, class_weights)
    for epoch in range(epochs):
        shown = inputs[epoch % len(inputs)]
        for rows in torch.randperm(len(shown), generator=order).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                logits = _forward(shown[rows].expand(len(rates), -1, -1), *_tensors(layers), dropping).float()
            repeated = targets[rows].repeat(len(rates), *[1] * (targets.dim() - 1))
            loss = criterion(logits.reshape(-1, logits.shape[2]), repeated)
            (loss * len(rates)).backward()
            for layer in layers:
                layer.hand_over_gradients()
            optimizer.step()
            plan.step()


def _tensors(layers: Sequence[_Layer]) -> tuple[list[Tensor], list[Tensor]]:
    return [layer.weight for layer in layers], [layer.bias for layer in layers]


def _forward(
    hidden: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], dropping: torch.Generator | None = None
) -> Tensor:
    """(R, n, inputs) -> (R, n, outputs); with dropout, the same in all networks, where there is a generator for it."""
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.baddbmm(bias, hidden, weight)
        if index < len(weights) - 1:
            hidden = torch.relu(hidden)
            hidden = hidden if dropping is None else hidden * _kept(hidden, dropping)
    return hidden


def _kept(hidden: Tensor, generator: torch.Generator) -> Tensor:
    """(n, outputs) 0 for what dropout leaves out, else what keeps the mean as it is."""
    return (torch.rand(hidden.shape[1:], generator=generator) >= DROPOUT).to(hidden.dtype).div_(1 - DROPOUT)


@torch.no_grad()
def _fold(layers: Sequence[_Layer], first: Tensor, mean: Tensor) -> StackedHeads:
    """The map of the features, (channels, r), moved into the first layer."""
    weights, biases = ([tensor.detach() for tensor in tensors] for tensors in _tensors(layers))
    weights[0] = first @ weights[0]
    biases[0] = biases[0] - (mean @ weights[0])[:, None]
    return StackedHeads(tuple(weights), tuple(biases))
