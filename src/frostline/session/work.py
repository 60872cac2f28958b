"""What every step of a search shares: the data, the folds, the benches, the ledger and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from frostline.backbones import LoadedBackbone
from frostline.backends import Backend, Serial
from frostline.compute.bench import Bench
from frostline.compute.build import fitting
from frostline.compute.frozen import shown_views
from frostline.compute.materialise import Taps
from frostline.data import PixelStore, scored_labels, units_of
from frostline.planning.planner import TAPPED
from frostline.session.clock import Clock
from frostline.session.ledger import Ledger
from frostline.stats.decide import Truth
from frostline.store.activations import ActivationStore
from frostline.store.checkpoints import CheckpointStore
from frostline.store.run_folder import RunFolder
from frostline.strategy.families import Line
from frostline.terms.candidate import Candidate
from frostline.terms.curve import LearningCurve
from frostline.terms.data import Dataset, Split, SplitPlan
from frostline.terms.progress import PhaseEnded, PhaseStarted, Progressed, RecipeFinished, Shared, Warned
from frostline.terms.recipe import Weights
from frostline.terms.result import IntArray
from frostline.terms.settings import Settings
from frostline.terms.trial import Budget, Trial


@dataclass
class Lane:
    """One backbone with its lines and benches.

    Attributes:
        bench: at full size; `screen` at the screening size, made when it is needed.
        first: at full size, with passes over the images of the first rung, until all images have been run through.
        order: its place on the command line.
    """

    backbone: LoadedBackbone
    order: int
    lines: list[Line]
    bench: Bench
    screen: Bench | None = None
    first: Bench | None = None

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def between(self) -> list[str]:
        """Cuts between the stages, evenly spread, at which probes show how the features grow.

        None between a convolution and its normalisation, which are one in a pass.
        """
        ends = {stage.cut.name for stage in self.backbone.stages}
        cuts = [cut.name for cut in self.backbone.cuts if cut.name not in ends | self.backbone.divided]
        room = min(len(cuts), max(0, TAPPED - len(ends)))
        return list(dict.fromkeys(cuts[round(place)] for place in np.linspace(0, len(cuts) - 1, room))) if cuts else []

    @property
    def tapped(self) -> list[str]:
        """Cuts whose pooled values a pass keeps: where a stage of some recipe ends, and those of the probes."""
        ends = {stage.cut.name for line in self.lines for stage in fitting(line.recipe, self.backbone).stages}
        ends |= {stage.cut.name for stage in self.backbone.stages} | set(self.between)
        return [cut.name for cut in self.backbone.cuts if cut.name in ends]

    @property
    def views(self) -> int:
        """How many views of each image a frozen trunk is run over."""
        return max((shown_views(line.recipe) for line in self.lines), default=1)


WORTH_WRITING_S = 10.0  # a phase of so many seconds is written down at once; writing takes some hundredths of one


@dataclass
class Work:
    """The state of one search.

    Attributes:
        backend: carries out the trials. pace: how many times longer one takes there at most than the kernels' seconds say.
        inner: part of the common fold's training images held out of them: screening never sees what the fold judges with.
        checkpoints: of trials that a longer one may go on from, and networks that may be taken apart; kept no longer than that.
        splits: the folds in use: a short time leaves out repeats of the plan's.
        opened_at: when the sealed test set was opened, perhaps by an earlier start of this run; None: it is sealed.
        curve: how the error falls with the number of images, where that was asked for; curve_s: seconds that it may take.
        over_s: seconds that the smallest verdict is expected to take beyond the time limit.
        notes: sentences for the report; not_run: what time or memory did not allow.
        registered: SHA-256 of the plan and when it was written, before the first result; empty where that cannot be said.
        dropped: lines that the first rung found clearly behind: they are not run on all images.
        first_images: of the first rung; 0 where there is none.
        decided: the last checkpoint has been passed.
        earlier_s: what earlier starts of the run took, as far as they could write it down.
        cache_told: that stored activations found no room was said. told: of a recipe on a backbone, what was last said of it.
    """

    folder: RunFolder
    settings: Settings
    dataset: Dataset
    plan: SplitPlan
    clock: Clock
    ledger: Ledger
    activations: ActivationStore
    checkpoints: CheckpointStore
    lanes: list[Lane]
    pixel_lines: list[Line]
    store: PixelStore
    splits: list[Split]
    inner: Split
    backend: Backend = field(default_factory=Serial)
    pace: float = 1.0
    opened_at: str | None = None
    curve: LearningCurve | None = None
    curve_s: float = 0.0
    over_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    registered: tuple[str, ...] = ()
    dropped: frozenset[Line] = frozenset()
    first_images: int = 0
    decided: bool = False
    earlier_s: float = 0.0
    cache_told: bool = False
    told: dict[tuple[str, str], RecipeFinished] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Of the run so far, all its starts together."""
        return self.earlier_s + self.clock.elapsed()

    @property
    def classes(self) -> int:
        return len(self.dataset.classes)

    @property
    def pool(self) -> IntArray:
        return np.asarray(self.plan.pool, np.int64)

    @property
    def common(self) -> Split:
        """The fold on which finalists are first compared, and inside whose training part deep recipes are screened."""
        return self.plan.splits[0]

    def lines(self) -> list[Line]:
        return [*self.pixel_lines, *(line for lane in self.lanes for line in lane.lines)]

    def lane(self, name: str) -> Lane:
        """The lane of backbone `name`; pixels use the first."""
        return next((lane for lane in self.lanes if lane.name == name), self.lanes[0])

    @cached_property
    def truth(self) -> Truth:
        """Labels and groups as the decision sees them."""
        return truth_of(self.dataset)

    def candidates(self) -> list[Candidate]:
        return [self.candidate(line) for line in self.lines()]

    def candidate(self, line: Line) -> Candidate:
        """The line as the decision sees it, before its trials are looked at."""
        if not line.backbone:
            return Candidate(str(line.recipe), line.family, transferred=())
        lane = self.lane(line.backbone)
        stages = lane.backbone.description.stages_with(line.recipe.named)
        names = tuple(stage.name for stage in stages)
        flops = sum(stage.flops for stage in stages if stage.name in line.recipe.kept(names))
        transferred = line.recipe.transferred(names) if names == lane.backbone.stage_names else None
        return Candidate(str(line.recipe), line.family, line.backbone, lane.order, flops=flops, transferred=transferred)

    def trial(
        self, line: Line, split: Split, configurations: tuple[str, ...], budget: Budget, options: dict[str, str] | None = None
    ) -> Trial:
        """A trial of `line`; the same line, split and budget always give the same id.

        Every split trains with a seed of its own, so that repeats differ in it too.
        """
        pairs = tuple(sorted((options or {}).items()))
        digest = self.lane(line.backbone).backbone.digest if line.backbone else ""
        return Trial(line.backbone, digest, line.recipe, line.family.value, pairs, split.name, split.seed, budget, configurations)

    @contextmanager
    def phase(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Phase]:
        """Tell the listener that a phase begins and ends, and keep its seconds."""
        before = self.clock.elapsed()
        self.ledger.listener.update(PhaseStarted(name, total, unit))
        phase, finished = Phase(self, name), False
        try:
            yield phase
            finished = True
        finally:
            seconds = self.clock.elapsed() - before
            self.clock.spend(name, seconds)
            self.ledger.listener.update(PhaseEnded(name, seconds, phase.note, finished))
        if seconds >= WORTH_WRITING_S:
            self.keep_time()

    def keep_time(self) -> None:
        """Write down what the run took so far, should it be killed."""
        self.folder.write_section("took_s", round(self.seconds, 1))

    def say(self, sentence: str) -> None:
        """Tell the listener what is shared."""
        self.ledger.listener.update(Shared(sentence))

    def warn(self, sentence: str) -> None:
        """Tell the listener what nobody should miss."""
        self.ledger.listener.update(Warned(sentence))

    def check(self) -> None:
        """Stop here if the user asked to."""
        self.clock.watch()()


def truth_of(dataset: Dataset) -> Truth:
    """Labels, groups and patients of a data set. Images that no split parts are one group: they are drawn together too.

    Answers to labels that are too rare to be scored count as not known.
    """
    labels = dataset.targets()
    if dataset.several:
        labels[:, ~scored_labels(dataset)] = np.nan
    return Truth(labels, units_of(dataset), dataset.classes, _patients(dataset) if dataset.grouped else None)


def _patients(dataset: Dataset) -> IntArray:
    """(N,) numbers; a sample without a group stands for itself."""
    numbers: dict[str | int, int] = {}
    own = ((index, sample.group) for index, sample in enumerate(dataset.samples))
    return np.asarray([numbers.setdefault(index if group is None else group, len(numbers)) for index, group in own], np.int64)


@dataclass
class Phase:
    """A running phase; `done` counts its units."""

    work: Work
    name: str
    note: str = ""

    def done(self, count: int) -> None:
        self.work.ledger.listener.update(Progressed(self.name, count))
        self.work.check()


def with_pass(bench: Bench, weights: Weights, taps: Taps) -> Bench:
    """`bench` with one more pass."""
    return replace(bench, passes={**bench.passes, weights: taps})
