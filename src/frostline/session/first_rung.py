"""Before all: passes and heads on part of the images, an interim verdict, and what need not be run on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from frostline import data
from frostline.compute.passes import Pass
from frostline.planning.first_rung import first_share
from frostline.session.frozen import boundaries, first_trial, fit_heads, run_pass, tell_sharing
from frostline.session.work import Lane, Work, with_pass
from frostline.session.worths import worth_of_finals
from frostline.stats.first_rung import clearly_behind
from frostline.strategy.families import Line
from frostline.terms.activations import ActivationKey
from frostline.terms.data import Split
from frostline.terms.quantities import plural
from frostline.terms.recipe import Weights
from frostline.terms.result import IntArray
from frostline.terms.trial import FIRST


@dataclass(frozen=True)
class Decided:
    """Written down at the first start: a continued run drops the same lines.

    Attributes:
        images: of the rung. dropped: (backbone, recipe) of lines that are not run on all images.
    """

    images: int
    dropped: tuple[tuple[str, str], ...]


def run_first(work: Work) -> bool:
    """Whether there was such a rung; its trials are in the ledger then, and `work.dropped` says who was clearly behind."""
    lines = [line for line in work.lines() if not line.deep]
    share = first_share(work.settings.first_rung, len(work.pool))
    decided = work.folder.sizes("first_rung", Decided)
    if not share or not lines or (decided and not decided.images):
        return False
    chosen = data.first_part(work.dataset, work.plan, share)
    if not chosen:
        note = "No part of the images was tried before all: too few of some class to judge by would have been in it."
        work.notes.append(note)
        work.warn(note)
        work.folder.write_sizes("first_rung", Decided(0, ()))
        return False
    rows = np.asarray(chosen, np.int64)
    splits = [data.within(split, chosen) for split in work.plan.splits]
    work.first_images = len(rows)
    if decided is None or not _all_known(work, lines, splits):
        _run(work, lines, rows, splits)
    else:
        _take_up(work, rows, splits)
    decided = decided or _decide(work, rows)
    _drop(work, decided)
    return True


def _all_known(work: Work, lines: list[Line], splits: list[Split]) -> bool:
    """An earlier start has carried them all out: they are told again, and nothing is run."""
    trials = [first_trial(work, line, split) for line in lines for split in splits]
    if not all(work.ledger.knows(trial) for trial in trials):
        return False
    for trial in trials:
        work.ledger.recall(trial)
    return True


def _run(work: Work, lines: list[Line], rows: IntArray, splits: list[Split]) -> None:
    work.say(
        f"{plural(len(rows), 'image')} ({_share(work)} of them) come first: all heads on them, an interim verdict, and then all"
        " images; what is run of the trunk on these is not run again."
    )
    for lane in work.lanes:
        lane.first = replace(lane.bench, pictured=rows)
        for weights in _weights(lane):
            _pass(work, lane, weights, rows, splits)
    fit_heads(work, lines, f"first {plural(len(rows), 'image')}", splits, first=True)


def _take_up(work: Work, rows: IntArray, splits: list[Split]) -> None:
    """What an earlier start left of passes that are not part of passes over all images yet."""
    for lane in work.lanes:
        lane.first = replace(lane.bench, pictured=rows)
        for weights in _weights(lane):
            if _key(work, lane, weights, rows) in work.activations:
                _pass(work, lane, weights, rows, splits)


def _key(work: Work, lane: Lane, weights: Weights, rows: IntArray) -> ActivationKey:
    """Of the pooled values of a pass."""
    cuts = tuple(cut for cut in lane.backbone.cuts if cut.name in lane.tapped)
    source, mode = lane.bench.pixels(lane.bench.views[:1]), lane.bench.kernels.forward
    return Pass(lane.backbone, weights, work.settings.seed, source, rows, work.dataset.fingerprint, mode, cuts).all_pooled


def _weights(lane: Lane) -> list[Weights]:
    """Of the passes that the heads of a backbone need."""
    return sorted({line.recipe.weights for line in lane.lines if not line.deep})


def _pass(work: Work, lane: Lane, weights: Weights, rows: IntArray, splits: list[Split]) -> None:
    assert lane.first is not None
    keep, worth = [], None
    if weights is Weights.PRETRAINED:
        worth = worth_of_finals(work, lane)
        keep = list(_room_twice(work, lane, len(rows), sorted(boundaries(lane), key=lambda cut: -worth.get(cut, 0.0))))
    name = f"{weights.value} pass over the first {plural(len(rows), 'image')}, {lane.name}"
    taps = run_pass(work, lane, lane.first, weights, rows, keep, name, worth).passes[weights]
    lane.first = with_pass(lane.first, weights, taps)
    served = [line for line in lane.lines if not line.deep and line.recipe.weights is weights]
    tell_sharing(work, lane.first, weights, served, len(splits))


def _room_twice(work: Work, lane: Lane, first: int, cuts: list[str]) -> Iterator[str]:
    """Those of `cuts` whose maps find room for these images and for all of them: others are not kept of these either."""
    values = {cut.name: cut.values for cut in lane.backbone.cuts}
    needed = 0
    for cut in cuts:
        own = lane.bench.kernels.forward.stored_bytes * values[cut] * (first + len(work.pool)) * lane.views
        if work.activations.would_fit(needed + own):
            needed += own
            yield cut


def _decide(work: Work, rows: IntArray) -> Decided:
    settings = work.settings
    with work.phase("what is clearly behind"):
        behind = clearly_behind(
            work.ledger.results, work.truth, work.candidates(), settings.metric, settings.delta, settings.seed, FIRST
        )
    decided = Decided(len(rows), behind)
    work.folder.write_sizes("first_rung", decided)
    return decided


def _drop(work: Work, decided: Decided) -> None:
    names = set(decided.dropped)
    work.dropped = frozenset(line for line in work.lines() if (line.backbone, str(line.recipe)) in names)
    if work.dropped:
        lines = "; ".join(f"'{line.recipe}'" for line in work.lines() if line in work.dropped)
        work.not_run.append(
            f"Screened on {_share(work)} of the images, where another recipe of their family was clearly better, and not run on"
            f" all of them: {lines}."
        )


def _share(work: Work) -> str:
    return f"{work.first_images / len(work.pool):.0%}"
