"""What a recipe's network is fed with: images, or what a pass of its frozen prefix stored."""

from __future__ import annotations

from frostline.backbones import LoadedBackbone
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork
from frostline.compute.frozen import shown_views
from frostline.compute.sources import ActivationSource, Source, positions
from frostline.terms.recipe import Recipe


def source_for(bench: Bench, recipe: Recipe, network: TransferNetwork, backbone: LoadedBackbone) -> Source:
    """The stored output of the frozen prefix where there is one, else pixels."""
    first = network.frozen_prefix
    if first and recipe.weights in bench.passes:
        taps = bench.taps(recipe.weights)
        stored = taps.views_of(backbone.stages[first - 1].cut.name)[: shown_views(recipe)]
        if stored:
            place_of = positions(taps.rows, len(bench.labels))
            return ActivationSource(stored, place_of, first, bench.kernels.train, bench.kernels.device)
    shown = shown_views(recipe) if first else int(recipe.option("views") or len(bench.views))
    return bench.pixels(bench.views[:shown], training=True)
