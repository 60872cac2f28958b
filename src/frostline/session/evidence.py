"""Why: probes at every cut, and what became of each stage of the model that is handed over."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from frostline.compute.build import TransferNetwork
from frostline.compute.fates import fates
from frostline.compute.probe import probe_scores
from frostline.errors import RecipeError
from frostline.session.ranking import mean_scores
from frostline.session.work import Lane, Work
from frostline.stats.intervals import mean_interval
from frostline.stats.metrics import METRICS
from frostline.terms.evidence import Evidence, Fate, Probe
from frostline.terms.recipe import Family, HeadKind, Recipe, Weights
from frostline.terms.verdict import Interval

PROBE_SHARE = 0.25  # of the time that is left, or of a search that has no limit: probes between the stages are a luxury
LEAST_LEFT_S = 5.0


def gather_evidence(work: Work, network: TransferNetwork | None, lane: Lane | None, recipe: Recipe | None, seed: int) -> Evidence:
    """Probes of every backbone, the best pixels, and the fates of the model's stages."""
    probes = [probe for one in work.lanes for probe in _probes(work, one)]
    found: tuple[Fate, ...] = ()
    if network is not None and lane is not None and recipe is not None:
        found = fates(network, lane.backbone, recipe, seed)
    return Evidence(work.settings.metric, tuple(probes), _pixels(work), found, curve=work.curve)


def _pixels(work: Work) -> Interval | None:
    lines = {str(line.recipe) for line in work.pixel_lines}
    scores = [list(of.values()) for (_, recipe), of in mean_scores(work).items() if recipe in lines]
    return _interval(work, max(scores, key=np.mean)) if scores else None


def _probes(work: Work, lane: Lane) -> list[Probe]:
    """At each stage from the trials that were run anyway; elsewhere as many as the time allows, where a stage ends first."""
    known = _stage_probes(work, lane)
    stages = {stage.cut.name: stage.name for stage in lane.backbone.stages}
    total = lane.backbone.description.cuts[-1].flops or 1
    depths = {cut.name: cut.flops / total for cut in lane.backbone.description.cuts}
    extra = _further(work, lane, known)
    return [
        Probe(lane.name, weights.value, cut, stages.get(cut), depths[cut], _interval(work, scores))
        for (weights, cut), scores in sorted((known | extra).items(), key=lambda item: (item[0][0], depths[item[0][1]]))
    ]


def _interval(work: Work, scores: Sequence[float]) -> Interval:
    metric = METRICS[work.settings.metric]
    return mean_interval(scores, _folds(work), metric.floor, metric.ceiling)


def _folds(work: Work) -> int:
    """k, such that a fold validates on one in k images; also of hold-outs, which are one fold each."""
    split = work.common
    return max(2, round((len(split.train) + len(split.validation)) / max(1, len(split.validation))))


def _stage_probes(work: Work, lane: Lane) -> dict[tuple[Weights, str], list[float]]:
    scores = mean_scores(work)
    found: dict[tuple[Weights, str], list[float]] = {}
    for line in lane.lines:
        head, probed = line.recipe.head, (Family.SOFTMAX_ONLY, Family.TRUNCATED, Family.RANDOM_FEATURES)
        linear = line.family in probed and not line.deep and head is not None and head.kind is HeadKind.LINEAR
        own = scores.get((line.backbone, str(line.recipe)))
        if not linear or own is None or line.recipe.weights is Weights.MATCHED:
            continue
        try:
            last = line.recipe.kept(lane.backbone.stage_names)[-1]
        except RecipeError:  # a recipe on finer cuts than the stages: not a stage's probe
            continue
        cut = next(stage.cut.name for stage in lane.backbone.stages if stage.name == last)
        found[line.recipe.weights, cut] = list(own.values())
    return found


def _further(work: Work, lane: Lane, known: Collection[tuple[Weights, str]]) -> dict[tuple[Weights, str], list[float]]:
    left = work.clock.left(LEAST_LEFT_S)
    until = work.clock.elapsed() + PROBE_SHARE * (work.clock.elapsed() if left is None else max(0.0, left))
    found: dict[tuple[Weights, str], list[float]] = {}
    for cut in [*(stage.cut.name for stage in lane.backbone.stages), *lane.between]:
        for weights in (Weights.PRETRAINED, Weights.RANDOM):
            if (weights, cut) not in known and weights in lane.bench.passes and work.clock.elapsed() < until:
                found[weights, cut] = probe_scores(lane.bench, weights, cut, work.splits, work.settings.metric, work.truth.labels)
    return found
