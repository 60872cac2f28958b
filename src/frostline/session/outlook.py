"""How long the search will take, told before it starts and again as its parts finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from frostline import data
from frostline.planning.allot import screening_size
from frostline.planning.cost import CostModel
from frostline.planning.forecast import (
    CLOSING_S,
    Forecast,
    Panel,
    Scale,
    forecast,
    kept_for_curve_s,
    kept_for_explanation_s,
    least_s,
)
from frostline.session.work import Work
from frostline.stats.bootstrap import Units, units_of
from frostline.stats.decide import PLAIN, Truth
from frostline.stats.metrics import METRICS
from frostline.stats.power import images_for_equality, smallest_detectable_difference
from frostline.stats.rule import LARGEST_DELTA
from frostline.strategy.families import Line
from frostline.terms.backbone import Backbone
from frostline.terms.data import SplitPlan
from frostline.terms.kernels import Kernels
from frostline.terms.plan import Reach
from frostline.terms.progress import Remaining
from frostline.terms.quantities import duration, plural

MORE = (1, 2, 4, 10)  # times the images


def foresee(work: Work) -> Forecast:
    """The forecast of the full panel; says it, and that a time limit is too short for any verdict where it is."""
    panels = [panel_of(lane.backbone.description, lane.bench.kernels, lane.lines) for lane in work.lanes]
    scale = scale_of(work.plan, work.classes)
    found = forecast(panels, scale, curve=work.settings.learning_curve)
    work.curve_s = found.curve
    if work.clock.limit_s is not None:
        work.curve_s = kept_for_curve_s(work.clock.limit_s, found.curve)
        work.clock.kept_s = work.curve_s + kept_for_explanation_s(work.clock.limit_s)
    seconds = {field.name: getattr(found, field.name) for field in fields(found)}
    parts = ", ".join(f"{name} {duration(taken)}" for name, taken in seconds.items() if taken or name != "curve")
    work.say(f"The full panel would take about {duration(found.total)} here: {parts}.")
    _say_reach(work)
    _warn(work, least_s(panels, scale))
    return found


def tell_remaining(work: Work, seconds: float) -> None:
    """Send what is left: `seconds`, or what the time limit leaves where that is less; closing always takes its time."""
    left = work.clock.left(-work.clock.kept_s)
    work.ledger.listener.update(Remaining(seconds if left is None else min(seconds, max(left, CLOSING_S))))


def _say_reach(work: Work) -> None:
    now, twice, *_, most = reaches(work.plan, work.truth, work.settings.metric)
    size = f"{100 * now.difference:.1f} points of {METRICS[work.settings.metric].title}"
    more = f"about {100 * twice.difference:.1f} with twice as many images, {100 * most.difference:.1f} with {most.times} times"
    work.say(
        f"With these images a true difference of about {size} will probably be found, a smaller one may stay hidden: {more}."
    )
    delta = work.settings.delta or LARGEST_DELTA
    needed, unit = equality_units(work.plan, work.truth, work.settings.metric, delta)
    work.say(f"To claim no practical difference, within {100 * delta:.1f} points, takes some {plural(needed, unit)}.")


def reaches(plan: SplitPlan, truth: Truth, metric: str) -> tuple[Reach, ...]:
    """What the images of `plan` could tell apart, and what several times as many could."""
    return tuple(_reach(plan, truth, metric, more) for more in MORE)


def _reach(plan: SplitPlan, truth: Truth, metric: str, more: int) -> Reach:
    """With `more` times the images and groups, split as so many would be. What counts are the units that are validated."""
    pool = units_of(np.asarray(plan.pool, np.int64), truth)
    _, repeats, share = data.draws_at(more * len(plan.pool))
    if plan.kind == "own-validation":
        repeats, share = 1, _validated(plan, truth).count / pool.count
    counted = max(1, round(more * share * pool.count))
    found = smallest_detectable_difference(counted, repeats=repeats, class_counts=_class_counts(plan, truth, metric))
    return Reach(more, more * len(plan.pool), more * pool.count, found)


def equality_units(plan: SplitPlan, truth: Truth, metric: str, delta: float) -> tuple[int, str]:
    """(how many, `group` or `image`) must be validated for the claim *no practical difference* at `delta`."""
    needed = images_for_equality(delta, class_counts=_class_counts(plan, truth, metric))
    return needed, _validated(plan, truth).name


def _class_counts(plan: SplitPlan, truth: Truth, metric: str) -> list[int] | None:
    """Of the validated units, where the metric weighs classes alike."""
    return None if metric in PLAIN else list(map(int, np.bincount(_validated(plan, truth).strata)))


def _validated(plan: SplitPlan, truth: Truth) -> Units:
    """The units that are validated: in one repeat of the folds, or in the first hold-out."""
    folds = len(plan.splits) > _repeats(plan)
    return units_of(np.asarray(plan.pool if folds else plan.splits[0].validation, np.int64), truth)


def _repeats(plan: SplitPlan) -> int:
    return len({split.repeat for split in plan.splits})


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
    repeats, common = _repeats(plan), plan.splits[0]
    return Scale(
        pool=len(plan.pool),
        train=len(common.train),
        validation=len(common.validation),
        folds=-(-len(plan.splits) // repeats),
        repeats=repeats,
        sealed=len(plan.sealed),
        classes=classes,
    )
