"""Where every layer of a model comes from: for its description, its card and whoever has to answer for it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from frostline.backbones import LoadedBackbone
from frostline.compute.build import TransferNetwork
from frostline.terms.recipe import Action, Recipe, Weights

HEAD = "head"


@dataclass(frozen=True)
class Layer:
    """One module that holds parameters.

    Attributes:
        name: its path in the original network, `head.PATH` for what is new.
        stage: the stage it belongs to, or `head`.
        origin: `transferred`, `random` or `matched` (random with the pre-trained mean and variance of each tensor).
        source: digest of the weights it was transferred from, or whose moments it was matched to; None for random ones.
        seed: of its random numbers; None where it was transferred.
        trained: whether training changed its parameters.
        statistics: `kept` or `learnt` for normalisation that has any, else None.
        parameters: numbers in it.
    """

    name: str
    stage: str
    origin: str
    source: str | None
    seed: int | None
    trained: bool
    statistics: str | None
    parameters: int


def layers_of(network: TransferNetwork, backbone: LoadedBackbone, recipe: Recipe, seed: int) -> list[Layer]:
    """A value for each module of `network` that holds parameters itself, in the order in which they run."""
    found = []
    for stage, action in network.actions.items():
        part = network.trunk.part(stage)
        random = action is Action.REINIT or recipe.weights is Weights.RANDOM
        origin = "random" if random else "matched" if recipe.weights is Weights.MATCHED else "transferred"
        source = None if random else backbone.digest
        number = None if origin == "transferred" else seed
        for name, module in _holding(part.body):
            found.append(_layer(name, stage, module, origin, source, number, kept=part.frozen or part.norm_frozen))
    for name, module in _holding(network.head):
        found.append(_layer(f"{HEAD}.{name}", HEAD, module, "random", None, seed, kept=False))
    return found


def _holding(root: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in root.named_modules() if any(True for _ in module.parameters(recurse=False))]


def _layer(name: str, stage: str, module: nn.Module, origin: str, source: str | None, seed: int | None, kept: bool) -> Layer:
    own = list(module.parameters(recurse=False))
    trained = stage == HEAD or any(parameter.requires_grad for parameter in own)
    statistics = None if getattr(module, "running_mean", None) is None else "kept" if kept else "learnt"
    return Layer(name, stage, origin, source, seed, trained, statistics, sum(parameter.numel() for parameter in own))
