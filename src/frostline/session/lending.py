"""A cache that is too small for everything at once: what the screening needs takes the place of what the finals will need."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from frostline.compute.bench import Bench
from frostline.compute.passes import Pass
from frostline.planning.cost import CostModel
from frostline.planning.forecast import CLOSING_S
from frostline.session.frozen import boundaries, run_pass
from frostline.session.work import Lane, Work, with_pass
from frostline.session.worths import worth_of_finals
from frostline.terms.recipe import Weights
from frostline.terms.result import FloatArray

Maps = Mapping[str, FloatArray]  # cut -> (n, *shape)


@contextmanager
def lent_to_screening(work: Work, images: int) -> Iterator[None]:
    """Feature maps at full size may be evicted meanwhile, where the cache has no room for those of the screening besides.

    Afterwards nothing holds the screening's any more, and what was evicted is made again: at most one more pass. Only in one
    process: others keep what they were sent.
    """
    lanes = [lane for lane in work.lanes if _lends(work, lane, images)]
    for lane in lanes:
        work.activations.lent.update(_cost_of_making_again(work, lane))
        lane.bench = _without_maps(lane.bench)
    try:
        yield
    finally:
        work.activations.lent.clear()
        for lane in lanes:
            lane.screen = None
        gc.collect()  # a mapping that is part of a cycle would keep its place on the disk
    for lane in lanes:
        _take_back(work, lane)


def _lends(work: Work, lane: Lane, images: int) -> bool:
    taps = lane.bench.passes.get(Weights.PRETRAINED)
    if taps is None or not taps.maps or lane.screen is None or work.backend.workers > 1:
        return False
    return not work.activations.would_fit(images * lane.views * _image_bytes(lane, lane.screen))


def _cost_of_making_again(work: Work, lane: Lane) -> dict[str, float]:
    """Entry -> seconds a byte that are lost with it: one more pass for all of them, however much they would save."""
    taps = lane.bench.passes[Weights.PRETRAINED]
    arrays = [array for view in (taps, *taps.further) for array in view.maps.values()]
    costs = CostModel(lane.bench.backbone.description, lane.bench.kernels)
    lost = costs.pass_s(len(work.pool)) * lane.views / max(1, sum(array.nbytes for array in arrays))
    return {Path(str(array.filename)).stem: lost for array in arrays if isinstance(array, np.memmap)}


def _image_bytes(lane: Lane, bench: Bench) -> int:
    """Of what the screening's pass stores of an image."""
    cuts, value = bench.backbone.description.cuts, bench.kernels.forward.stored_bytes
    kept, tapped = boundaries(lane), lane.tapped
    maps = sum(value * cut.values for cut in cuts if cut.name in kept)
    return maps + sum(4 * cut.channels for cut in cuts if cut.name in tapped)


def _without_maps(bench: Bench) -> Bench:
    return _with_maps(bench, [{} for _ in bench.views])


def _with_maps(bench: Bench, maps: Sequence[Maps]) -> Bench:
    """Args: maps: of each view."""
    taps = bench.passes[Weights.PRETRAINED]
    further = tuple(replace(view, maps=own) for view, own in zip(taps.further, maps[1:], strict=False))
    return with_pass(bench, Weights.PRETRAINED, replace(taps, maps=maps[0], further=further))


def _take_back(work: Work, lane: Lane) -> None:
    """The maps of the pass at full size again; where there is no time for another pass, those that are still there."""
    wanted = boundaries(lane)
    there = _still_there(work, lane, wanted)
    lane.bench = _with_maps(lane.bench, there)
    costs = CostModel(lane.bench.backbone.description, lane.bench.kernels)
    if len(there[0]) < len(wanted) and work.clock.allows(costs.pass_s(len(work.pool)) * lane.views, CLOSING_S):
        name, worth = f"feature maps again, {lane.name}", worth_of_finals(work, lane)
        lane.bench = run_pass(work, lane, lane.bench, Weights.PRETRAINED, work.pool, wanted, name, worth)


def _still_there(work: Work, lane: Lane, cuts: Sequence[str]) -> list[Maps]:
    """Of each view the stored maps at those of `cuts` that are there in every one."""
    bench, found = lane.bench, []
    for view in bench.views[: lane.views]:
        source, mode = bench.pixels((view,)), bench.kernels.forward
        run = Pass(bench.backbone, Weights.PRETRAINED, work.settings.seed, source, work.pool, work.dataset.fingerprint, mode, ())
        arrays = ((cut, work.activations.get(run.key(cut, pooled=False))) for cut in cuts)
        found.append({cut: array for cut, array in arrays if array is not None})
    return [{cut: maps[cut] for cut in cuts if all(cut in one for one in found)} for maps in found]
