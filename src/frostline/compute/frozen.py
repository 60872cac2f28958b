"""Heads on a frozen trunk, from its stored features: recipes of their own, and what tuned recipes start from."""

from __future__ import annotations

from collections.abc import Sequence

from frostline.backbones import LoadedBackbone
from frostline.compute import heads
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork, fitting
from frostline.compute.features import Sample, rows_key
from frostline.compute.logistic import STRENGTHS, LinearHead, logistic_path
from frostline.compute.new_layers import set_linear
from frostline.compute.stacked import BATCH, StackedHeads, fit_stacked
from frostline.terms.recipe import HeadKind, Recipe, Weights
from frostline.terms.result import IntArray

MLP_RATES = (3e-4, 1e-3, 3e-3)
MLP_STEPS = 200  # of 128 images: few images are shown more often


def shown_views(recipe: Recipe) -> int:
    """How many views a frozen trunk shows its head: as the recipe says, else one."""
    return int(recipe.option("views") or 1)


def strengths(configurations: Sequence[str]) -> list[float]:
    """The values in names such as `l2=0.01` or `lr=0.001`."""
    return [float(name.split("=")[1].split(" ")[0]) for name in configurations]


def frozen_sample(bench: Bench, recipe: Recipe, rows: IntArray, views: int = 1) -> Sample:
    """The images `rows` as the head of a frozen-trunk recipe sees them."""
    cuts = _head_cuts(recipe, fitting(recipe, bench.backbone))
    return bench.taps(recipe.weights).features(tuple(cuts), len(bench.labels)).sample(rows, views)


def _head_cuts(recipe: Recipe, backbone: LoadedBackbone) -> list[str]:
    """Cuts whose pooled features the head is fed with."""
    kept = recipe.kept(backbone.stage_names)
    cuts = [stage.cut.name for stage in backbone.stages if stage.name in kept]
    assert recipe.head is not None
    return cuts if recipe.head.kind is HeadKind.ALL_LAYER else cuts[-1:]


def linear_path(bench: Bench, sample: Sample, rows: IntArray, l2: Sequence[float]) -> list[LinearHead]:
    """One head a strength, on the images `rows`."""
    labels = bench.labels[rows]
    weights = heads.sample_weights(labels, bench.classes, bench.balanced)
    return logistic_path(sample, labels, bench.classes, l2, weights)


def small_networks(
    bench: Bench, recipe: Recipe, sample: Sample, rows: IntArray, rates: Sequence[float], seed: int
) -> StackedHeads:
    """One network a rate, on the images `rows`."""
    assert recipe.head is not None and recipe.head.width is not None
    hidden = [recipe.head.width] * recipe.head.depth
    epochs = int(recipe.option("epochs") or max(5, round(MLP_STEPS / max(1, len(rows) / BATCH))))
    weights = bench.class_weights(rows)
    return fit_stacked(sample, bench.labels[rows], bench.classes, hidden, rates, epochs, seed, weights, bench.kernels.heads)


def start_head(
    bench: Bench, recipe: Recipe, network: TransferNetwork, options: dict[str, str], rows: IntArray, seed: int
) -> None:
    """Put the head fitted on frozen features into `network`, where the kept trunk is transferred or frozen as a whole.

    LP-FT (Kumar 2022). Recipes that keep the same stages start from the same head: it is fitted once for all of them.
    """
    if not _has_start(bench, recipe):
        return
    fitted = _start(bench, recipe, options, rows, seed)
    if isinstance(fitted, StackedHeads):
        fitted.copy_into(network.head, 0)
    else:
        set_linear(network.head, fitted)


def _has_start(bench: Bench, recipe: Recipe) -> bool:
    names = fitting(recipe, bench.backbone).stage_names
    untouched = recipe.weights is Weights.PRETRAINED or recipe.trunk_frozen(names)
    random = any(action.value == "reinit" for action in recipe.actions(names))
    conv = recipe.head is None or recipe.head.kind is HeadKind.CONV
    return untouched and not random and not conv and recipe.weights in bench.passes


def _start(bench: Bench, recipe: Recipe, options: dict[str, str], rows: IntArray, seed: int) -> LinearHead | StackedHeads:
    backbone = fitting(recipe, bench.backbone)
    small = recipe.head is not None and recipe.head.kind is HeadKind.MLP
    rate = float(options.get("lr", MLP_RATES[1])) if recipe.trunk_frozen(backbone.stage_names) else MLP_RATES[1]
    setting = f"lr={rate}" if small else f"l2={options.get('l2', '')}"
    cuts = tuple(_head_cuts(recipe, backbone))
    chosen = rows_key(rows)
    shown = shown_views(recipe)
    key = (backbone.spec.height, recipe.weights, cuts, recipe.head, recipe.option("epochs"), setting, shown, chosen, seed)
    if key not in bench.starts:
        sample = frozen_sample(bench, recipe, rows, shown)
        if small:
            bench.starts[key] = small_networks(bench, recipe, sample, rows, [rate], seed)
        else:
            bench.starts[key] = _linear(bench, sample, rows, options.get("l2"), seed)
    return bench.starts[key]


def _linear(bench: Bench, sample: Sample, rows: IntArray, strength: str | None, seed: int) -> LinearHead:
    if strength is not None:
        l2 = float(strength)
        return linear_path(bench, sample, rows, [*(s for s in STRENGTHS if s > l2), l2])[-1]
    labels = bench.labels[rows]
    weights = heads.sample_weights(labels, bench.classes, bench.balanced)
    return heads.best_linear_head(sample, labels, bench.classes, bench.units_at(rows), seed, weights)
