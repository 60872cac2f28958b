"""Where every layer of a model comes from: for its description, its card and whoever has to answer for it."""

from __future__ import annotations

from collections.abc import Iterator
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
        origin: `transferred`, `random`, `matched` (random with the pre-trained mean and variance of each tensor) or `new`.
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
        for name, own, counts in _holding(part.body):
            trained = any(parameter.requires_grad for parameter in own)
            statistics = None if not counts else "kept" if part.frozen or part.norm_frozen else "learnt"
            found.append(Layer(name, stage, origin, source, number, trained, statistics, _numbers(own)))
    for name, own, counts in _holding(network.head):
        statistics = "learnt" if counts else None
        found.append(Layer(f"{HEAD}.{name}", HEAD, "new", None, seed, True, statistics, _numbers(own)))
    return found


def _holding(root: nn.Module) -> Iterator[tuple[str, list[nn.Parameter], bool]]:
    """Path, parameters and whether it has running statistics, for each module with parameters of its own.

    Those of the root itself (position tables, class tokens) stand by themselves under their own names.
    """
    for name, parameter in root.named_parameters(recurse=False):
        yield name, [parameter], False
    for name, module in root.named_modules():
        own = list(module.parameters(recurse=False))
        if name and own:
            yield name, own, getattr(module, "running_mean", None) is not None


def _numbers(parameters: list[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)
