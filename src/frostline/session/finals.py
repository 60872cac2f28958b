"""Stage 2: the best deep recipes at full size, on one common fold first, then racing over more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from statistics import mean

from frostline.compute.forks import Forks
from frostline.planning.allot import Finals, Load, epochs_of, finals
from frostline.planning.cost import CostModel
from frostline.planning.forecast import CLOSING_S, TESTED
from frostline.session.dispatch import Task, give_out
from frostline.session.outlook import tell_remaining
from frostline.session.plateau import CONTROLS, MOST_EPOCHS, challenged, free, judge, leads, open_ended, plateau
from frostline.session.ranking import mean_scores, tell_finished
from frostline.session.screening import Screened, deep_trial, settings_of
from frostline.session.work import Phase, Work
from frostline.stats.decide import DecideSettings, choose_now
from frostline.stats.rule import LARGEST_DELTA
from frostline.strategy.families import Line
from frostline.strategy.racing import MOST_FINALISTS, agree, clearly_worse, finalists
from frostline.terms.data import Split
from frostline.terms.quantities import plural
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL, Budget, Trial
from frostline.terms.verdict import NOT_AT_FULL_SIZE, STOPPED_ON

LEAST_CLOSING_S = 12.0  # 8 s were measured for 120 images
MARGIN = 1.15  # a trial is begun only where so many times its expected seconds are left: stopped half-way it is wasted
SETTLED = "their ranking there is the one that fewer folds had given, so further draws were left out."


def run_finals(work: Work, screened: list[Screened]) -> None:
    """Run the finalists at full size for as long as the time allows; what was not run is said."""
    entries = choose(work, screened)
    if not entries and not _something_to_hand_over(work):
        entries = _unscreened(work)
    if not entries:
        return
    epochs = _allot(work, entries)
    tuned = [one for one in entries if _epochs(one.line, epochs)]
    _say_not_run(work, entries, tuned)
    with work.phase("finalists", len(tuned) * len(work.splits), "trials") as phase:
        done = 0
        for place, split in enumerate(work.splits):  # after the first fold the cheap ones first: they may fit where others do not
            fold = _Fold(work, phase, split, epochs, _waiting(work, tuned, split, epochs), done)
            give_out(
                work, [work.lane(name).bench for name in {one.line.backbone for one in tuned}], fold.ask, fold.tell, fold.finish
            )
            done = fold.done
            going_on = _race(work, [fold.instead.get(one, one) for one in tuned if one not in fold.dropped])
            work.keep_time()
            tuned = sorted(going_on, key=lambda one: refit_s(work, one.line, _epochs(one.line, epochs)))
            if _settled(work, tuned, split):
                phase.note = f"the ranking has settled after {plural(place + 1, 'fold')}"
                work.notes.append(f"Recipes that train the trunk were run on {plural(place + 1, 'fold')}: {SETTLED}")
                break
            tell_remaining(work, _left_s(work, tuned, epochs, len(work.splits) - place - 1))


def _settled(work: Work, entries: list[Screened], split: Split) -> bool:
    """A draw of the folds is complete, and the finalists rank on it as they did on what was known before."""
    later = work.splits[work.splits.index(split) + 1 :]
    if not later or later[0].repeat == split.repeat or all(one.line.family in CONTROLS for one in entries):
        return False
    known = [one.name for one in work.splits if one.repeat < split.repeat] or [work.common.name]
    now = [one.name for one in work.splits if one.repeat <= split.repeat]
    if known == now:  # a draw of one hold-out, the first: nothing was known before
        return False
    return agree(_ranking(work, entries, known), _ranking(work, entries, now), (work.settings.delta or LARGEST_DELTA) / 2)


def _ranking(work: Work, entries: list[Screened], splits: list[str]) -> dict[str, float]:
    """The mean over `splits` of the finalists that ran on all of them, and of the best recipe with a frozen trunk."""
    scores = {key: [of[name] for name in splits if name in of] for key, of in mean_scores(work).items()}
    means = {f"{backbone} {recipe}": mean(of) for (backbone, recipe), of in scores.items() if len(of) == len(splits)}
    finalist = {f"{one.line.backbone} {one.line.recipe}" for one in entries}
    frozen = [f"{line.backbone} {line.recipe}" for line in work.lines() if not line.deep and not line.family.control]
    best = max((name for name in frozen if name in means), key=lambda name: means[name], default="")
    return {name: value for name, value in means.items() if name in finalist or name == best}


def _left_s(work: Work, entries: list[Screened], allotted: Finals, splits: int) -> float:
    """Seconds for so many further splits and for closing, if nothing is dropped any more."""
    costs = [(costs_of(work, one.line), one.line) for one in entries]
    one_split = sum(model.training_s(line.recipe, len(work.common.train), _epochs(line, allotted)) for model, line in costs)
    handed = [line for _, line in costs if line.family not in CONTROLS or _only_controls(work)]
    dearest = max((refit_s(work, line, _epochs(line, allotted)) for line in handed), default=0.0)
    together = max(1, min(work.backend.workers, len(entries)))
    return splits * one_split / together + dearest + work.curve_s + CLOSING_S + test_s(work)


def choose(work: Work, screened: list[Screened]) -> list[Screened]:
    """The finalists in the order in which they are run: best transfer, scratch, then the others."""
    transfer = [one for one in screened if one.line.family not in CONTROLS]
    controls = [one for one in screened if one.line.family in CONTROLS]
    by_name = {f"{one.line.backbone} {one.line.recipe}": one for one in transfer}
    # Scores of rung 1 are not comparable with rung 0: whoever was promoted stays ahead.
    ranks = {name: -float(place) for place, name in enumerate(by_name)}
    whole = [name for name, one in by_name.items() if one.line.family is Family.WHOLE][:1]
    chosen = [by_name[name] for name in finalists(ranks, whole, MOST_FINALISTS)]
    best_controls = [one for wanted in CONTROLS for one in [*filter(lambda c: c.line.family is wanted, controls)][:1]]
    return [*chosen[:1], *best_controls[:1], *chosen[1:], *best_controls[1:]]


def costs_of(work: Work, line: Line) -> CostModel:
    """At full size, corrected by what trials of the same recipes took."""
    lane = work.lane(line.backbone)
    observed = {
        str(result.trial.recipe): result.seconds / (len(work.common.train) * (result.trial.budget.epochs - result.forked))
        for result in work.ledger.results
        if result.outcome is Outcome.DONE and result.trial.budget.rung == FULL
        if result.trial.budget.epochs and result.trial.backbone == line.backbone
    }
    return CostModel(lane.backbone.description, lane.bench.kernels, observed)


def _allot(work: Work, entries: list[Screened]) -> Finals:
    """Decided once a run and written down."""
    allotted = work.folder.sizes("finals", Finals)
    if allotted is None:
        best, scratch = (_load(work, entries, control) for control in (False, True))
        left = work.clock.left(_closing_s(work) + test_s(work))
        allotted = finals(best, scratch, len(work.common.train), len(work.pool), left)
        if not any(not line.deep and not line.family.control for line in work.lines()):
            allotted = allotted.at_least_one()  # nothing else could be handed over
        if allotted.scratch_epochs == 0:  # too little time to decide for ever
            return allotted
        work.folder.write_sizes("finals", allotted)
    return allotted


def _load(work: Work, entries: list[Screened], control: bool) -> Load:
    wanted = [one.line for one in entries if (one.line.family in CONTROLS) == control][:1]
    costs = costs_of(work, wanted[0] if wanted else entries[0].line)
    return Load(costs, tuple(line.recipe for line in wanted))


def test_s(work: Work) -> float:
    """What is tested, on the slowest backbone, over the sealed test set."""
    costs = [CostModel(lane.backbone.description, lane.bench.kernels) for lane in work.lanes]
    return TESTED * max((one.pass_s(len(work.plan.sealed)) for one in costs), default=0.0)


def _closing_s(work: Work) -> float:
    """Kept for closing: of a short limit a quarter, as few images can be run in it, and few are closed sooner."""
    limit = work.clock.limit_s
    return CLOSING_S if limit is None else min(CLOSING_S, max(LEAST_CLOSING_S, limit / 4))


def _epochs(line: Line, allotted: Finals) -> int:
    return epochs_of(line.recipe, allotted.scratch_epochs if line.family in CONTROLS else allotted.epochs)


def _say_not_run(work: Work, entries: list[Screened], tuned: list[Screened]) -> None:
    for one in entries:
        if one not in tuned:
            work.not_run.append(f"'{one.line.recipe}' {NOT_AT_FULL_SIZE}: not one epoch of it fits into the time.")


def refit_s(work: Work, line: Line, epochs: int) -> float:
    """Seconds to fit a deep line again on the whole pool."""
    return costs_of(work, line).training_s(line.recipe, len(work.pool), epochs)


@dataclass
class _Fold:
    """The finalists on one split. They do not depend on each other, but scratch may be trained again and longer, and then the
    whole network as scratch was.

    Attributes:
        waiting: finalists with the epochs that they are trained for.
        given: trial id -> the finalist that is under way.
        before: what scratch scored with half the epochs. followed: who is trained until a plateau.
        dropped: did not finish, or were not begun: they do not go on to the next split.
        finalists: all of this split.
        rivals: a finalist with a control's setting -> the same with its own. instead: a finalist -> its rival, if that goes on.
        done: finalists that are dealt with, those on earlier splits included.
    """

    work: Work
    phase: Phase
    split: Split
    allotted: Finals
    waiting: deque[tuple[Screened, int]]
    done: int
    given: dict[str, Screened] = field(default_factory=dict)
    before: dict[Screened, float | None] = field(default_factory=dict)
    followed: set[Screened] = field(default_factory=set)
    dropped: list[Screened] = field(default_factory=list)
    finalists: tuple[Screened, ...] = ()
    rivals: dict[Screened, Screened] = field(default_factory=dict)
    instead: dict[Screened, Screened] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.finalists = tuple(one for one, _ in self.waiting)
        if self.split is self.work.common:  # which finds how long scratch takes
            self.followed.update(one for one, epochs in self.waiting if self._may_go_on(one, epochs))

    def ask(self) -> Task | None:
        if not self.waiting and not self.given:
            self._catch_up()
        while self.waiting:
            one, epochs = self.waiting.popleft()
            reserve = _closing_s(self.work) + test_s(self.work) + _reserve(self.work, one, self.allotted)
            must = not self.given and not _something_to_hand_over(self.work)
            known = self.work.ledger.knows(self._trial(one, epochs))
            needed = MARGIN * _needed_s(self.work, one, self.split, epochs)
            if must or known or self.work.clock.allows(needed, reserve):
                return self._task(one, epochs, None if must else reserve)
            if self.split is self.work.common:
                self.work.not_run.append(f"'{one.line.recipe}' {NOT_AT_FULL_SIZE}: no time.")
            self._end(one, dropped=True)
        return None

    def _task(self, one: Screened, epochs: int, reserve: float | None) -> Task:
        trial = self._trial(one, epochs)
        self.given[trial.id] = one
        return Task(trial, self.split, one.line.backbone, self.work.clock.deadline(reserve), self._forks(one, epochs))

    def _forks(self, one: Screened, epochs: int) -> Forks | None:
        """Longer trials go on from shorter ones; on the common fold what may be chosen is kept, to be taken apart at the end."""
        handed = self.split is self.work.common and self.work.candidate(one.line).choosable
        here = self.work.backend.workers == 1  # others compute with other threads: theirs is not quite what is fitted here
        followed, kept = one in self.followed and 2 * epochs <= MOST_EPOCHS, handed and here
        return Forks(self.work.checkpoints, followed, kept) if one in self.followed or kept else None

    def _trial(self, one: Screened, epochs: int) -> Trial:
        return deep_trial(self.work, one.line, self.split, one.setting, Budget(FULL, self.work.settings.size, None, epochs))

    def finish(self, task: Task, result: Result) -> Result:
        """Whether a plateau has been reached, where that can be known."""
        one = self.given[task.trial.id]
        if one in self.followed:
            return judge(self.work, self.before.get(one), result)
        bounded = one.line.family is Family.SCRATCH and not free(self.work, one)
        return replace(result, converged=False) if bounded else result

    def tell(self, task: Task, result: Result | None) -> None:
        one, epochs = self.given.pop(task.trial.id), task.trial.budget.epochs
        if result is None:
            self.work.not_run.append(f"'{one.line.recipe}' {STOPPED_ON} {self.split.name}: it took longer than expected.")
        if result is not None and self._goes_further(one, result, epochs):
            self.before[one] = self.work.ledger.best(result)[0]
            Forks(self.work.checkpoints).forget(task.trial)
            self.waiting.appendleft((one, 2 * epochs))
        else:
            self.work.checkpoints.remove(task.trial.lineage)
            self._end(one, dropped=result is None or result.outcome is not Outcome.DONE)

    def _may_go_on(self, one: Screened, epochs: int) -> bool:
        """Scratch without a limit, or as far as an earlier start of the run without one went."""
        further = 2 * epochs <= MOST_EPOCHS and self.work.ledger.knows(self._trial(one, 2 * epochs))
        return one.line.family is Family.SCRATCH and open_ended(one) and (free(self.work, one) or further)

    def _goes_further(self, one: Screened, result: Result, epochs: int) -> bool:
        """Twice the epochs until that gains less than half of delta: scratch is never stopped because transfer is ahead (He
        2018). Epochs that two of these have in common run once."""
        flat = result.outcome is not Outcome.DONE or bool(result.converged) or 2 * epochs > MOST_EPOCHS
        return one in self.followed and not flat and self._may_go_on(one, epochs)

    def _catch_up(self) -> None:
        """Where a trained control is ahead of all that transfers: have the whole network trained exactly as that control was, so
        that nothing but the source of the weights differs; else a harm would be claimed that is none."""
        if self.split is not self.work.common or self.rivals:
            return
        for one, rival, epochs in challenged(self.work, [one for one in self.finalists if one not in self.dropped]):
            if self.work.clock.limit_s is None or self.work.ledger.knows(self._trial(rival, epochs)):
                self.rivals[rival] = one
                self.waiting.append((rival, epochs))

    def _end(self, one: Screened, dropped: bool) -> None:
        if one in self.rivals:
            if not dropped and leads(self.work, one):
                self.instead[self.rivals[one]] = one
        else:
            self.dropped += [one] if dropped else []
            self.done += 1
            self.phase.done(self.done)
        tell_finished(self.work, one.line)


def _waiting(work: Work, entries: list[Screened], split: Split, allotted: Finals) -> deque[tuple[Screened, int]]:
    """The finalists with their epochs: on other folds each trains as long as it took on the common one to gain no more."""
    long = {one: _epochs(one.line, allotted) for one in entries}
    if split is not work.common:
        long |= {one: plateau(work, one, epochs) for one, epochs in long.items() if open_ended(one)}
    return deque(long.items())


def _needed_s(work: Work, one: Screened, split: Split, epochs: int) -> float:
    """Seconds of one trial, where trials run: what was observed was observed there."""
    costs, recipe = costs_of(work, one.line), one.line.recipe
    seconds = costs.training_s(recipe, len(split.train), epochs) + costs.evaluation_s(recipe, len(split.validation))
    return seconds if str(recipe) in costs.observed else work.pace * seconds


def _reserve(work: Work, one: Screened, allotted: Finals) -> float:
    """To refit what the rule would choose now, and what is run next: that may be chosen then."""
    settings = DecideSettings(metric=work.settings.metric, delta=work.settings.delta)
    chosen = choose_now(work.ledger.results, work.truth, work.candidates(), settings)
    lines = [line for line in work.lines() if line.deep and chosen and (line.backbone, str(line.recipe)) == chosen.key]
    if one.line.family not in CONTROLS or _only_controls(work):
        lines.append(one.line)
    return max((refit_s(work, line, _epochs(line, allotted)) for line in lines), default=0.0)


def _something_to_hand_over(work: Work) -> bool:
    """Some choosable recipe has finished; without any, a trial is carried out however little time is left."""
    choosable = {candidate.key for candidate in work.candidates() if candidate.choosable}
    return any((backbone, recipe) in choosable for backbone, recipe in mean_scores(work))


def _unscreened(work: Work) -> list[Screened]:
    """The first line that could be handed over, with its middle setting: there was no time for any screening."""
    choosable = {candidate.key for candidate in work.candidates() if candidate.choosable}
    lines = [line for line in work.lines() if line.deep and (line.backbone, str(line.recipe)) in choosable]
    return [Screened(line, float("nan"), settings_of(line)[len(settings_of(line)) // 2], 0) for line in lines[:1]]


def _only_controls(work: Work) -> bool:
    """No transfer recipe was asked for, as when a source is trained: then scratch is what will be handed over."""
    return all(line.family.control for line in work.lines())


def _race(work: Work, entries: list[Screened]) -> list[Screened]:
    """Drop transfer finalists that are clearly worse than the best; controls stay as long as the best deep one does."""
    scores = mean_scores(work)
    own = {one: scores.get((one.line.backbone, str(one.line.recipe)), {}) for one in entries}
    transfer = [one for one in entries if one.line.family not in CONTROLS and own[one]]
    if not transfer:
        return [] if any(line.deep and line.family not in CONTROLS for line in work.lines()) else entries
    best = max(transfer, key=lambda one: mean(own[one].values()))
    delta = work.settings.delta or LARGEST_DELTA
    return [one for one in entries if one.line.family in CONTROLS or one is best or not _worse(own[one], own[best], delta)]


def _worse(scores: dict[str, float], best: dict[str, float], delta: float) -> bool:
    shared = [name for name in best if name in scores]
    return clearly_worse([scores[name] for name in shared], [best[name] for name in shared], delta)
