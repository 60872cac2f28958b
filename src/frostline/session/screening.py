"""Stage 1: successive halving over (recipe, setting) in each deep family, smaller, inside the training part of one fold."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from frostline.compute.bench import Bench
from frostline.compute.forks import FINISHED, Forks
from frostline.compute.trials import subset
from frostline.planning.allot import Load, Screening, screening, screening_size
from frostline.planning.cost import CostModel
from frostline.session.dispatch import Task, give_out
from frostline.session.frozen import boundaries, resumes, run_pass, tell_sharing
from frostline.session.lending import lent_to_screening
from frostline.session.prepare import kernels_for, resized
from frostline.session.work import Lane, Phase, Work
from frostline.session.worths import worth_at
from frostline.strategy.families import Line
from frostline.strategy.halving import ETA, RANDOM, TRANSFER, Setting, beyond_edge, hopeless, promote
from frostline.terms.data import Split
from frostline.terms.progress import RecipeFinished
from frostline.terms.recipe import Action, Family, Weights
from frostline.terms.result import Result
from frostline.terms.trial import Budget, Trial
from frostline.terms.verdict import STOPPED_IN_SCREENING

MOST_SHARE = 0.5  # of the time left: what was planned to take less ends here
FOREMOST = (Family.DEEPER_TUNED, Family.SCRATCH, Family.WHOLE)  # of one backbone: without these no claim about either is whole

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
    """Every deep line's best score and setting; the promoted first, best first.

    One line with one setting is not screened: there is nothing to choose, and its score is not a number.
    """
    deep = [(lane, line) for lane in work.lanes for line in lane.lines if line.deep]
    if not deep:
        return []
    if len(deep) == 1 and len(settings_of(deep[0][1])) == 1:
        line = deep[0][1]
        return [Screened(line, math.nan, settings_of(line)[0], 0)]
    allotted = _allot(work)
    for lane in work.lanes:
        lane.screen = lane.screen or _bench_at_screening_size(work, lane)
    with lent_to_screening(work, allotted.images + len(work.inner.validation)):
        return _rungs(work, deep, allotted)


def _rungs(work: Work, deep: list[tuple[Lane, Line]], allotted: Screening) -> list[Screened]:
    for lane in work.lanes:
        _screening_bench(work, lane, allotted)
    left = work.clock.left()
    until = math.inf if left is None else work.clock.elapsed() + MOST_SHARE * left
    rung0 = _rung(work, first_entries([line for _, line in deep]), allotted, 0, until, "screening")
    rung0 |= _rung(work, _beyond(rung0), allotted, 0, until, "screening, rates beyond the edge")
    rung1 = _rung(work, _promoted(rung0), allotted, 1, until, "screening, longer") if allotted.second_rung else {}
    work.checkpoints.clear(but=FINISHED)  # no trial follows; an earlier start of the run may have kept networks
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
    allotted = work.folder.sizes("screening", Screening)
    if allotted is None:
        loads = [
            Load(_screening_costs(work, lane), tuple(line.recipe for line in lane.lines if line.deep)) for lane in work.lanes
        ]
        allotted = screening(loads, 3, len(work.inner.train), len(work.inner.validation), work.clock.left())
        work.folder.write_sizes("screening", allotted)
    return allotted


def _screening_costs(work: Work, lane: Lane) -> CostModel:
    lane.screen = _bench_at_screening_size(work, lane)
    return CostModel(lane.screen.backbone.description, lane.screen.kernels)


def _bench_at_screening_size(work: Work, lane: Lane) -> Bench:
    spec = lane.backbone.spec
    size = spec.height if spec.fixed_size else screening_size(spec.height)
    if size == spec.height:
        return resized(lane.bench, size, lane.bench.kernels)
    kernels = kernels_for(work.folder, lane.backbone.at(size), work.classes, work.settings, work.clock)
    return resized(lane.bench, size, kernels)


def _screening_bench(work: Work, lane: Lane, allotted: Screening) -> None:
    """One pass over the screening images at the screening size, for every line that resumes from a frozen prefix."""
    bench = lane.screen or _bench_at_screening_size(work, lane)
    train = subset(np.asarray(work.inner.train, np.int64), work.ledger.labels, allotted.images, work.inner.seed)
    rows = np.sort(np.concatenate([train, np.asarray(work.inner.validation, np.int64)]))
    if not any(line.deep and line.recipe.weights is Weights.PRETRAINED for line in lane.lines):
        lane.screen = bench
        bench.store.at_size(bench.backbone.spec.height)  # once, here, and not by each of several processes
        return
    name = f"pretrained pass at {bench.backbone.spec.height} px, {lane.name}"
    worth = worth_at(lane, bench, len(TRANSFER) * (allotted.epochs + 1))
    lane.screen = run_pass(work, lane, bench, Weights.PRETRAINED, rows, boundaries(lane), name, worth)
    served = [line for line in lane.lines if resumes(lane, line)]
    tell_sharing(work, lane.screen, Weights.PRETRAINED, served, len(settings_of(served[0])) if served else 0)


def first_entries(deep: Sequence[Line]) -> list[Entry]:
    """One line of each family first, of the first backbone those that the claims need before: time may run out at any of them."""
    place: dict[tuple[str, Family], int] = defaultdict(int)
    ordered = []
    for line in deep:
        first = line.backbone == deep[0].backbone and line.family in FOREMOST
        rank = FOREMOST.index(line.family) if first else len(FOREMOST)
        ordered.append((place[line.backbone, line.family], rank, line))
        place[line.backbone, line.family] += 1
    return [(line, one) for *_, line in sorted(ordered, key=lambda found: found[:2]) for one in settings_of(line)]


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
    """The scores of those that were finished, in the order of `entries`."""
    if not entries:
        return {}
    with work.phase(name, len(entries), "trials") as phase:
        trials = _Rung(work, phase, deque(entries), allotted, rung, until)
        give_out(work, [_screen(work, name) for name in {line.backbone for line, _ in entries}], trials.ask, trials.tell)
    return {entry: trials.scores[entry] for entry in entries if entry in trials.scores}


@dataclass
class _Rung:
    """The screening trials of one rung; none is begun after `until`.

    Attributes:
        given: trial id -> the entry that it is of. lineages: of their trials.
        left: trials of each line that are not finished; seconds: of those that were carried out.
    """

    work: Work
    phase: Phase
    waiting: deque[Entry]
    allotted: Screening
    rung: int
    until: float
    given: dict[str, Entry] = field(default_factory=dict)
    scores: dict[Entry, float] = field(default_factory=dict)
    lineages: dict[Entry, str] = field(default_factory=dict)
    done: int = 0
    left: Counter[Line] = field(init=False)
    seconds: dict[Line, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.left = Counter(line for line, _ in self.waiting)

    def ask(self) -> Task | None:
        if self.waiting and self.work.clock.elapsed() > self.until:
            known = deque(entry for entry in self.waiting if self.work.ledger.knows(self._trial(entry)))
            missing, count = len(self.waiting) - len(known), len(self.waiting) + len(self.given)
            if missing:
                self.phase.note = f"{missing} of {count} screening trials did not fit into the time"
                self.work.not_run.append(self.phase.note + ".")
            self.waiting = known
        return self._task(self.waiting.popleft()) if self.waiting else None

    def _trial(self, entry: Entry) -> Trial:
        line, setting = entry
        size = _screen(self.work, line.backbone).backbone.spec.height
        epochs = self.allotted.epochs * (ETA if self.rung else 1)
        budget = Budget(f"screen-{self.rung}", size, self.allotted.images, epochs)
        return deep_trial(self.work, line, self.work.inner, setting, budget)

    def _task(self, entry: Entry) -> Task:
        line, trial = entry[0], self._trial(entry)
        self.given[trial.id], self.lineages[entry] = entry, trial.lineage
        forks = Forks(self.work.checkpoints, followed=not self.rung) if self.allotted.second_rung else None
        return Task(trial, self.work.inner, line.backbone, self.work.clock.deadline(_reserve(self.work, self.until)), forks)

    def tell(self, task: Task, result: Result | None) -> None:
        if result is None:
            self.work.not_run.append(f"'{task.trial.recipe}' {STOPPED_IN_SCREENING}: no time.")
        score = self.work.ledger.best(result)[0] if result else None
        if score is not None:
            self.scores[self.given[task.trial.id]] = score
        if result is not None and task.trial.id in self.work.ledger.carried_out:
            self.seconds[self.given[task.trial.id][0]].append(result.seconds)
        if not self.rung:
            self._forget()
        self.done += 1
        self._tell_line(self.given[task.trial.id][0])
        self.phase.done(self.done)

    def _tell_line(self, line: Line) -> None:
        """Say what a line reached once all of its settings are through."""
        self.left[line] -= 1
        if not self.left[line]:
            scores = [score for (other, _), score in self.scores.items() if other == line]
            seconds = sum(self.seconds[line])
            said = RecipeFinished(str(line.recipe), line.family.value, line.backbone, max(scores, default=None), 0, seconds)
            self.work.ledger.listener.update(said)

    def _forget(self) -> None:
        """Remove the states of trials that cannot be promoted any more, one entry beyond the edge counted."""
        entries = [*self.waiting, *self.given.values()]
        for key, own in _families(self.scores).items():
            most = 1 + sum((line.backbone, line.family) == key for line, _ in entries)
            for entry in hopeless(own, most):
                self.work.checkpoints.remove(self.lineages[entry])


def _screen(work: Work, name: str) -> Bench:
    bench = work.lane(name).screen
    assert bench is not None
    return bench


def _reserve(work: Work, until: float) -> float:
    """A trial that is under way at `until` may still take a tenth of what is kept for the finalists."""
    limit = work.clock.limit_s
    return 0.0 if limit is None or math.isinf(until) else 0.9 * (limit - work.clock.kept_s - until)


def _summary(rung0: dict[Entry, float], rung1: dict[Entry, float]) -> list[Screened]:
    found: dict[Line, Screened] = {}
    for rung, scores in ((1, rung1), (0, rung0)):
        for (line, setting), score in sorted(scores.items(), key=lambda item: -item[1]):
            found.setdefault(line, Screened(line, score, setting, rung))
    simplest = list(Family).index  # of equal ones, whatever the order in which they were screened
    return sorted(found.values(), key=lambda one: (-one.rung, -one.score, simplest(one.line.family)))
