"""The data-size curve: some recipes on nested parts of one fold's training images, judged on that fold's validation images.

It comes after the decision and before the refit, changes nothing of either, and sees no sealed image.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from frostline import data
from frostline.compute.trials import as_options
from frostline.planning.forecast import CLOSING_S, kept_for_explanation_s
from frostline.session.dispatch import Task, give_out
from frostline.session.finals import MARGIN, costs_of, refit_s, test_s
from frostline.session.work import Phase, Work
from frostline.stats.curve import Measured, Series, learning_curve
from frostline.stats.pool import configuration_name
from frostline.strategy.families import Line
from frostline.terms.candidate import TUNED
from frostline.terms.curve import CURVE, DIVISORS, DRAWS
from frostline.terms.data import Split
from frostline.terms.quantities import plural
from frostline.terms.recipe import Family, HeadKind
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL, Trial
from frostline.terms.verdict import Row, Verdict


@dataclass(frozen=True, eq=False)
class Contender:
    """A recipe with the settings that the search had found for it.

    Attributes:
        role: `frozen`, `chosen`, `tuned` or `scratch`.
        base: its result on all training images of the common fold; `number` of the configuration in it.
    """

    role: str
    line: Line
    row: Row
    base: Result
    number: int

    @property
    def seedless(self) -> bool:
        """A solver fits it: with the same images it is the same whatever the seed."""
        head = self.line.recipe.head
        return not self.line.deep and head is not None and head.kind is not HeadKind.MLP


def draw_curve(work: Work, verdict: Verdict) -> None:
    """Set `work.curve`, if one was asked for and there is something to draw; what did not fit into the time is said."""
    work.clock.kept_s = kept_for_explanation_s(work.clock.limit_s)
    if not work.settings.learning_curve:
        return
    contenders = list(_contenders(work, verdict))
    if not contenders:
        work.not_run.append("Learning curve: no recipe had finished on the fold that it is drawn on.")
        return
    parts = data.nested_parts(work.dataset, work.common, DIVISORS, DRAWS)
    waiting = deque((one, part) for one, part in _in_order(contenders, parts))
    with work.phase("learning curve", len(waiting), "trials") as phase:
        trials = _Trials(work, phase, waiting, _closing_s(work, verdict))
        give_out(work, [work.lane(one.line.backbone).bench for one in contenders], trials.ask, trials.tell)
    notes = [*_notes(work, contenders, parts), *_left_out(trials)]
    work.not_run += _left_out(trials)
    series = [_series(one, parts, trials.results) for one in contenders]
    validation, truth = np.asarray(work.common.validation, np.int64), work.truth.numbered()
    work.curve = learning_curve(
        series, validation, truth, work.settings.metric, len(work.common.train), work.settings.seed, tuple(notes)
    )


# --- who ---------------------------------------------------------------------------------------------------------------


def _contenders(work: Work, verdict: Verdict) -> Iterator[Contender]:
    """Softmax-only, scratch, and the chosen recipe, or the best tuned one where one of these is chosen."""
    scored = sorted((row for row in verdict.rows if row.score is not None), key=lambda row: -_value(row))
    plain = [row for row in scored if row.family == Family.SOFTMAX_ONLY]
    beside = [row for row in plain if row.backbone == verdict.chosen.backbone] or plain
    scratch = [row for row in scored if row.family == Family.SCRATCH]
    between = [("chosen", verdict.chosen)]
    if verdict.chosen in (*beside[:1], *scratch[:1]):
        between = [("tuned", row) for row in scored if Family(row.family) in TUNED][:1]
    for role, row in [*(("frozen", row) for row in beside[:1]), *between, *(("scratch", row) for row in scratch[:1])]:
        contender = _contender(work, role, row)
        if contender is not None:
            yield contender


def _contender(work: Work, role: str, row: Row) -> Contender | None:
    line = next(line for line in work.lines() if (line.backbone, str(line.recipe)) == _key(row))
    for result in work.ledger.results:
        trial = result.trial
        here = trial.budget.rung == FULL and trial.split == work.common.name and result.outcome is Outcome.DONE
        if here and (trial.backbone, str(trial.recipe)) == _key(row):
            names = [configuration_name(trial, number) for number in range(len(trial.configurations))]
            if row.configuration in names:
                return Contender(role, line, row, result, names.index(row.configuration))
    return None


def _key(row: Row) -> tuple[str, str]:
    return row.backbone, row.recipe


def _value(row: Row) -> float:
    return -math.inf if row.score is None else row.score.value


# --- what --------------------------------------------------------------------------------------------------------------


def _in_order(contenders: list[Contender], parts: tuple[Split, ...]) -> Iterator[tuple[Contender, Split]]:
    """What costs nothing first; then draw by draw, so that a short time still gives every curve all its sizes."""
    cheap, dear = ([one for one in contenders if one.line.deep == deep] for deep in (False, True))
    draws = sorted({part.repeat for part in parts})
    for group in (cheap, dear):
        for draw in draws:
            for one in group:
                yield from ((one, part) for part in parts if part.repeat == draw and not _known(one, part))


def _known(one: Contender, part: Split) -> bool:
    """All training images with the fold's own seed are what the search had run; another seed may change nothing."""
    return divisor_of(part) == 1 and (part.repeat == 0 or one.seedless)


def divisor_of(part: Split) -> int:
    """Of the training images, from the part's name."""
    return int(part.name.rpartition("-")[2])


def trial_on(one: Contender, part: Split, whole: int, batch: int) -> Trial:
    """The trial of `one` on `part` of `whole` training images: as the search ran it, with as many steps."""
    base = one.base.trial
    epochs = same_steps(base.budget.epochs, whole, len(part.train), batch)
    names = tuple(_with_epochs(name, epochs) for name in base.configurations)
    budget = replace(base.budget, rung=CURVE, epochs=epochs)
    return replace(base, split=part.name, seed=part.seed, budget=budget, configurations=names)


def same_steps(epochs: int, whole: int, images: int, batch: int) -> int:
    """Epochs on `images` that take about as many steps as `epochs` on `whole` (docs/decisions/learning-curve.md)."""
    return round(epochs * _steps(whole, batch) / _steps(images, batch))


def _steps(images: int, batch: int) -> int:
    return max(1, math.ceil(images / batch))


def _with_epochs(name: str, epochs: int) -> str:
    """`lr=0.001 epochs=80` for `lr=0.001 epochs=10`; a name that says nothing of epochs stays."""
    return " ".join(f"epochs={epochs}" if word.startswith("epochs=") else word for word in name.split(" "))


# --- how ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Trials:
    """The trials of the curve, each begun only while `reserve_s` seconds stay for closing.

    Attributes:
        given: trial id -> what it is. results: (role, part's name) -> what is finished.
        late: (role, part's name) that did not fit into the time.
    """

    work: Work
    phase: Phase
    waiting: deque[tuple[Contender, Split]]
    reserve_s: float
    given: dict[str, tuple[Contender, Split]] = field(default_factory=dict)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    late: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0

    def ask(self) -> Task | None:
        while self.waiting:
            one, part = self.waiting.popleft()
            trial = self._trial(one, part)
            if self.work.ledger.knows(trial) or self.work.clock.allows(self._at_once_s(one, part), self.reserve_s):
                self.given[trial.id] = one, part
                return Task(trial, part, self.work.lane(one.line.backbone).name, self.work.clock.deadline(self.reserve_s))
            self._end(one, part, late=True)
        return None

    def tell(self, task: Task, result: Result | None) -> None:
        one, part = self.given.pop(task.trial.id)
        if result is not None and result.outcome is Outcome.DONE:
            self.results[one.role, part.name] = result
        self._end(one, part, late=result is None)

    def _end(self, one: Contender, part: Split, late: bool) -> None:
        if late:
            self.late.append((one.role, part.name))
        self.done += 1
        self.phase.done(self.done)

    def _trial(self, one: Contender, part: Split) -> Trial:
        return trial_on(one, part, len(self.work.common.train), _batch(self.work, one))

    def _at_once_s(self, one: Contender, part: Split) -> float:
        """Seconds of the trial, and in the first draw of all its other sizes that wait: fewer than all give no curve."""
        others = [split for other, split in self.waiting if other is one and split.repeat == part.repeat == 0]
        return sum(self._needed_s(one, split) for split in (part, *others))

    def _needed_s(self, one: Contender, part: Split) -> float:
        """As long as it took on all images for heads; by images and epochs for networks."""
        if not one.line.deep:
            return one.base.seconds
        costs, recipe = costs_of(self.work, one.line), one.line.recipe
        seconds = costs.training_s(recipe, len(part.train), self._trial(one, part).budget.epochs)
        return MARGIN * (seconds + costs.evaluation_s(recipe, len(part.validation)))


def _batch(work: Work, one: Contender) -> int:
    given = dict(one.base.trial.options).get("batch") or one.line.recipe.option("batch")
    return int(given or work.lane(one.line.backbone).bench.kernels.batch)


def _closing_s(work: Work, verdict: Verdict) -> float:
    """What must be left: the refits of the chosen recipe and of the best control, and both on the test set."""
    rows = [row for row in (verdict.chosen, verdict.control) if row is not None]
    lines = {(line.backbone, str(line.recipe)): line for line in work.lines() if line.deep}
    deep = {_key(row): row for row in rows if _key(row) in lines}
    refits = (refit_s(work, lines[key], int(as_options(row.configuration).get("epochs", 0))) for key, row in deep.items())
    return CLOSING_S + test_s(work) + sum(refits)


def _series(one: Contender, parts: tuple[Split, ...], results: dict[tuple[str, str], Result]) -> Series:
    runs = []
    for part in parts:
        result = one.base if _known(one, part) else results.get((one.role, part.name))
        if result is not None and not (part.repeat and _known(one, part)):
            runs.append(Measured(divisor_of(part), len(part.train), part.repeat, result.probabilities[one.number]))
    row = one.row
    return Series(one.role, row.recipe, row.family, row.backbone, row.configuration, tuple(runs))


# --- what is said ------------------------------------------------------------------------------------------------------


def _notes(work: Work, contenders: list[Contender], parts: tuple[Split, ...]) -> Iterator[str]:
    whole, smallest = len(work.common.train), min((len(part.train) for part in parts), default=0)
    for one in contenders:
        epochs = one.base.trial.budget.epochs
        if epochs and smallest < whole:
            longest = same_steps(epochs, whole, smallest, _batch(work, one))
            yield (
                f"{one.row.family.capitalize()} was trained for as many steps on each part as on all images:"
                f" {plural(epochs, 'epoch')} on {whole}, {longest} on {smallest}; its learning rate is the one found with all."
            )
    planned, present = len(DIVISORS) * DRAWS, len(parts)
    if present < planned:
        yield f"{planned - present} of {planned} parts were left out: some class would have had fewer than two images in them."


def _left_out(trials: _Trials) -> list[str]:
    if not trials.late:
        return []
    count = len(trials.late)
    return [f"{count} of {trials.done} trials of the learning curve did not fit into the time."]
