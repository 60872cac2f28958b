"""How long the search will take, told before it starts and again as its parts finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from frostline.planning.allot import screening_size
from frostline.planning.cost import CostModel
from frostline.planning.forecast import CLOSING_S, Forecast, Panel, Scale, forecast, least_s
from frostline.session.work import Work
from frostline.stats.bootstrap import units_of
from frostline.stats.decide import PLAIN, Truth
from frostline.stats.power import smallest_detectable_difference
from frostline.strategy.families import Line
from frostline.terms.backbone import Backbone
from frostline.terms.data import SplitPlan
from frostline.terms.kernels import Kernels
from frostline.terms.progress import Remaining
from frostline.terms.quantities import duration


def foresee(work: Work) -> Forecast:
    """The forecast of the full panel; says it, and that a time limit is too short for any verdict where it is."""
    panels = [panel_of(lane.backbone.description, lane.bench.kernels, lane.lines) for lane in work.lanes]
    scale = scale_of(work.plan, work.classes)
    found = forecast(panels, scale)
    parts = ", ".join(f"{field.name} {duration(getattr(found, field.name))}" for field in fields(found))
    work.say(f"The full panel would take about {duration(found.total)} here: {parts}.")
    smallest = detectable(work.plan, work.truth, work.settings.metric)
    size = f"{100 * smallest:.1f} points of {work.settings.metric}"
    work.say(f"With these images a true difference of about {size} will probably be found, a smaller one may stay hidden.")
    _warn(work, least_s(panels, scale))
    return found


def tell_remaining(work: Work, seconds: float) -> None:
    """Send what is left: `seconds`, or what the time limit leaves where that is less; closing always takes its time."""
    left = work.clock.left()
    work.ledger.listener.update(Remaining(seconds if left is None else min(seconds, max(left, CLOSING_S))))


def detectable(plan: SplitPlan, truth: Truth, metric: str, more: int = 1) -> float:
    """The true difference that a claim finds in at least 80 % of runs, with `more` times the images (and groups) of `plan`.

    What counts are the units that are validated: groups (patients) where there are any.
    """
    scale = scale_of(plan, len(truth.classes))
    images = plan.pool if scale.folds > 1 else plan.splits[0].validation
    units = units_of(np.asarray(images, np.int64), truth.numbered())
    counts = None if metric in PLAIN else (more * np.bincount(units.strata)).tolist()
    return smallest_detectable_difference(more * units.count, max(2, scale.folds), scale.repeats, class_counts=counts)


def _warn(work: Work, least: float) -> None:
    limit = work.clock.limit_s
    if limit is not None and least > limit - work.clock.elapsed():
        note = (
            f"--time {duration(limit)} is less than a verdict needs here, about {duration(least + work.clock.elapsed())}:"
            " both passes, the heads on one draw of the folds, and closing are run all the same."
        )
        work.notes.append(note)
        work.say(note)


def panel_of(backbone: Backbone, kernels: Kernels, lines: Sequence[Line]) -> Panel:
    """The lines of one backbone with their costs; those at the screening size are estimated from the full size."""
    size = backbone.spec.height if backbone.spec.fixed_size else screening_size(backbone.spec.height)
    smaller = (size / backbone.spec.height) ** 2
    scaled = replace(kernels, size=size, forward_s=kernels.forward_s * smaller, train_s=kernels.train_s * smaller)
    frozen = tuple(line.recipe for line in lines if not line.deep)
    deep = tuple(line.recipe for line in lines if line.deep)
    return Panel(CostModel(backbone, kernels), CostModel(backbone, scaled), frozen, deep)


def scale_of(plan: SplitPlan, classes: int) -> Scale:
    """How many images the search works on."""
    repeats, common = len({split.repeat for split in plan.splits}), plan.splits[0]
    return Scale(
        pool=len(plan.pool),
        train=len(common.train),
        validation=len(common.validation),
        folds=-(-len(plan.splits) // repeats),
        repeats=repeats,
        sealed=len(plan.sealed),
        classes=classes,
    )
