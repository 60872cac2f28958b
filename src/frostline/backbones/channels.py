"""A network for images of another number of channels: gray into colour networks, and more channels than three."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn

from frostline.backbones.architecture import Architecture, State
from frostline.errors import BackboneError
from frostline.terms.backbone import InputSpec


def with_channels(architecture: Architecture, channels: int) -> Architecture:
    """The architecture whose first layer takes `channels`; transferred weights are spread over these as timm does.

    For one channel the first layer's weights are summed over the old ones: what a gray image that is repeated gives, at a third
    of the arithmetic (where mean and deviation are the same in all channels, else nearly). For k channels they are repeated in
    turn, times old / k, so that the layer's output keeps its size. Random weights are drawn anew with the deviation of the old.

    Raises:
        BackboneError: no convolution takes the images, or the network does not run with other channels.
    """
    given = architecture.spec.channels
    if channels == given:
        return architecture

    def make(size: int | None) -> nn.Module:
        network = architecture.make(size)
        _widen(_first(network, architecture)[1], channels)
        return network

    def adapt(state: State, network: nn.Module, size: int | None) -> State:
        plain = architecture.make(size)
        path, layer = _first(plain, architecture)
        name = f"{path}.weight"
        ours = state.get(name)
        if ours is None or ours.shape[1] == given:
            adapted = architecture.adapt(state, plain, size)
            return {**adapted, name: spread(adapted[name], channels)} if name in adapted else adapted
        # adapted before: the library knows the old number of channels alone
        return {**architecture.adapt({**state, name: torch.zeros_like(layer.weight)}, plain, size), name: ours}

    changed = dataclasses.replace(
        architecture,
        name=f"{architecture.name}?channels={channels}",
        spec=spec_with_channels(architecture.spec, channels),
        make=make,
        adapt=adapt,
        notes=(*architecture.notes, _note(given, channels)),
    )
    _check(architecture, changed)
    return changed


def spec_with_channels(spec: InputSpec, channels: int) -> InputSpec:
    """Mean and deviation for other channels: their average for one, else the old ones in turn."""
    if channels == spec.channels:
        return spec

    def values(old: tuple[float, ...]) -> tuple[float, ...]:
        return (sum(old) / len(old),) if channels == 1 else tuple(old[channel % len(old)] for channel in range(channels))

    return dataclasses.replace(spec, channels=channels, mean=values(spec.mean), std=values(spec.std))


def spread(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """(out, old, height, width) -> (out, channels, height, width), as `with_channels` says."""
    old = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, [channel % old for channel in range(channels)]] * (old / channels)


def _first(network: nn.Module, architecture: Architecture) -> tuple[str, nn.Conv2d]:
    """Path and module of the convolution that takes the images: the first of so many channels."""
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == architecture.spec.channels and module.groups == 1:
            return path, module
    raise BackboneError(
        f"backbone {architecture.name!r} has no first convolution of {architecture.spec.channels} channels, so that it cannot"
        " take images of other channels; choose another backbone."
    )


def _widen(layer: nn.Conv2d, channels: int) -> None:
    """In place, with random weights of the old ones' mean and of their deviation times sqrt(old / channels)."""
    old = layer.weight.detach()
    shape = (old.shape[0], channels, *old.shape[2:])
    scale = float(old.std()) * math.sqrt(old.shape[1] / channels)
    layer.weight = nn.Parameter(torch.randn(shape) * scale + float(old.mean()))
    layer.in_channels = channels


def _note(given: int, channels: int) -> str:
    how = "summed into one" if channels == 1 else f"repeated in turn, times {given} / {channels}"
    return f"The first layer takes {channels} channels instead of {given}: its transferred weights are {how}."


@torch.no_grad()
def _check(before: Architecture, after: Architecture) -> None:
    try:
        after.make(None).eval()(torch.zeros(2, *after.spec.size))
    except Exception as error:  # a network's own code raises whatever it does
        reason = (str(error).splitlines() or ["no message"])[0]
        raise BackboneError(
            f"backbone {before.name!r} does not run with {after.spec.channels} channels ({reason}); choose another backbone."
        ) from error
