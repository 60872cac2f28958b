"""Stage 0: two passes of the trunk, then every recipe that trains nothing but a head, on all folds, by solvers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, zip_longest

from frostline.backends import Lost, Threads
from frostline.compute.bench import Bench
from frostline.compute.frozen import MLP_RATES
from frostline.compute.heads import TREES
from frostline.compute.logistic import STRENGTHS
from frostline.compute.machine import one_thread, threads, torch_threads
from frostline.compute.materialise import Taps, tapped_pass
from frostline.compute.passes import FillShard, shards
from frostline.planning.forecast import CLOSING_S
from frostline.session.dispatch import Task, give_out
from frostline.session.ranking import tell_finished
from frostline.session.work import Lane, Phase, Work, with_pass
from frostline.session.worths import worth_of_finals
from frostline.strategy.families import Line
from frostline.terms.activations import View
from frostline.terms.data import Split
from frostline.terms.progress import Sharing
from frostline.terms.quantities import plural
from frostline.terms.recipe import Action, Family, HeadKind, Recipe, Weights
from frostline.terms.result import IntArray, Result
from frostline.terms.trial import FIRST, FULL, Budget, Trial

PASSES = {Weights.PRETRAINED: "pre-trained", Weights.RANDOM: "random", Weights.MATCHED: "random, matched"}
LEAST_SHARED_S = 20.0  # of a pass in one process
PARTS_A_WORKER = 4  # so that all end at about the same time
DEEP_SHARE = 0.7  # of a time limit: kept from further draws of the folds for recipes that train the trunk


def run_frozen(work: Work) -> None:
    """Fill the benches' passes and run every frozen-trunk line on the folds; a ranking is there after the first pass.

    The first draw of the folds is always run; further ones only while that leaves time for what trains the trunk.
    """
    lines = [line for line in work.lines() if not line.deep and line not in work.dropped]
    first, *repeats = draws(work.plan.splits)
    work.splits = list(first)
    if lines:
        work.say(
            f"{plural(len(lines), 'recipe')} on {plural(len(work.plan.splits), 'fold')} share the passes of the frozen trunk"
        )
    seconds = max(_first_draw(work, lines), _beside_each_other_s(work, first))
    for number, splits in enumerate(repeats):
        if not work.clock.allows(seconds, _kept_back_s(work)) and not _finished(work, lines, splits):
            count = len(repeats) - number
            work.not_run.append(f"{plural(count, 'further draw')} of the folds: not enough time; all recipes share {number + 1}.")
            return
        for solved in (True, False):
            own = [line for line in lines if _solved(line) == solved]
            fit_heads(work, own, f"repeat {number + 2} of {len(repeats) + 1}", splits)
        seconds = max(seconds, _beside_each_other_s(work, splits))
        work.splits += splits


def _beside_each_other_s(work: Work, splits: Sequence[Split]) -> float:
    """Seconds that the trials on one draw of the folds took, in an earlier start of the run as well."""
    names, beside = {split.name for split in splits}, work.backend.workers if work.backend.workers > 1 else threads()
    own = [one for one in work.ledger.results if one.trial.budget.rung == FULL and one.trial.split in names]
    return sum(one.seconds for one in own) / beside


def _finished(work: Work, lines: Sequence[Line], splits: Sequence[Split]) -> bool:
    """An earlier start of the run has carried out all of this."""
    return all(work.ledger.knows(_trial(work, line, split)) for line in lines for split in splits)


def _trial(work: Work, line: Line, split: Split) -> Trial:
    return work.trial(line, split, configurations(line), Budget(FULL, work.settings.size))


def first_trial(work: Work, line: Line, split: Split) -> Trial:
    """On the part of a split that the first rung sees."""
    return work.trial(line, split, configurations(line), Budget(FIRST, work.settings.size, len(split.train)))


def draws(splits: Sequence[Split]) -> list[list[Split]]:
    """The folds of each repeat."""
    return [list(members) for _, members in groupby(splits, key=lambda split: split.repeat)]


def _kept_back_s(work: Work) -> float:
    """Of the whole time, what further draws of the folds may not touch."""
    deep = any(line.deep for line in work.lines())
    return max(CLOSING_S, DEEP_SHARE * (work.clock.limit_s or 0.0) - work.clock.kept_s if deep else 0.0)


def _first_draw(work: Work, lines: list[Line]) -> float:
    """Seconds that the fits took, the passes not counted."""
    folds, seconds = list(work.splits), 0.0
    for lane in work.lanes:
        if any(line.recipe.weights is Weights.PRETRAINED for line in lane.lines):
            _pass(work, lane, Weights.PRETRAINED)
        solved = [line for line in _own(lane, lines) if _solved(line) and line.recipe.weights is Weights.PRETRAINED]
        seconds += fit_heads(work, solved, lane.name, folds)
    seconds += fit_heads(work, [line for line in lines if not line.backbone], "pixels", folds)
    for lane in work.lanes:
        random = [line for line in _own(lane, lines) if line.recipe.weights is not Weights.PRETRAINED]
        for weights in sorted({line.recipe.weights for line in random}):
            _pass(work, lane, weights)
        lane.first = None  # whose passes are part of these now
        seconds += fit_heads(work, random, f"{lane.name}, random", folds)
    for lane in work.lanes:
        small = [line for line in _own(lane, lines) if _kind(line) is HeadKind.MLP]
        others = any(_solved(line) and not line.family.control for line in lines)
        seconds += fit_heads(work, small, f"{lane.name}, new layers", folds, optional=others)
    return seconds


def _own(lane: Lane, lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.backbone == lane.name]


def _kind(line: Line) -> HeadKind | None:
    return line.recipe.head.kind if line.recipe.head is not None else None


def _solved(line: Line) -> bool:
    """A solver fits its head: no gradient descent at all."""
    return not line.deep and _kind(line) is not HeadKind.MLP


def fit_heads(
    work: Work, lines: list[Line], what: str, splits: list[Split], optional: bool = False, first: bool = False
) -> float:
    """Run `lines` on `splits`; the seconds that it took.

    Args:
        optional: only while there is time for one more trial. first: `splits` are those of the first rung.
    """
    if not lines:
        return 0.0
    before = work.clock.elapsed()
    ordered = sorted(lines, key=_place)
    lanes = [work.lane(name) for name in {line.backbone for line in lines}]
    benches = [lane.first if first and lane.first else lane.bench for lane in lanes]
    with work.phase(f"fit heads, {what}", len(lines) * len(splits), "trials") as phase:
        here = work.backend.workers == 1
        beside = threads() if here else 1
        order = _one_ahead if beside > 1 and not optional else _one_by_one
        heads = _Heads(work, phase, deque(order(ordered, splits)), optional, first)
        if not here:
            give_out(work, benches, heads.ask, heads.tell)
        else:
            alone = len(lines) * len(splits) == 1  # then it has every thread: there is nothing to fit beside it
            with one_thread(), torch_threads(beside if alone else 1):
                give_out(work, benches, heads.ask, heads.tell, backend=Threads(beside))
    return work.clock.elapsed() - before


def _place(line: Line) -> tuple[bool, bool, bool]:
    """The first answer comes first, then what takes longest."""
    return not _solved(line), line.family is not Family.SOFTMAX_ONLY, line.family is not Family.ALL_LAYER


def _one_by_one(lines: Sequence[Line], splits: Sequence[Split]) -> Iterator[tuple[Line, Split]]:
    return ((line, split) for line in lines for split in splits)


def _one_ahead(lines: Sequence[Line], splits: Sequence[Split]) -> Iterator[tuple[Line, Split]]:
    """For threads side by side: the first split of each line while the line before it is still on its way. What all splits of a
    line need is then worked out by one thread while the others have something to do."""
    first, *further = splits
    for line, following in zip_longest(lines, lines[1:]):
        if line is lines[0]:
            yield line, first
        if following is not None:
            yield following, first
        yield from ((line, split) for split in further)


@dataclass
class _Heads:
    """Frozen-trunk lines on splits; each trial is a pair of both.

    Attributes:
        lines: by their keys. left: trials of each that are not finished. longest: seconds of one so far.
    """

    work: Work
    phase: Phase
    waiting: deque[tuple[Line, Split]]
    optional: bool
    first: bool = False
    lines: dict[str, Line] = field(init=False)
    left: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    done: int = 0

    def __post_init__(self) -> None:
        self.lines = {_key(line.backbone, line.recipe): line for line, _ in self.waiting}
        self.left.update(_key(line.backbone, line.recipe) for line, _ in self.waiting)

    def ask(self) -> Task | None:
        while self.waiting:
            line, split = self.waiting.popleft()
            trial = first_trial(self.work, line, split) if self.first else _trial(self.work, line, split)
            if not self.optional or self.work.ledger.knows(trial) or self.work.clock.allows(self.longest, CLOSING_S):
                return Task(trial, split, self.work.lane(line.backbone).name)
            self.work.not_run.append(f"'{line.recipe}' was not run on every fold: no time.")
            self.waiting = deque(pair for pair in self.waiting if pair[0] != line)
        return None

    def tell(self, task: Task, result: Result | None) -> None:
        key = _key(task.trial.backbone, task.trial.recipe)
        self.longest = max(self.longest, result.seconds if result else 0.0)
        self.done += 1
        self.left[key] -= 1
        self.phase.done(self.done)
        if not self.left[key]:
            tell_finished(self.work, self.lines[key], task.trial.budget.rung)


def _key(backbone: str, recipe: Recipe) -> str:
    return f"{backbone} {recipe}"


def configurations(line: Line) -> tuple[str, ...]:
    """The settings that one trial of a frozen-trunk line evaluates together."""
    recipe = line.recipe
    if recipe.pixels == "forest":
        return (f"extra-trees={TREES}",)
    if recipe.head is not None and recipe.head.kind is HeadKind.MLP:
        rate = recipe.option("lr")
        return (f"lr={rate}",) if rate else tuple(f"lr={rate:g}" for rate in MLP_RATES)
    strength = recipe.option("l2")
    return (f"l2={strength}",) if strength else tuple(f"l2={value:g}" for value in STRENGTHS)


def _pass(work: Work, lane: Lane, weights: Weights) -> None:
    keep = boundaries(lane) if weights is Weights.PRETRAINED else []
    worth = worth_of_finals(work, lane) if keep else None
    known = lane.first.passes.get(weights) if lane.first else None
    lane.bench = run_pass(work, lane, lane.bench, weights, work.pool, keep, f"{weights.value} pass, {lane.name}", worth, known)
    for taps in () if known is None else (known, *known.further):
        work.activations.discard(taps.keys)
    served = [line for line in lane.lines if not line.deep and line.recipe.weights is weights]
    tell_sharing(work, lane.bench, weights, served, len(work.plan.splits))


def tell_sharing(work: Work, bench: Bench, weights: Weights, served: Sequence[Line], each: int) -> None:
    """Say what a pass has left for the trials, `each` of a line, that do not run the trunk themselves."""
    taps = bench.passes[weights]
    every = [taps, *taps.further]
    stored = sum(array.nbytes for one in every for arrays in (one.pooled, one.maps) for array in arrays.values())
    what = f"{PASSES[weights]} {bench.backbone.name} at {bench.backbone.spec.height} px"
    found = Sharing(what, len(taps.pooled), len(taps.rows), each * len(served), len(served), stored)
    work.ledger.listener.update(found)


def boundaries(lane: Lane) -> list[str]:
    """Cuts whose feature maps a deep line resumes from, deepest first: most work saved for the fewest bytes."""
    stages = lane.backbone.stages
    names = lane.backbone.stage_names
    ends = set()
    for line in lane.lines:
        if line.deep and line.recipe.weights is Weights.PRETRAINED and line.recipe.named <= set(names):
            ends.add(_prefix(line, names))
    return [stages[end - 1].cut.name for end in sorted(ends, reverse=True) if end]


def resumes(lane: Lane, line: Line) -> bool:
    """A deep line whose trials start from the stored output of a frozen prefix."""
    names = lane.backbone.stage_names
    if not line.deep or line.recipe.weights is not Weights.PRETRAINED or not line.recipe.named <= set(names):
        return False
    return _prefix(line, names) > 0


def _prefix(line: Line, names: tuple[str, ...]) -> int:
    if line.recipe.head is not None and line.recipe.head.kind is HeadKind.ALL_LAYER:
        return 0
    if line.recipe.trunk_frozen(names):
        return sum(action is not Action.DROP for action in line.recipe.actions(names))
    return line.recipe.frozen_prefix(names)


def run_pass(
    work: Work,
    lane: Lane,
    bench: Bench,
    weights: Weights,
    rows: IntArray,
    keep: list[str],
    name: str,
    worth: Mapping[str, float] | None = None,
    known: Taps | None = None,
) -> Bench:
    """`bench` with the taps of one pass over `rows` for each view that a recipe asks for.

    Args:
        worth: of the feature maps at the cuts to keep, seconds a byte.
        known: what a pass over some of the rows left, which are not run again.
    """
    keep = sorted(keep, key=lambda cut: -(worth or {}).get(cut, 0.0))  # of equals the deepest stays first
    shown = bench.views[: lane.views] if weights is Weights.PRETRAINED else bench.views[:1]
    with work.phase(name, len(rows) * len(shown), "images") as phase:
        passes = []
        for number, view in enumerate(shown):
            done = partial(_done, phase, number * len(rows))
            before = None if known is None else (known, *known.further)[number]
            passes.append(_one_view(work, lane, bench, weights, rows, keep, view, done, worth, before))
        missing = len(keep) - len(passes[0].maps)
        if missing:
            phase.note = f"{missing} of {len(keep)} feature maps did not fit the cache and are computed again"
    return with_pass(bench, weights, replace(passes[0], further=tuple(passes[1:])))


def _one_view(
    work: Work,
    lane: Lane,
    bench: Bench,
    weights: Weights,
    rows: IntArray,
    keep: list[str],
    view: View,
    progress: Callable[[int, int], None],
    worth: Mapping[str, float] | None,
    known: Taps | None,
) -> Taps:
    source, kernels, seed = bench.pixels((view,)), bench.kernels.forward, work.settings.seed
    data, cuts = work.dataset.fingerprint, lane.tapped
    spread = partial(_share_out, work, progress) if _worth_sharing(work, bench, len(rows)) else None
    return tapped_pass(
        bench.backbone, weights, seed, source, rows, data, work.activations, kernels, keep, cuts, progress, spread, worth, known
    )


def _worth_sharing(work: Work, bench: Bench, images: int) -> bool:
    """A short pass is over before the workers have been started."""
    return work.backend.workers > 1 and bench.backbone.origin is not None and images * bench.kernels.forward_s > LEAST_SHARED_S


def _share_out(work: Work, progress: Callable[[int, int], None], fill: FillShard, images: int) -> None:
    """Every slice of the images by somebody; by this process what nobody else came through with."""
    waiting, done = deque(shards(images, PARTS_A_WORKER * work.backend.workers)), 0
    with closing(work.backend.run(fill, lambda: waiting.popleft() if waiting else None, work.check)) as run:
        for shard, found in run:
            done += fill(shard, work.check) if isinstance(found, Lost) else found
            progress(done, images)


def _done(phase: Phase, before: int, done: int, total: int) -> None:
    phase.done(before + done)
