"""What became of each stage: transferred or random, frozen or trained, how far its weights moved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from frostline.backbones import LoadedBackbone
from frostline.compute.build import TransferNetwork, build
from frostline.terms.evidence import Fate
from frostline.terms.recipe import Action, Recipe, Weights


def fates(network: TransferNetwork, backbone: LoadedBackbone, recipe: Recipe, seed: int) -> tuple[Fate, ...]:
    """One for each kept stage and one for the head, from the tensors before and after training."""
    before = build(recipe, backbone, 2, seed)
    found = [_stage(network, before, name, action, backbone, recipe, seed) for name, action in network.actions.items()]
    parameters = sum(parameter.numel() for parameter in network.head.parameters())
    return (*found, Fate("head", "random", str(seed), True, parameters))


def _stage(
    network: TransferNetwork,
    before: TransferNetwork,
    name: str,
    action: Action,
    backbone: LoadedBackbone,
    recipe: Recipe,
    seed: int,
) -> Fate:
    transferred = recipe.weights is Weights.PRETRAINED and action is not Action.REINIT
    now, then = network.trunk.part(name), before.trunk.part(name)
    return Fate(
        name,
        "transferred" if transferred else "random",
        backbone.digest if transferred else str(seed),
        action is not Action.FREEZE,
        sum(parameter.numel() for parameter in now.parameters()),
        _moved(dict(then.named_parameters()), dict(now.named_parameters())),
        _moved(_statistics(then), _statistics(now)),
    )


def _statistics(part: torch.nn.Module) -> dict[str, Tensor]:
    return {name: buffer for name, buffer in part.named_buffers() if name.endswith(("running_mean", "running_var"))}


@torch.no_grad()
def _moved(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float | None:
    """|after - before| / |before| over all tensors; None where there are none."""
    if not before:
        return None
    change = sum(float((after[name].cpu().double() - tensor.double()).square().sum()) for name, tensor in before.items())
    size = sum(float(tensor.double().square().sum()) for tensor in before.values())
    return float((change / size) ** 0.5) if size else 0.0
