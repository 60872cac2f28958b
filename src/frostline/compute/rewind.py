"""A trained model with one stage put back to other weights: did the transferred stage serve as it was, is it needed at all?"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from frostline.backbones import LoadedBackbone, StagedNetwork
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork, build, fitting
from frostline.compute.inputs import source_before
from frostline.compute.sources import Source
from frostline.compute.train import estimate_statistics, normalisations, predict
from frostline.stats.similarity import FEWEST, unbiased_cka
from frostline.terms.evidence import Likeness
from frostline.terms.recipe import Action, Recipe, Weights
from frostline.terms.result import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Rewound:
    """(n, classes) predictions of a model whose `stage` was put back to weights of the kind `to`."""

    stage: str
    to: Weights
    probabilities: FloatArray


def rewinds(
    bench: Bench, network: TransferNetwork, recipe: Recipe, train: IntArray, wanted: IntArray, seed: int
) -> Iterator[Rewound]:
    """Each stage of `network` in turn put back to random weights, and those that training changed to pre-trained ones, too.

    Statistics of normalisation in that stage and in all after it are estimated again on `train`: else a stage would be blamed
    for what its neighbours expect of it (Zhang, Bengio, Singer 2019, "Are all layers created equal?", re-initialise without).

    Args:
        network: fitted on `train`; it is left as it is. wanted: data set indices to predict, none of them in `train`.
    """
    backbone = fitting(recipe, bench.backbone)
    donors = {weights: backbone.network(weights, seed) for weights in (Weights.PRETRAINED, Weights.RANDOM)}
    places = {name: place for place, name in enumerate(network.actions)}
    tied = {stage.name: (stage.name, *stage.tied_to) for stage in backbone.stages}  # share parameters: put back together
    for stage, weights in put_backs(recipe, backbone):
        first = min(places[name] for name in tied[stage] if name in places)
        before = source_before(bench, recipe, network, backbone, first)
        twin = put_back(bench, network, donors[weights], (stage,), train, seed, before)
        probabilities = predict(twin, before, wanted, bench.kernels.forward, bench.several)
        yield Rewound(stage, weights, probabilities)


def put_backs(recipe: Recipe, backbone: LoadedBackbone) -> list[tuple[str, Weights]]:
    """The kept stages, from the input on, each with what it can be put back to."""
    names = fitting(recipe, backbone).stage_names
    found = []
    for stage, action in zip(names, recipe.actions(names), strict=True):
        if action is Action.DROP:
            continue
        if recipe.weights is not Weights.PRETRAINED or action is not Action.FREEZE:
            found.append((stage, Weights.PRETRAINED))
        found.append((stage, Weights.RANDOM))
    return found


def put_back(
    bench: Bench,
    network: TransferNetwork,
    donor: StagedNetwork,
    stages: tuple[str, ...],
    train: IntArray,
    seed: int,
    before: Source | None = None,
) -> TransferNetwork:
    """A copy of `network` with the tensors that `stages` have in `donor`, and statistics to fit.

    Args:
        before: what the network is run from, no later than at the first of `stages`; None: pixels.
    """
    twin = copy.deepcopy(network)
    for name in stages:
        twin.trunk.copy_stage_from(donor, name)
    names = list(twin.actions)
    later = names[names.index(stages[0]) :]
    layers = [layer for name in later for layer in normalisations(twin.trunk.part(name))] + normalisations(twin.head)
    estimate_statistics(twin, layers, before or bench.pixels(), train, bench.kernels.forward, seed)
    return twin


def likeness(bench: Bench, network: TransferNetwork, recipe: Recipe, rows: IntArray, seed: int) -> tuple[Likeness, ...]:
    """Unbiased CKA of the pooled features at each stage's end before training and after it, on `rows`."""
    if len(rows) < FEWEST:
        return ()
    backbone = fitting(recipe, bench.backbone)
    before = build(recipe, backbone, bench.classes, seed)
    was, now = (_pooled(bench, one, backbone, rows) for one in (before, network))
    return tuple(Likeness(name, unbiased_cka(was[name], now[name])) for name in network.actions)


def _pooled(bench: Bench, network: TransferNetwork, backbone: LoadedBackbone, rows: IntArray) -> dict[str, FloatArray]:
    """Stage -> (len(rows), channels)."""
    cuts = {stage.cut.name: stage.name for stage in backbone.stages if stage.name in network.actions}
    found: dict[str, list[FloatArray]] = {name: [] for name in cuts.values()}
    trunk = copy.deepcopy(network.trunk).to(bench.kernels.device)
    source = bench.pixels()
    for start in range(0, len(rows), 64):
        pooled, _ = trunk.tap_pooled(source.batch(rows[start : start + 64], 0), tuple(cuts))
        for cut, value in pooled.items():
            found[cuts[cut]].append(value.float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}
