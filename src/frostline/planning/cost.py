"""What a trial will cost, from measured throughput and the backbone's FLOPs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from frostline.terms.backbone import Backbone, Cut, Stage
from frostline.terms.kernels import Kernels
from frostline.terms.recipe import Action, HeadKind, Recipe

CONV_STRIDE_ABOVE = 14  # as the conv head does: larger maps are halved by each convolution
# Heads, measured against the rate of small networks' products (docs/decisions/logistic-path.md):
EIGEN = 3.0  # operations a number of a decomposition that five folds share
SKINNY = 14.0  # products with one column only are that much slower
PATH_STEPS = 200  # of a solver, over all strengths
PATH_S = 0.02  # around them
MLP_IMAGES = 25_600  # that each rate of a small network is shown
MLP_INPUTS = 512  # further components are not seen
MLP_SHARE = 0.5  # of their rate: the optimizer and the rest of a step
OVERHEAD = 1.15  # evaluation of batches, loading, optimizer: measured steps are bare
DEVICE_SHARE = 0.7  # that each further GPU adds to the speed of one: assumed until trials have been observed


def on_devices(kernels: Kernels, devices: int) -> Kernels:
    """What training takes on several GPUs at a time. Processes on a CPU share out the threads that one of them has: as before."""
    faster = 1 + DEVICE_SHARE * (devices - 1) if kernels.device == "cuda" else 1.0
    return kernels if faster == 1.0 else replace(kernels, train_s=kernels.train_s / faster)


@dataclass(frozen=True)
class CostModel:
    """Seconds for work on one backbone at one size.

    Attributes:
        observed: recipe line -> training seconds an image, where a trial of it was measured at this size.
    """

    backbone: Backbone
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

    def head_s(self, recipe: Recipe, images: int, classes: int) -> float:
        """To fit the head of a frozen-trunk recipe on one fold, all its strengths or rates: a decomposition and its steps."""
        kept = self._kept(recipe)
        every = recipe.head is not None and recipe.head.kind is HeadKind.ALL_LAYER
        channels = sum(stage.cut.channels for stage in (kept if every else kept[-1:]))
        rate = self.kernels.product_flops
        if recipe.head is not None and recipe.head.kind is HeadKind.MLP:
            return MLP_IMAGES * 3.0 * 6 * min(channels, MLP_INPUTS) * (recipe.head.width or 0) / (MLP_SHARE * rate)
        decomposition = EIGEN * channels * min(channels, images) ** 2
        columns = 1 if classes == 2 else classes
        turning = 2.0 * images * channels * min(channels, images)
        return PATH_S + (decomposition + turning + PATH_STEPS * 4.0 * min(channels, images) * images * columns * SKINNY) / rate

    def prefix_cut(self, recipe: Recipe) -> Cut | None:
        """The cut at which `recipe` could resume from stored feature maps; None where its first stage is trained."""
        stages = self.backbone.stages_with(recipe.named)
        count = recipe.frozen_prefix([stage.name for stage in stages])
        every = recipe.head is not None and recipe.head.kind is HeadKind.ALL_LAYER
        return None if every or count == 0 else stages[count - 1].cut

    def _kept(self, recipe: Recipe) -> list[Stage]:
        stages = self.backbone.stages_with(recipe.named)
        actions = recipe.actions([stage.name for stage in stages])
        return [stage for stage, action in zip(stages, actions, strict=True) if action is not Action.DROP]

    def _share(self, recipe: Recipe, cached: bool) -> float:
        """Of a whole network's training step."""
        kept = self._kept(recipe)
        prefix = recipe.frozen_prefix([stage.name for stage in self.backbone.stages_with(recipe.named)])
        below = sum(stage.flops for stage in kept[:prefix])
        work = sum(stage.flops for stage in kept) - below + (0 if cached else below / 3)
        return min(1.5, (work + self._head_flops(recipe, kept[-1])) / (self.backbone.flops or 1))

    def _head_flops(self, recipe: Recipe, last: Stage) -> float:
        if recipe.head is None or recipe.head.kind is not HeadKind.CONV or len(last.cut.shape) != 3:
            return 0.0
        channels, side, flops = last.cut.channels, round((last.cut.values / last.cut.channels) ** 0.5), 0.0
        for _ in range(recipe.head.depth):
            side = -(-side // 2) if side > CONV_STRIDE_ABOVE else side
            flops += 9.0 * channels * (recipe.head.width or 0) * side * side
            channels = recipe.head.width or 0
        return flops
