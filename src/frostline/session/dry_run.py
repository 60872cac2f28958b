"""What a search would do, from the data and the backbones alone: nothing is decoded for good, trained or written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from frostline import backbones, data
from frostline.compute.kernels import probe_kernels
from frostline.compute.machine import choose_device, settings_restored
from frostline.planning.forecast import Panel, Scale, fit
from frostline.planning.planner import tasks
from frostline.session.outlook import equality_units, panel_of, reaches, scale_of
from frostline.session.prepare import MOST_CACHE_BYTES, at_size, check, lines_of, metric_of, read, size_of, told_apart
from frostline.session.request import Request
from frostline.session.work import truth_of
from frostline.stats.rule import LARGEST_DELTA
from frostline.strategy.families import pixel_lines
from frostline.terms.backbone import InputSpec
from frostline.terms.data import Dataset
from frostline.terms.plan import Fit, Plan

TRIED = 8  # images that are decoded to see how long one takes


def plan(request: Request) -> Plan:
    """The plan of `frostline search` with the same request and no time limit, and what fits into one that was given.

    Raises:
        InputError: as the search itself would.
    """
    check(request)
    dataset = read(request)
    loaded = told_apart([backbones.load(name) for name in request.backbones])
    size = size_of(request, dataset, loaded)
    sized = [at_size(backbone, size, request) for backbone in loaded]
    splits = data.plan_splits(dataset, request.seed, request.pool_val)
    classes, metric = len(dataset.classes), metric_of(request, dataset)
    scale = scale_of(splits, classes)
    lines = [lines_of(request, backbone) for backbone in sized]
    device = choose_device(request.device)
    with settings_restored():
        kernels = [probe_kernels(backbone, classes, device, images=scale.pool) for backbone in sized]
    panels = [panel_of(*one) for one in zip([b.description for b in sized], kernels, lines, strict=True)]
    truth = truth_of(dataset).numbered()
    delta = request.delta or LARGEST_DELTA
    needed, unit = equality_units(splits, truth, metric, delta)
    cache = request.cache_bytes if request.cache_bytes is not None else _cache(request.out)
    every = [*([] if request.recipes else pixel_lines()), *(line for own in lines for line in own)]
    decode_s = _decode_s(dataset, sized[0].spec)
    return Plan(
        tasks=tasks(panels, scale, decode_s, cache, curve=request.learning_curve),
        lines=tuple((line.backbone, str(line.recipe), line.family.value) for line in every),
        size=size,
        pool=scale.pool,
        sealed=scale.sealed,
        folds=scale.folds,
        repeats=scale.repeats,
        metric=metric,
        delta=delta,
        reach=reaches(splits, truth, metric),
        unit=unit,
        equality_units=needed,
        notes=(*dataset.notes, *splits.notes),
        fit=_fit(request, panels, scale, decode_s * len(dataset.samples)),
    )


def _fit(request: Request, panels: Sequence[Panel], scale: Scale, decode_s: float) -> Fit | None:
    if request.time_s is None:
        return None
    return fit(panels, scale, decode_s, request.time_s, curve=request.learning_curve)


def _cache(out: Path) -> int:
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    return min(MOST_CACHE_BYTES, shutil.disk_usage(there).free // 2)


def _decode_s(dataset: Dataset, spec: InputSpec) -> float:
    """Seconds an image, decoded side by side on all cores."""
    geometry = data.Geometry.of(spec)
    places = np.linspace(0, len(dataset.samples) - 1, min(TRIED, len(dataset.samples))).astype(int)
    begun = time.perf_counter()
    for place in places:
        data.decode(Path(dataset.root) / dataset.samples[place].path, geometry)
    return (time.perf_counter() - begun) / len(places) / (os.cpu_count() or 1)
