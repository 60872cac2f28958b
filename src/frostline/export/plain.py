"""Models whose architecture is plain, a whole network of timm with a new softmax: under timm's own names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from frostline.backbones import LoadedBackbone
from frostline.backbones import demo as demo_side
from frostline.backbones import timm as timm_side
from frostline.compute.build import TransferNetwork
from frostline.compute.new_layers import PooledHead
from frostline.errors import BackboneError
from frostline.terms.recipe import Action

PART = "trunk.parts."
TOLERANCE = 1e-3  # of a logit, relative to the largest: two ways of pooling round differently
PROBES = 4  # images


@dataclass(frozen=True, eq=False)
class Plain:
    """A model as timm writes it.

    Attributes:
        architecture: timm's name; classifier: path of the linear layer that gives the logits.
        state: tensors under timm's names; config: what belongs into `config.json`.
    """

    architecture: str
    classifier: str
    state: dict[str, Tensor]
    config: dict[str, Any]


def as_timm(network: TransferNetwork, backbone: LoadedBackbone, classes: tuple[str, ...]) -> Plain | None:
    """`network` as timm would build it, or None where timm has no such network: stages dropped, other heads, other libraries.

    Whether timm's network gives the same is tried on random images, never assumed.
    """
    model = _timm_name(backbone)
    whole = len(network.actions) == len(backbone.stages) and Action.DROP not in network.actions.values()
    linear = isinstance(network.head, PooledHead) and isinstance(network.head.body, nn.Linear) and not network.every_stage
    if model is None or not whole or not linear:
        return None
    size = backbone.spec.height if backbone.architecture.sized else None
    try:
        twin = timm_side.classifier(model, len(classes), size)
    except BackboneError:
        return None
    path = timm_side.classifier_path(twin)
    state = None if path is None else _renamed(network, twin, path)
    if path is None or state is None:
        return None
    twin.load_state_dict(state)
    if not _agree(network, twin, backbone.input_size):
        return None
    return Plain(model, path, state, timm_side.saved_config(twin, model, backbone.spec, classes, size))


def from_timm(state: dict[str, Tensor], network: TransferNetwork, classifier: str) -> dict[str, Tensor]:
    """`state`, under timm's names, under the names that `network` has; constants of its code are `network`'s own.

    Raises:
        KeyError: a tensor is missing.
    """
    own = network.state_dict()
    constants = {name for stage in network.actions for name in network.trunk.part(stage).code.constants}
    found = {}
    for name, tensor in own.items():
        plain = _plain_name(name, classifier)
        found[name] = tensor if plain in constants and plain not in state else state[plain]
    return found


def as_json(plain: Plain) -> str:
    return json.dumps(plain.config, indent=2)


def _timm_name(backbone: LoadedBackbone) -> str | None:
    library, _, model = backbone.architecture.name.partition("/")
    if library == "demo":
        return demo_side.ARCHITECTURE
    return model.partition(".")[0] if library == "timm" else None


def _plain_name(name: str, classifier: str) -> str:
    if name.startswith("head.body."):
        return f"{classifier}.{name.removeprefix('head.body.')}"
    return name.removeprefix(PART).partition(".body.")[2]


def _renamed(network: TransferNetwork, twin: nn.Module, classifier: str) -> dict[str, Tensor] | None:
    given = {_plain_name(name, classifier): tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    own = twin.state_dict()
    if any(name not in given or given[name].shape != tensor.shape for name, tensor in own.items()):
        return None
    return {name: given[name].contiguous() for name in own}


@torch.no_grad()
def _agree(network: TransferNetwork, twin: nn.Module, shape: tuple[int, int, int]) -> bool:
    images = torch.randn(PROBES, *shape, generator=torch.Generator().manual_seed(0))
    modes = [(module, module.training) for module in network.modules()]
    network.eval(), twin.eval()
    try:
        device = next(network.parameters()).device
        ours, theirs = network(images.to(device)).float().cpu(), twin(images)
    finally:
        for module, mode in modes:
            module.training = mode
    return bool((ours - theirs).abs().max() <= TOLERANCE * max(1.0, float(ours.abs().max())))
