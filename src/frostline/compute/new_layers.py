"""The new layers after the last kept stage, as modules: random from a seed, or set from a head that a solver fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from frostline.backbones import pool
from frostline.errors import RecipeError
from frostline.terms.backbone import Layout, Stage
from frostline.terms.recipe import Head, HeadKind

if TYPE_CHECKING:  # its solver's packages take half a second to import, and a plan needs none of them
    from frostline.compute.logistic import LinearHead

DROPOUT = 0.2
SMALL_MAP = 14  # a conv head halves maps that are larger than this: its cost stays below that of the trunk


class PooledHead(nn.Module):
    """`linear`, `mlp` and `all-layer`: pools each given feature map, concatenates, then applies `body`.

    Shapes: list of feature maps, one a stage -> (batch, classes).
    """

    def __init__(self, layouts: Sequence[Layout], body: nn.Module) -> None:
        super().__init__()
        self.layouts = tuple(layouts)
        self.body = body

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        used = features[-len(self.layouts) :]
        pooled = [pool(one, layout) for one, layout in zip(used, self.layouts, strict=True)]
        return self.body(torch.cat(pooled, dim=1).float())  # type: ignore[no-any-return]


class ConvHead(nn.Module):
    """`conv(width)xdepth`: 3 x 3 convolutions with normalisation, then the average, then a linear layer.

    Shapes: list of feature maps, the last one used -> (batch, classes).
    """

    def __init__(self, layout: Layout, body: nn.Module) -> None:
        super().__init__()
        self.layout = layout
        self.body = body

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return self.body(as_map(features[-1], self.layout).float())  # type: ignore[no-any-return]


def last_layout(head: nn.Module) -> Layout:
    """How the last kept stage's features lie, which a new head takes."""
    assert isinstance(head, (PooledHead, ConvHead))
    return head.layout if isinstance(head, ConvHead) else head.layouts[-1]


def as_map(feature: Tensor, layout: Layout) -> Tensor:
    """(batch, channels, height, width) for any layout that has positions."""
    if layout is Layout.NCHW:
        return feature
    if layout is Layout.NHWC:
        return feature.permute(0, 3, 1, 2)
    side = math.isqrt(feature.shape[1])
    tokens = feature[:, feature.shape[1] - side * side :]  # class and register tokens come first
    return tokens.transpose(1, 2).reshape(feature.shape[0], feature.shape[2], side, side)


def new_head(head: Head, stages: Sequence[Stage], classes: int, seed: int) -> nn.Module:
    """The head's module with random weights from `seed`; the global random state is left alone.

    Args:
        stages: the kept ones, in order.

    Raises:
        RecipeError: `conv` after a stage whose output has no positions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if head.kind is HeadKind.CONV:
            return _conv(head, stages[-1], classes)
        used = stages if head.kind is HeadKind.ALL_LAYER else stages[-1:]
        width = sum(stage.cut.channels for stage in used)
        layouts = [stage.cut.layout for stage in used]
        body = _mlp(width, head, classes) if head.kind is HeadKind.MLP else nn.Linear(width, classes)
        return PooledHead(layouts, body)


def _mlp(width: int, head: Head, classes: int) -> nn.Module:
    hidden = head.width or 0
    layers: list[nn.Module] = []
    for depth in range(head.depth):
        layers += [nn.Linear(width if depth == 0 else hidden, hidden), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(hidden, classes))


def _conv(head: Head, stage: Stage, classes: int) -> nn.Module:
    side = _side(stage)
    if side == 0:
        raise RecipeError(f"head {head} needs a feature map, but {stage.name!r} gives {stage.cut.shape}; use linear or mlp(256).")
    channels, layers = stage.cut.channels, []
    for _ in range(head.depth):
        stride = 2 if side > SMALL_MAP else 1
        convolution = nn.Conv2d(channels, head.width or 0, 3, stride=stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(head.width or 0), nn.ReLU(inplace=True)]
        channels, side = head.width or 0, -(-side // stride)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(channels, classes)]
    return ConvHead(stage.cut.layout, nn.Sequential(*layers))


def _side(stage: Stage) -> int:
    """The height of the stage's feature map, 0 where it has none."""
    shape, layout = stage.cut.shape, stage.cut.layout
    if layout is Layout.NCHW:
        return shape[1]
    if layout is Layout.NHWC:
        return shape[0]
    return 0 if layout is Layout.FLAT else math.isqrt(shape[0])


def set_linear(module: nn.Module, fitted: LinearHead) -> None:
    """Put a fitted head into a `linear` or `all-layer` module, in place."""
    assert isinstance(module, PooledHead) and isinstance(module.body, nn.Linear)
    with torch.no_grad():
        module.body.weight.copy_(torch.from_numpy(fitted.weight))
        module.body.bias.copy_(torch.from_numpy(fitted.bias))
