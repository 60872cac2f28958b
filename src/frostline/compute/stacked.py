"""Small networks on stored features, several learning rates trained side by side in one batch of matrix products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from frostline.compute.new_layers import DROPOUT, PooledHead
from frostline.terms.result import FloatArray, IntArray

BATCH = 128


@dataclass(frozen=True, eq=False)
class StackedHeads:
    """R fitted networks (channels -> hidden ... -> classes); features are standardised inside the first layer.

    Attributes:
        weights: one tensor a layer, (R, inputs, outputs); biases: (R, 1, outputs).
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @torch.no_grad()
    def probabilities(self, features: FloatArray) -> FloatArray:
        """(R, n, classes) for (n, channels)."""
        hidden = torch.from_numpy(np.asarray(features, np.float32)).expand(len(self.weights[0]), -1, -1)
        return torch.softmax(_forward(hidden, self.weights, self.biases, 0.0), dim=2).numpy()

    @torch.no_grad()
    def copy_into(self, module: nn.Module, which: int) -> None:
        """Put network `which` into an `mlp` head's module."""
        assert isinstance(module, PooledHead) and isinstance(module.body, nn.Sequential)
        layers = [layer for layer in module.body if isinstance(layer, nn.Linear)]
        for layer, weight, bias in zip(layers, self.weights, self.biases, strict=True):
            layer.weight.copy_(weight[which].T)
            layer.bias.copy_(bias[which, 0])


def fit_stacked(
    features: FloatArray,
    labels: IntArray,
    classes: int,
    hidden: Sequence[int],
    rates: Sequence[float],
    epochs: int,
    seed: int,
    class_weights: FloatArray | None = None,
) -> StackedHeads:
    """One network a rate, all from the same initial weights and shown the same batches; AdamW, warm-up, cosine.

    Args:
        features: (n, channels); labels: (n,).
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-6 * max(float(scale.max()), 1e-12), scale, np.inf)
    inputs = torch.from_numpy(np.asarray((features - mean) / scale, np.float32))
    targets = torch.from_numpy(np.asarray(labels, np.int64))
    layers = _initial([features.shape[1], *hidden, classes], len(rates), seed)
    _optimise(layers, inputs, targets, rates, epochs, seed, class_weights)
    return _fold(layers, torch.from_numpy(np.asarray(mean, np.float32)), torch.from_numpy(np.asarray(scale, np.float32)))


Layers = list[list[tuple[nn.Parameter, nn.Parameter]]]  # [layer][network] -> (inputs, outputs), (1, outputs)


def _initial(widths: Sequence[int], count: int, seed: int) -> Layers:
    generator = torch.Generator().manual_seed(seed)
    layers: Layers = []
    for inputs, outputs in itertools.pairwise(widths):
        bound = 1 / math.sqrt(inputs)
        weight = (torch.rand(inputs, outputs, generator=generator) * 2 - 1) * bound
        layers.append([(nn.Parameter(weight.clone()), nn.Parameter(torch.zeros(1, outputs))) for _ in range(count)])
    return layers


def _optimise(
    layers: Layers,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    epochs: int,
    seed: int,
    class_weights: FloatArray | None,
) -> None:
    groups = [{"params": [p for layer in layers for p in layer[index]], "lr": rate} for index, rate in enumerate(rates)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = epochs * math.ceil(len(inputs) / BATCH)
    plan = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))
    generator = torch.Generator().manual_seed(seed)
    weight = None if class_weights is None else torch.from_numpy(np.asarray(class_weights, np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs), generator=generator).split(BATCH):
                weights, biases = _stack(layers)
                logits = _forward(inputs[rows].expand(len(rates), -1, -1), weights, biases, DROPOUT)
                repeated = targets[rows].expand(len(rates), -1).reshape(-1)
                loss = nn.functional.cross_entropy(logits.reshape(-1, logits.shape[2]), repeated, weight=weight)
                optimizer.zero_grad(set_to_none=True)
                (loss * len(rates)).backward()
                optimizer.step()
                plan.step()


def _stack(layers: Layers) -> tuple[list[Tensor], list[Tensor]]:
    weights = [torch.stack([network[0] for network in layer]) for layer in layers]
    return weights, [torch.stack([network[1] for network in layer]) for layer in layers]


def _forward(hidden: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], dropout: float) -> Tensor:
    """(R, n, inputs) -> (R, n, outputs)."""
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.baddbmm(bias, hidden, weight)
        if index < len(weights) - 1:
            hidden = nn.functional.dropout(torch.relu(hidden), dropout, training=dropout > 0)
    return hidden


@torch.no_grad()
def _fold(layers: Layers, mean: Tensor, scale: Tensor) -> StackedHeads:
    """The standardisation moved into the first layer."""
    weights, biases = _stack(layers)
    weights[0] = weights[0] / scale[:, None]
    biases[0] = biases[0] - (mean @ weights[0])[:, None]
    return StackedHeads(tuple(weights), tuple(biases))
