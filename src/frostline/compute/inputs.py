"""What a recipe's network is fed with: images, or what a pass of its frozen prefix stored."""

from __future__ import annotations

from frostline.backbones import LoadedBackbone
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork
from frostline.compute.frozen import shown_views
from frostline.compute.sources import ActivationSource, Source, positions
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe


def source_for(bench: Bench, recipe: Recipe, network: TransferNetwork, backbone: LoadedBackbone) -> Source:
    """The stored output of the frozen prefix where there is one, else pixels; for training."""
    first = network.frozen_prefix
    found = _stored(bench, recipe, backbone, first, shown_views(recipe), bench.kernels.train)
    if found is not None:
        return found
    shown = shown_views(recipe) if first else int(recipe.option("views") or len(bench.views))
    return bench.pixels(bench.views[:shown], training=True)


def source_before(bench: Bench, recipe: Recipe, network: TransferNetwork, backbone: LoadedBackbone, stage: int) -> Source:
    """The deepest stored output of frozen stages that all come before this one, by its number, else pixels; for prediction."""
    for first in range(min(stage, network.frozen_prefix), 0, -1):
        found = _stored(bench, recipe, backbone, first, 1, bench.kernels.forward)
        if found is not None:
            return found
    return bench.pixels()


def _stored(
    bench: Bench, recipe: Recipe, backbone: LoadedBackbone, first: int, views: int, mode: Mode
) -> ActivationSource | None:
    """The output of the `first` stages in that many views, if a pass kept it."""
    if not first or recipe.weights not in bench.passes:
        return None
    taps = bench.taps(recipe.weights)
    stored = taps.views_of(backbone.stages[first - 1].cut.name)[:views]
    place_of = positions(taps.rows, len(bench.labels))
    return ActivationSource(stored, place_of, first, mode, bench.kernels.device) if stored else None
