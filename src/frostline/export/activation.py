"""Where a network looks: a class-activation map of its last features."""

from __future__ import annotations

import torch
from torch import Tensor

from frostline.compute.new_layers import as_map
from frostline.export.bundle import Classifier
from frostline.terms.backbone import Layout


def activation_maps(model: Classifier, pixels: Tensor, classes: list[int]) -> list[list[list[float]]] | None:
    """A map an image, rows of numbers 0..1: how much each place speaks for the class; None where features have no places.

    Gradients averaged over places weigh the channels (Grad-CAM, Selvaraju 2017, equation 1); behind a linear head on pooled
    features that is the class-activation map itself (Zhou 2016). It shows what moved this answer, not whether it is right.

    Args:
        pixels: uint8 (n, channels, size, size); classes: (n,) the class that each map speaks for.
    """
    network, trunk = model.network, model.network.trunk
    layout = trunk.layouts[_last_cut(model)]
    if layout is Layout.FLAT:
        return None
    images = (pixels.float() / 255 - model.mean) / model.std
    with torch.no_grad():
        stages, tensor = [], images
        for index in range(len(network.actions)):
            tensor = trunk.run(tensor, index, index + 1)
            stages.append(tensor.float())
    with torch.enable_grad():
        last = stages[-1].detach().requires_grad_()
        logits = network.head([*stages[:-1], last])
        chosen = logits[torch.arange(len(pixels)), torch.tensor(classes)].sum()
        (gradient,) = torch.autograd.grad(chosen, last)
    return _maps(as_map(last.detach(), layout), as_map(gradient, layout))


def _last_cut(model: Classifier) -> str:
    stage = list(model.network.actions)[-1]
    part = model.network.trunk.part(stage)
    marks = [name for name in part.code.evaluating.marks.values() if name in model.network.trunk.layouts]
    return marks[-1]


def _maps(features: Tensor, gradient: Tensor) -> list[list[list[float]]]:
    """(n, height, width) in 0..1 of maps and gradients (n, channels, height, width)."""
    weights = gradient.mean((2, 3), keepdim=True)
    found = torch.relu((weights * features).sum(1))
    top = found.amax((1, 2), keepdim=True)
    scaled = torch.where(top > 0, found / top.clamp(min=1e-12), torch.zeros_like(found))
    return [[[round(value, 3) for value in row] for row in one] for one in scaled.tolist()]
