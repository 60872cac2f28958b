"""What a library offers to `load`: a way to make a network, and what its weights expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from frostline.backbones.trace import Leaves
from frostline.terms.backbone import InputSpec

State = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Architecture:
    """A named architecture of a library.

    Attributes:
        name: with the library in front: `timm/resnet18.a1_in1k`.
        spec: what its weights expect, at their own size.
        make: a new network, old classifier included, randomly initialised from torch's global generator; for square images of
            the given size, None for its own. Raises BackboneError where the network accepts no other size.
        download: the published weights, from the library's own hub. Raises BackboneError when it cannot be reached.
        adapt: published or other forms of a state as this network (made for this size, None for its own) wants it:
            position tables resampled.
        classifier: paths of the old classifier's modules; None to find them; empty where there is none.
        sized: networks made for different sizes differ in their tensors or graph.
        notes: what a user should know.
    """

    name: str
    spec: InputSpec
    make: Callable[[int | None], nn.Module]
    download: Callable[[], State]
    adapt: Callable[[State, nn.Module, int | None], State]
    classifier: tuple[str, ...] | None = None
    leaves: Leaves = field(default_factory=Leaves)
    sized: bool = False
    notes: tuple[str, ...] = ()


def unchanged(state: State, network: nn.Module, size: int | None) -> State:
    """An `adapt` for networks without tables that depend on the size."""
    return state
