"""Stage 1: successive halving over (recipe, setting) in each deep family, smaller, inside the training part of one fold."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from frostline.compute.bench import Bench
from frostline.compute.trials import subset
from frostline.planning.allot import Load, Screening, screening, screening_size
from frostline.planning.cost import CostModel
from frostline.session.clock import TimeUp
from frostline.session.frozen import boundaries, run_pass
from frostline.session.prepare import kernels_for, resized
from frostline.session.work import Lane, Work
from frostline.strategy.families import Line
from frostline.strategy.halving import ETA, RANDOM, TRANSFER, Setting, beyond_edge, promote
from frostline.terms.data import Split
from frostline.terms.recipe import Action, Family, Weights
from frostline.terms.trial import Budget, Trial

MOST_SHARE = 0.5  # of the time left: what was planned to take less ends here

Entry = tuple[Line, Setting]


@dataclass(frozen=True)
class Screened:
    """What a line reached on the highest rung it came to.

    Attributes:
        rung: 0 or 1; scores of different rungs are not comparable.
    """

    line: Line
    score: float
    setting: Setting
    rung: int


def screen(work: Work) -> list[Screened]:
    """Every deep line's best score and setting; the promoted first, best first."""
    deep = [(lane, line) for lane in work.lanes for line in lane.lines if line.deep]
    if not deep:
        return []
    allotted = _allot(work)
    for lane in work.lanes:
        _screening_bench(work, lane, allotted)
    left = work.clock.left()
    until = math.inf if left is None else work.clock.elapsed() + MOST_SHARE * left
    rung0 = _rung(work, _first_entries(work, deep), allotted, 0, until, "screening")
    rung0 |= _rung(work, _beyond(rung0), allotted, 0, until, "screening, rates beyond the edge")
    rung1 = _rung(work, _promoted(rung0), allotted, 1, until, "screening, longer") if allotted.second_rung else {}
    return _summary(rung0, rung1)


def settings_of(line: Line) -> tuple[Setting, ...]:
    """At least three, unless the recipe names its own rate; what it says itself is not varied."""
    given, actions = line.recipe.option("lr"), {item.action for item in line.recipe.ranges}
    transferred = line.recipe.weights is Weights.PRETRAINED and Action.TUNE in actions and Action.REINIT not in actions
    norm = line.recipe.option("norm")
    if given is not None:
        return (Setting(float(given), norm or ("frozen" if transferred else "batch")),)
    usual = TRANSFER if transferred else RANDOM
    return tuple(replace(setting, norm=norm or setting.norm) for setting in usual)


def deep_trial(work: Work, line: Line, split: Split, setting: Setting, budget: Budget) -> Trial:
    """The trial of a deep line with one setting."""
    name = " ".join(f"{key}={value}" for key, value in (setting.options | {"epochs": str(budget.epochs)}).items())
    return work.trial(line, split, (name,), budget, setting.options)


def _allot(work: Work) -> Screening:
    """Decided once a run and written down, so that a continued run asks for the same trials."""
    sizes = work.folder.section("sizes") or {}
    if "screening" not in sizes:
        loads = [
            Load(_screening_costs(work, lane), tuple(line.recipe for line in lane.lines if line.deep)) for lane in work.lanes
        ]
        allotted = screening(loads, 3, len(work.inner.train), len(work.inner.validation), work.clock.left())
        sizes = {
            **sizes,
            "screening": {"images": allotted.images, "epochs": allotted.epochs, "second_rung": allotted.second_rung},
        }
        work.folder.write_section("sizes", sizes)
    return Screening(**sizes["screening"])


def _screening_costs(work: Work, lane: Lane) -> CostModel:
    lane.screen = _bench_at_screening_size(work, lane)
    return CostModel(lane.screen.backbone.description, lane.screen.kernels)


def _bench_at_screening_size(work: Work, lane: Lane) -> Bench:
    spec = lane.backbone.spec
    size = spec.height if spec.fixed_size else screening_size(spec.height)
    if size == spec.height:
        return resized(lane.bench, size, lane.bench.kernels)
    kernels = kernels_for(work.folder, lane.backbone.at(size), work.classes, work.settings)
    return resized(lane.bench, size, kernels)


def _screening_bench(work: Work, lane: Lane, allotted: Screening) -> None:
    """One pass over the screening images at the screening size, for every line that resumes from a frozen prefix."""
    bench = lane.screen or _bench_at_screening_size(work, lane)
    train = subset(np.asarray(work.inner.train, np.int64), work.ledger.labels, allotted.images, work.inner.seed)
    rows = np.sort(np.concatenate([train, np.asarray(work.inner.validation, np.int64)]))
    if not any(line.deep and line.recipe.weights is Weights.PRETRAINED for line in lane.lines):
        lane.screen = bench
        return
    name = f"pretrained pass at {bench.backbone.spec.height} px, {lane.name}"
    lane.screen = run_pass(work, lane, bench, Weights.PRETRAINED, rows, boundaries(lane), name)


def _first_entries(work: Work, deep: list[tuple[Lane, Line]]) -> list[Entry]:
    """One line of each family first: if time runs out, every family was seen."""
    place: dict[tuple[str, Family], int] = defaultdict(int)
    ordered = []
    for _, line in deep:
        ordered.append((place[line.backbone, line.family], line))
        place[line.backbone, line.family] += 1
    return [(line, one) for _, line in sorted(ordered, key=lambda pair: pair[0]) for one in settings_of(line)]


def _promoted(rung0: dict[Entry, float]) -> list[Entry]:
    """The best third of each family."""
    return [entry for scores in _families(rung0).values() for entry in promote(scores, ETA)]


def _beyond(rung0: dict[Entry, float]) -> list[Entry]:
    """For the best line of each family the rate beyond the edge, where its best one is at an edge."""
    found = []
    for scores in _families(rung0).values():
        line, best = promote(scores, ETA)[0]
        further = beyond_edge([setting for other, setting in scores if other == line], best)
        if further is not None:
            found.append((line, further))
    return found


def _families(scores: dict[Entry, float]) -> dict[tuple[str, Family], dict[Entry, float]]:
    found: dict[tuple[str, Family], dict[Entry, float]] = defaultdict(dict)
    for entry, score in scores.items():
        found[entry[0].backbone, entry[0].family][entry] = score
    return found


def _rung(work: Work, entries: list[Entry], allotted: Screening, rung: int, until: float, name: str) -> dict[Entry, float]:
    epochs = allotted.epochs * (ETA if rung else 1)
    scores: dict[Entry, float] = {}
    if not entries:
        return scores
    with work.phase(name, len(entries), "trials") as phase:
        for count, (line, setting) in enumerate(entries):
            if work.clock.elapsed() > until:
                phase.note = f"{len(entries) - count} of {len(entries)} screening trials did not fit into the time"
                work.not_run.append(phase.note + ".")
                break
            budget = Budget(f"screen-{rung}", _size(work, line), allotted.images, epochs)
            score = _screen_one(work, line, setting, budget, until)
            if score is not None:
                scores[line, setting] = score
            phase.done(count + 1)
    return scores


def _size(work: Work, line: Line) -> int:
    bench = work.lane(line.backbone).screen
    assert bench is not None
    return bench.backbone.spec.height


def _screen_one(work: Work, line: Line, setting: Setting, budget: Budget, until: float) -> float | None:
    bench = work.lane(line.backbone).screen
    assert bench is not None
    trial = deep_trial(work, line, work.inner, setting, budget)
    try:
        return work.ledger.best(work.ledger.run(trial, work.inner, bench, work.clock.watch(_reserve(work, until))))[0]
    except TimeUp:
        return None


def _reserve(work: Work, until: float) -> float:
    """A trial that is under way at `until` may still take a tenth of what is kept for the finalists."""
    limit = work.clock.limit_s
    return 0.0 if limit is None or math.isinf(until) else 0.9 * (limit - until)


def _summary(rung0: dict[Entry, float], rung1: dict[Entry, float]) -> list[Screened]:
    found: dict[Line, Screened] = {}
    for rung, scores in ((1, rung1), (0, rung0)):
        for (line, setting), score in sorted(scores.items(), key=lambda item: -item[1]):
            found.setdefault(line, Screened(line, score, setting, rung))
    return sorted(found.values(), key=lambda one: (-one.rung, -one.score))
