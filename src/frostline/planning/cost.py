"""What a trial will cost, from measured throughput and the backbone's FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frostline.terms.backbone import Stage
from frostline.terms.kernels import Kernels
from frostline.terms.recipe import Action, HeadKind, Recipe

CONV_STRIDE_ABOVE = 14  # as the conv head does: larger maps are halved by each convolution
OVERHEAD = 1.15  # evaluation of batches, loading, optimizer: measured steps are bare


@dataclass(frozen=True)
class CostModel:
    """Seconds for work on one backbone at one size.

    Attributes:
        observed: recipe line -> training seconds an image, where a trial of it was measured at this size.
    """

    stages: tuple[Stage, ...]
    kernels: Kernels
    observed: Mapping[str, float] = field(default_factory=dict)

    def image_s(self, recipe: Recipe, cached: bool = True) -> float:
        """Seconds to train on one image once: forward and backward above the frozen prefix, whose output is stored."""
        if str(recipe) in self.observed:
            return self.observed[str(recipe)]
        return OVERHEAD * self.kernels.train_s * self._share(recipe, cached)

    def training_s(self, recipe: Recipe, images: int, epochs: int, cached: bool = True) -> float:
        return self.image_s(recipe, cached) * images * epochs

    def evaluation_s(self, recipe: Recipe, images: int, cached: bool = True) -> float:
        """Forward passes alone; without the stored prefix the whole trunk runs."""
        share = self._share(recipe, cached) if cached else 1.0
        return OVERHEAD * self.kernels.forward_s * share * images

    def pass_s(self, images: int) -> float:
        """One tapped pass of the trunk."""
        return OVERHEAD * self.kernels.forward_s * images

    def _share(self, recipe: Recipe, cached: bool) -> float:
        """Of a whole network's training step."""
        names = [stage.name for stage in self.stages]
        total = sum(stage.flops for stage in self.stages) or 1
        actions = recipe.actions(names)
        prefix = recipe.frozen_prefix(names)
        kept = sum(stage.flops for stage, action in zip(self.stages, actions, strict=True) if action is not Action.DROP)
        below = sum(stage.flops for stage in self.stages[:prefix])
        work = kept - below + (0 if cached else below / 3)
        return min(1.5, (work + self._head_flops(recipe, actions)) / total)

    def _head_flops(self, recipe: Recipe, actions: Sequence[Action]) -> float:
        last = [stage for stage, action in zip(self.stages, actions, strict=True) if action is not Action.DROP][-1]
        if recipe.head is None or recipe.head.kind is not HeadKind.CONV or len(last.cut.shape) != 3:
            return 0.0
        channels, side, flops = last.cut.channels, round((last.cut.values / last.cut.channels) ** 0.5), 0.0
        for _ in range(recipe.head.depth):
            side = -(-side // 2) if side > CONV_STRIDE_ABOVE else side
            flops += 9.0 * channels * (recipe.head.width or 0) * side * side
            channels = recipe.head.width or 0
        return flops
