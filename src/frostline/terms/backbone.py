"""What a backbone is: its input specification and its stages, without the network itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Layout(StrEnum):
    """How a feature tensor is laid out behind its batch dimension, hence over which axes it is pooled."""

    NCHW = "nchw"  # (batch, channels, height, width): mean over the last two
    NHWC = "nhwc"  # (batch, height, width, channels): mean over the middle two
    TOKENS = "tokens"  # (batch, tokens, channels): mean over tokens
    CLASS_TOKEN = "class-token"  # (batch, tokens, channels): the first token, as the network itself pools
    FLAT = "flat"  # (batch, channels): nothing to pool


LIBRARIES = ("timm", "torchvision", "demo")  # whose code makes a network by its name; anything else is a stranger's
INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


@dataclass(frozen=True)
class InputSpec:
    """What the weights expect: they were trained on images prepared exactly so.

    Attributes:
        channels, height, width: of the tensor the network receives.
        mean, std: one value a channel, for pixels in 0..1.
        interpolation: `bilinear`, `bicubic`, ... as Pillow names them.
        crop_pct: the short side is resized to height / crop_pct, then the centre is cut out.
        fixed_size: the network accepts no other height and width.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    fixed_size: bool = False

    @property
    def size(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)

    def at(self, size: int) -> InputSpec:
        """The same specification for square images of `size` pixels."""
        return dataclasses.replace(self, height=size, width=size)


@dataclass(frozen=True)
class Cut:
    """A place in the forward graph that exactly one tensor crosses.

    Attributes:
        name: the module (or node) whose output crosses; unique in its network.
        shape: of that output for one image, without the batch dimension, at the specification's size.
        layout: where its channels are.
        flops: multiply-accumulates of one image from the input up to here.
        parameters: of the network from the input up to here.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout
    flops: int
    parameters: int

    @property
    def channels(self) -> int:
        """The width of the pooled feature."""
        return self.shape[0] if self.layout in (Layout.NCHW, Layout.FLAT) else self.shape[-1]

    @property
    def values(self) -> int:
        """Numbers an image: the product of `shape`."""
        product = 1
        for extent in self.shape:
            product *= extent
        return product


@dataclass(frozen=True)
class Stage:
    """The part of a backbone between two neighbouring chosen cuts.

    Attributes:
        name: as it is written in a recipe.
        cut: the cut that ends it.
        modules: paths of the modules inside it.
        flops, parameters: of this stage alone, one image.
        tied_to: names of stages that share parameters with it; they can only be treated alike.
    """

    name: str
    cut: Cut
    modules: tuple[str, ...]
    flops: int
    parameters: int
    tied_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backbone:
    """A pre-trained network without its classifier, described.

    Attributes:
        name: as the user gave it, without weights and options: `timm/resnet18.a1_in1k`.
        digest: of the weights; the same weights under another file name have the same digest.
        spec: what the weights expect.
        stages: ordered from the input to the last feature map; never empty.
        cuts: every cut that `stages --all` shows, ordered; contains each stage's cut.
        notes: what a user should know (random weights, fixed resolution, why there are few stages).
    """

    name: str
    digest: str
    spec: InputSpec
    stages: tuple[Stage, ...]
    cuts: tuple[Cut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)

    def stages_with(self, names: Collection[str]) -> tuple[Stage, ...]:
        """The stages, ended also by the cuts in `names`; names that are neither are passed over.

        A new stage is called as its cut. Its modules and ties are not known here.
        """
        ends = {stage.cut.name: stage for stage in self.stages}
        extra = set(names) - set(self.stage_names) - set(ends)
        found: list[Stage] = []
        flops = parameters = 0
        for cut in self.cuts:
            if cut.name in ends or cut.name in extra:
                name = ends[cut.name].name if cut.name in ends else cut.name
                found.append(Stage(name, cut, (), cut.flops - flops, cut.parameters - parameters))
                flops, parameters = cut.flops, cut.parameters
        return tuple(found) if extra else self.stages

    @property
    def flops(self) -> int:
        """Of all stages, one image."""
        return sum(stage.flops for stage in self.stages)
