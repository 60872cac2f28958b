"""How long the search will take, told before it starts and again as its parts finish."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from frostline.planning.forecast import CLOSING_S, Forecast, forecast, kept_for_curve_s, kept_for_explanation_s, least_s
from frostline.session.panels import MORE, panel_of, reach_of, repeats_of, scale_of
from frostline.session.work import Work
from frostline.stats.bootstrap import Units, units_of
from frostline.stats.decide import Truth
from frostline.stats.metrics import METRICS, PLAIN
from frostline.stats.power import images_for_equality
from frostline.stats.rule import LARGEST_DELTA
from frostline.terms.data import SplitPlan
from frostline.terms.plan import Reach
from frostline.terms.progress import Remaining
from frostline.terms.quantities import duration, plural

UNSURE = 1.5  # times: how far a forecast from a few seconds' measurements is usually off, either way


def foresee(work: Work) -> Forecast:
    """The forecast of the full panel; says it, and that a time limit is too short for any verdict where it is."""
    panels = [panel_of(lane.backbone.description, lane.bench.kernels, lane.lines) for lane in work.lanes]
    scale = scale_of(work.plan, work.classes)
    found = forecast(panels, scale, curve=work.settings.learning_curve)
    work.curve_s = found.curve
    if work.clock.limit_s is not None:
        work.curve_s = kept_for_curve_s(work.clock.limit_s, found.curve)
        work.clock.kept_s = work.curve_s + kept_for_explanation_s(work.clock.limit_s)
    _say_forecast(work, found)
    _say_reach(work)
    _warn(work, least_s(panels, scale))
    return found


def _say_forecast(work: Work, found: Forecast) -> None:
    """The estimate as a range; never more than the time that there is: what a limit leaves out is no matter of waiting."""
    left = work.clock.left(-work.clock.kept_s)
    if left is not None and found.total > left:
        work.say(
            f"{_whole(work)} does not fit into --time {duration(work.clock.limit_s or 0.0)}: what decides most is run first, and"
            " what was left out is said at the end."
        )
        return
    seconds = {field.name: getattr(found, field.name) for field in fields(found)}
    parts = ", ".join(f"{name} {duration(taken)}" for name, taken in seconds.items() if taken or name != "curve")
    low, high = found.total / UNSURE, found.total * UNSURE
    high = high if left is None else min(high, left)
    work.say(f"{_whole(work)} takes {duration(low)} to {duration(high)} here, most likely {duration(found.total)}: {parts}.")


def _whole(work: Work) -> str:
    return "What was asked for" if work.settings.recipes else "The full panel"


def tell_remaining(work: Work, seconds: float) -> None:
    """Send what is left: `seconds`, or what the time limit leaves where that is less; closing always takes its time."""
    left = work.clock.left(-work.clock.kept_s - work.over_s)
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
    own = _validated(plan, truth).count / pool.count if plan.kind == "own-validation" else None
    return reach_of(more, len(plan.pool), pool.count, own, _class_counts(plan, truth, metric))


def equality_units(plan: SplitPlan, truth: Truth, metric: str, delta: float) -> tuple[int, str]:
    """(how many, `group` or `image`) must be validated for the claim *no practical difference* at `delta`."""
    needed = images_for_equality(delta, class_counts=_class_counts(plan, truth, metric))
    return needed, _validated(plan, truth).name


def _class_counts(plan: SplitPlan, truth: Truth, metric: str) -> list[int] | None:
    """Of the validated units, where the metric weighs classes alike."""
    return None if metric in PLAIN else list(map(int, np.bincount(_validated(plan, truth).strata)))


def _validated(plan: SplitPlan, truth: Truth) -> Units:
    """The units that are validated: in one repeat of the folds, or in the first hold-out."""
    folds = len(plan.splits) > repeats_of(plan)
    return units_of(np.asarray(plan.pool if folds else plan.splits[0].validation, np.int64), truth)


def _warn(work: Work, least: float) -> None:
    limit = work.clock.limit_s
    if limit is not None and least > limit - work.clock.elapsed():
        work.over_s = least + work.clock.elapsed() - limit
        note = (
            f"--time {duration(limit)} is less than a verdict needs here, about {duration(least + work.clock.elapsed())}:"
            " the passes, the heads on one draw of the folds, and closing are run all the same."
        )
        work.notes.append(note)
        work.warn(note)
