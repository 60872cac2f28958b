"""How long a search will take: said before it starts, and again whenever a part of it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from frostline.planning.allot import (
    FREE_EPOCHS,
    FREE_SCRATCH_EPOCHS,
    TRIAL_OVERHEAD_S,
    Load,
    Screening,
    epochs_of,
    finals,
    screening,
)
from frostline.planning.cost import CostModel
from frostline.terms.curve import DIVISORS, DRAWS
from frostline.terms.plan import Fit
from frostline.terms.recipe import Recipe, Weights
from frostline.terms.schedule import SCREENED_ON, common_epochs

TESTED = 3  # models that look at the sealed images: the chosen one, softmax-only and the best control
CLOSING_S = 20.0  # verdict, evidence, files and page, without any training
FINALISTS = 4
PLATEAU = 3 * FREE_SCRATCH_EPOCHS  # epochs of scratch on the common fold: once, and twice as long to see that nothing is gained
CURVE_SHARE = 0.2  # of a time limit: kept for the learning curve, where one is wanted
EXPLANATION_SHARE = 0.05  # of a time limit: kept for taking the chosen model apart
SECOND_RUNG = 3  # times the epochs of the first, for a third of the trials


@dataclass(frozen=True)
class Scale:
    """How many images a search works on.

    Attributes:
        pool: everything that is not sealed. train, validation: of the common fold.
        folds: of one repeat; repeats: how often they are drawn.
    """

    pool: int
    train: int
    validation: int
    folds: int
    repeats: int
    sealed: int
    classes: int

    @property
    def screened(self) -> int:
        """Images by which a screening trial is judged."""
        return min(self.validation, SCREENED_ON)


@dataclass(frozen=True)
class Panel:
    """The lines of one backbone with what they cost at full size and at the screening size."""

    full: CostModel
    screen: CostModel
    frozen: tuple[Recipe, ...]
    deep: tuple[Recipe, ...]


@dataclass(frozen=True)
class Forecast:
    """Seconds of each part of a search, in the order in which they come."""

    passes: float
    heads: float
    screening: float
    finalists: float
    curve: float
    closing: float

    @property
    def total(self) -> float:
        return self.after("")

    def after(self, part: str) -> float:
        """Seconds of the parts that come after `part`; of all of them for an empty name."""
        names = [field.name for field in fields(self)]
        left = names[names.index(part) + 1 :] if part else names
        return float(sum(getattr(self, name) for name in left))


def forecast(panels: Sequence[Panel], scale: Scale, rates: int = 3, curve: bool = False) -> Forecast:
    """What a search without a time limit will take, from measured throughput; machines are noisy, so +-50 % is usual.

    Args:
        rates: learning rates that a line is screened with. curve: with a learning curve.
    """
    loads = [Load(panel.screen, panel.deep) for panel in panels]
    allotted = screening(loads, rates, scale.train, scale.screened, None)
    return Forecast(
        passes=passes_s(panels, scale),
        heads=scale.folds * scale.repeats * heads_s(panels, scale),
        screening=sum(screening_s(panel, scale, allotted, rates) for panel in panels),
        finalists=max((finalists_s(panel, scale) for panel in panels), default=0.0),
        curve=max((curve_s(panel, scale) for panel in panels), default=0.0) if curve else 0.0,
        closing=CLOSING_S + max((closing_s(panel, scale) for panel in panels), default=0.0),
    )


def least_s(panels: Sequence[Panel], scale: Scale) -> float:
    """Seconds that the smallest verdict takes: the passes, the heads on one draw of the folds, and closing."""
    return passes_s(panels, scale) + scale.folds * heads_s(panels, scale) + CLOSING_S


def passes_s(panels: Sequence[Panel], scale: Scale) -> float:
    """Of each backbone one with every kind of weights that frozen recipes start from; with its own for deep ones, too."""
    return sum(len(_passed(panel)) * panel.full.pass_s(scale.pool) for panel in panels)


def _passed(panel: Panel) -> set[Weights]:
    deep = {recipe.weights for recipe in panel.deep} & {Weights.PRETRAINED}
    return deep | {recipe.weights for recipe in panel.frozen}


def fit(panels: Sequence[Panel], scale: Scale, decode_s: float, time_s: float, rates: int = 3, curve: bool = False) -> Fit:
    """What a time limit leaves room for, as the search itself will divide it; the dearest tuned recipe is planned for.

    Args:
        decode_s: for all images.
        rates: learning rates that a line is screened with. curve: with a learning curve, for which some time is kept.
    """
    least = decode_s + least_s(panels, scale)
    kept = kept_for_curve_s(time_s, max((curve_s(panel, scale) for panel in panels), default=0.0)) if curve else 0.0
    left = time_s - kept - kept_for_explanation_s(time_s) - least + CLOSING_S
    deep = [(panel, recipe) for panel in panels for recipe in panel.deep]
    if left <= CLOSING_S or not deep:
        return Fit(time_s, least)
    allotted = screening([Load(panel.screen, panel.deep) for panel in panels], rates, scale.train, scale.screened, left)
    left -= min(left / 2, sum(screening_s(panel, scale, allotted, rates) for panel in panels))
    tuned = [pair for pair in deep if pair[1].weights is Weights.PRETRAINED]
    scratch = [pair for pair in deep if pair[1].weights is Weights.RANDOM]
    tuned.sort(key=lambda pair: -pair[0].full.image_s(pair[1]))
    best, control = (_load(pairs or deep, pairs[:1]) for pairs in (tuned, scratch))
    found = finals(best, control, scale.train, scale.pool, left - CLOSING_S)
    return Fit(time_s, least, allotted.images, allotted.epochs, allotted.second_rung, found.epochs, found.scratch_epochs)


def _load(pairs: Sequence[tuple[Panel, Recipe]], chosen: Sequence[tuple[Panel, Recipe]]) -> Load:
    return Load(pairs[0][0].full, tuple(recipe for _, recipe in chosen))


def heads_s(panels: Sequence[Panel], scale: Scale) -> float:
    """All heads on frozen trunks, on one fold."""
    return sum(panel.full.head_s(recipe, scale.train, scale.classes) for panel in panels for recipe in panel.frozen)


def screening_s(panel: Panel, scale: Scale, allotted: Screening, rates: int, shared: bool = True) -> float:
    """All screening trials of one backbone.

    Args:
        shared: from the stored output of their frozen prefixes, and the second rung from the states that the first one left.
    """
    if not panel.deep:
        return 0.0
    images, epochs = allotted.images, screening_epochs(allotted, shared)
    trials = 1 + (1 / SECOND_RUNG if allotted.second_rung else 0)
    total = 0.0
    for recipe in panel.deep:
        around = TRIAL_OVERHEAD_S + panel.screen.evaluation_s(recipe, scale.screened, shared)
        total += rates * (panel.screen.training_s(recipe, images, 1, shared) * epochs + trials * around)
    return total + (panel.screen.pass_s(images + scale.screened) if shared else 0.0)


def screening_epochs(allotted: Screening, shared: bool) -> float:
    """Of each recipe and rate, on average over those that go on and those that do not."""
    if not allotted.second_rung:
        return allotted.epochs
    again = SECOND_RUNG * allotted.epochs - (common_epochs(allotted.epochs) if shared else 0)
    return allotted.epochs + again / SECOND_RUNG


def finalists_s(panel: Panel, scale: Scale) -> float:
    """Four transfer recipes of the mean cost on all folds, and scratch: to its plateau on one, as long on the others."""
    splits = scale.folds * scale.repeats
    transfer = [recipe for recipe in panel.deep if recipe.weights is Weights.PRETRAINED]
    scratch = [recipe for recipe in panel.deep if recipe.weights is Weights.RANDOM]
    total = 0.0
    if transfer:
        one_s = [panel.full.training_s(recipe, scale.train, epochs_of(recipe, FREE_EPOCHS)) for recipe in transfer]
        mean = sum(one_s) / len(one_s)
        total += min(FINALISTS, len(transfer)) * splits * mean
    if scratch:
        own = scratch[0].option("epochs")
        total += panel.full.training_s(scratch[0], scale.train, splits * int(own) if own else scratch_epochs(splits))
    return total


def settled_s(panels: Sequence[Panel], scale: Scale) -> float:
    """Seconds of the finalists' trials on further draws of the folds, which are left out where their ranking has settled.

    It can have settled after the first draw of several folds; of single hold-outs two have to be compared.
    """
    settled = replace(scale, repeats=min(scale.repeats, 1 if scale.folds > 1 else 2))
    return sum(finalists_s(panel, scale) - finalists_s(panel, settled) for panel in panels)


def scratch_epochs(splits: int, shared: bool = True) -> int:
    """Over all splits: to the plateau on the first, as long as that took on the others.

    Args:
        shared: epochs that the trials on the first have in common run once.
    """
    first = PLATEAU - (common_epochs(FREE_SCRATCH_EPOCHS) if shared else 0)
    return first + (splits - 1) * FREE_SCRATCH_EPOCHS


def curve_s(panel: Panel, scale: Scale, shared: bool = True) -> float:
    """A learning curve of the dearest transfer recipe and of scratch; with frozen features it costs next to nothing.

    Each part trains for as many steps as all images do; the trial on all of them in the first draw is a finalist's.
    """
    total = 0.0
    for weights, epochs in ((Weights.PRETRAINED, FREE_EPOCHS), (Weights.RANDOM, FREE_SCRATCH_EPOCHS)):
        trials = [_trial_s(panel.full, recipe, scale, epochs, shared) for recipe in panel.deep if recipe.weights is weights]
        total += (len(DIVISORS) * DRAWS - shared) * max(trials, default=0.0)
    return total


def _trial_s(costs: CostModel, recipe: Recipe, scale: Scale, epochs: int, shared: bool) -> float:
    """One trial at full size, of so many epochs where the recipe does not say how many."""
    trained = costs.training_s(recipe, scale.train, epochs_of(recipe, epochs), shared)
    return trained + costs.evaluation_s(recipe, scale.validation, shared)


def kept_for_curve_s(time_s: float, curve_s: float) -> float:
    """Seconds of a time limit that nothing before the learning curve may use."""
    return min(CURVE_SHARE * time_s, curve_s)


def kept_for_explanation_s(time_s: float | None) -> float:
    """Seconds of a time limit that nothing before the explanation may use."""
    return EXPLANATION_SHARE * (time_s or 0.0)


def closing_s(panel: Panel, scale: Scale) -> float:
    """The chosen recipe fitted again; the dearest is planned for."""
    dearest = max(
        (panel.full.training_s(recipe, scale.pool, epochs_of(recipe, FREE_EPOCHS)) for recipe in panel.deep), default=0.0
    )
    return dearest + TESTED * panel.full.pass_s(scale.sealed)
