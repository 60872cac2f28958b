"""Recipes as a user would write them today, in plain torch: torchvision's and timm's networks taken apart by hand.

Nothing of frostline is used here, so that what it computes can be held against this.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NETWORKS = {  # (mean, std), interpolation
    "torchvision/mobilenet_v2": (IMAGENET, "bilinear"),
    "timm/tf_efficientnet_lite0": (((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), "bicubic"),
}


@dataclass(frozen=True)
class Kind:
    """The work that a recipe does, whatever its weights are.

    Attributes:
        trained: for each kept stage whether it is trained; head: `linear`, `all-layer`, `mlp(256)`, `conv(256)x2`.
    """

    trained: tuple[bool, ...]
    head: str


class Classifier(nn.Module):
    """Kept stages and a head: (batch, 3, size, size) -> (batch, classes). Frozen stages stay in evaluation mode."""

    def __init__(self, stages: Sequence[nn.Module], kind: Kind, classes: int, size: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(list(stages)[: len(kind.trained)])
        self.kind = kind
        for stage, trained in zip(self.stages, kind.trained, strict=True):
            stage.requires_grad_(trained)
        self.eval()
        with torch.no_grad():
            maps = self._maps(torch.zeros(1, 3, size, size))
        self.head = _head(kind.head, [one.shape[1] for one in maps], maps[-1].shape[2], classes)

    def train(self, mode: bool = True) -> Classifier:
        super().train(mode)
        for stage, trained in zip(self.stages, self.kind.trained, strict=True):
            stage.train(mode and trained)
        return self

    def forward(self, images: Tensor) -> Tensor:
        maps = self._maps(images)
        if self.kind.head == "all-layer":
            return self.head(torch.cat([one.mean(dim=(2, 3)) for one in maps], dim=1))
        return self.head(maps[-1] if self.kind.head.startswith("conv") else maps[-1].mean(dim=(2, 3)))

    def _maps(self, images: Tensor) -> list[Tensor]:
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


def classifier(
    name: str, weights: Path | None, ends: Sequence[str], kind: Kind, classes: int, size: int, seed: int = 0
) -> Classifier:
    """The recipe's network; `weights` None: random ones. The head is random from `seed`."""
    torch.manual_seed(seed)
    return Classifier(stages(units(name, weights), ends), kind, classes, size)


def whole(ends: Sequence[str], trained: bool = True, head: str = "linear") -> Kind:
    """Every stage kept."""
    return Kind((trained,) * len(ends), head)


def units(name: str, weights: Path | None) -> dict[str, nn.Module]:
    """The network's blocks in order, up to what is averaged over positions."""
    if name == "torchvision/mobilenet_v2":
        network = _loaded(torchvision.models.mobilenet_v2(weights=None), weights)
        return {f"features.{number}": block for number, block in enumerate(network.features)}
    if name == "timm/tf_efficientnet_lite0":
        network = _loaded(timm.create_model("tf_efficientnet_lite0", pretrained=False), weights)
        blocks = {f"blocks.{i}.{j}": block for i, row in enumerate(network.blocks) for j, block in enumerate(row)}
        ends = {"bn1": nn.Sequential(network.conv_stem, network.bn1)}, {"bn2": nn.Sequential(network.conv_head, network.bn2)}
        return ends[0] | blocks | ends[1]
    raise SystemExit(f"{name!r} is not one of {', '.join(NETWORKS)}")


def stages(blocks: dict[str, nn.Module], ends: Sequence[str]) -> list[nn.Sequential]:
    """The blocks grouped into stages; `blocks.0` ends one after the last of its own blocks."""
    names = list(blocks)
    last = [max(i for i, name in enumerate(names) if name == end or name.startswith(f"{end}.")) + 1 for end in ends]
    modules = list(blocks.values())
    return [nn.Sequential(*modules[start:stop]) for start, stop in itertools.pairwise([0, *last])]


def _loaded(network: nn.Module, weights: Path | None) -> nn.Module:
    if weights is not None:
        network.load_state_dict(load_file(weights))
    return network


def _head(text: str, channels: list[int], side: int, classes: int) -> nn.Module:
    if text == "all-layer":
        return nn.Linear(sum(channels), classes)
    if text.startswith("mlp("):
        width = int(text[4:-1])
        return nn.Sequential(nn.Linear(channels[-1], width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, classes))
    if text.startswith("conv("):
        return _conv_head(channels[-1], int(text[5:].split(")")[0]), int(text.split("x")[1]), side, classes)
    return nn.Linear(channels[-1], classes)


def _conv_head(channels: int, width: int, depth: int, side: int, classes: int) -> nn.Module:
    """As cheap as it can be made: maps above 14 pixels a side are halved by each convolution."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        stride = 2 if side > 14 else 1
        layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels, side = width, -(-side // stride)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, classes))
