"""For a network whose own forward pass cannot be traced: the modules that the user names, run in a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from frostline.backbones.architecture import Architecture, State
from frostline.backbones.body import build_body
from frostline.backbones.trace import trace
from frostline.errors import BackboneError, nearest

_SMALL = 2  # images: enough to see whether the row computes what the network does


class Row(nn.Module):
    """The modules at `paths`, each fed with what the one before gave; they keep the paths of the network that they are from.

    Shapes: images (batch, channels, height, width) -> the last module's output.
    """

    def __init__(self, network: nn.Module, paths: Sequence[str]) -> None:
        super().__init__()
        for name, child in build_body(network, paths, {}).named_children():
            self.add_module(name, child)
        self.paths = tuple(paths)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for path in self.paths:
            images = self.get_submodule(path)(images)
        return images


def is_traceable(architecture: Architecture) -> bool:
    """Whether the network's own forward pass can be traced, in both modes."""
    network = architecture.make(None)
    with suppress(Exception):  # tracing raises whatever the network's own code does
        trace(network, architecture.leaves, False)
        trace(network, architecture.leaves, True)
        return True
    return False


def in_row(architecture: Architecture, paths: Sequence[str]) -> Architecture:
    """The architecture that runs only the modules at `paths`, in this order; what comes after them is left out.

    Raises:
        BackboneError: a path is no module, or the row gives other numbers than the network does.
    """

    def make(size: int | None) -> nn.Module:
        return Row(architecture.make(size), paths)

    def adapt(state: State, network: nn.Module, size: int | None) -> State:
        own = network.state_dict()
        return {name: tensor for name, tensor in architecture.adapt(state, network, size).items() if name in own}

    _check(architecture, paths)
    return dataclasses.replace(architecture, make=make, adapt=adapt, classifier=())


@torch.no_grad()
def _check(architecture: Architecture, paths: Sequence[str]) -> None:
    network = architecture.make(None).eval()
    modules = dict(network.named_modules())
    unknown = [path for path in paths if path not in modules]
    if unknown:
        top = [name for name, _ in network.named_children()]
        raise BackboneError(
            f"backbone {architecture.name!r} has no module {unknown[0]!r}.{nearest(unknown[0], list(modules))}"
            f" Name the modules that end its stages, in the order in which they run, from {', '.join(top)}."
        )
    images = torch.randn(_SMALL, *architecture.spec.size, generator=torch.Generator().manual_seed(0))
    seen: list[Any] = []
    handle = modules[paths[-1]].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.random.fork_rng(devices=[]):
        network(images.clone())
        handle.remove()
        try:
            given: Any = Row(network, paths).eval()(images.clone())
        except Exception as error:
            given = f"{type(error).__name__}: {error}"
    if not (seen and isinstance(given, torch.Tensor) and isinstance(seen[0], torch.Tensor) and torch.equal(seen[0], given)):
        reason = f" ({given})" if isinstance(given, str) else ""
        raise BackboneError(
            f"backbone {architecture.name!r}: {', '.join(paths)} in a row do not give what the network gives at"
            f" {paths[-1]!r}{reason}. Each must take just what the one before gives; name all of them, from the input on."
        )
