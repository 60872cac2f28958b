"""How long the search will take, told before it starts and again as its parts finish."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from frostline.planning.allot import screening_size
from frostline.planning.cost import CostModel
from frostline.planning.forecast import Forecast, Panel, Scale, forecast, least_s
from frostline.session.work import Lane, Work
from frostline.stats.decide import PLAIN
from frostline.stats.power import smallest_detectable_difference
from frostline.terms.progress import Remaining
from frostline.terms.quantities import duration


def foresee(work: Work) -> Forecast:
    """The forecast of the full panel; says it, and that a time limit is too short for any verdict where it is."""
    panels, scale = [_panel(lane) for lane in work.lanes], _scale(work)
    found = forecast(panels, scale)
    parts = ", ".join(f"{field.name} {duration(getattr(found, field.name))}" for field in fields(found))
    work.say(f"The full panel would take about {duration(found.total)} here: {parts}.")
    work.say(f"With these images {_detectable(work, scale)}.")
    _warn(work, least_s(panels, scale))
    return found


def tell_remaining(work: Work, seconds: float) -> None:
    """Send what is left: `seconds`, or what the time limit leaves where that is less."""
    left = work.clock.left()
    work.ledger.listener.update(Remaining(seconds if left is None else max(0.0, min(seconds, left))))


def _detectable(work: Work, scale: Scale) -> str:
    counts = np.bincount(work.ledger.labels[work.pool], minlength=work.classes).tolist()
    images = scale.pool if scale.folds > 1 else scale.validation
    counted = None if work.settings.metric in PLAIN else counts
    found = smallest_detectable_difference(images, max(2, scale.folds), scale.repeats, class_counts=counted)
    size = f"{100 * found:.1f} points of {work.settings.metric}"
    return f"a true difference of about {size} will probably be found, a smaller one may stay hidden"


def _warn(work: Work, least: float) -> None:
    limit = work.clock.limit_s
    if limit is not None and least > limit - work.clock.elapsed():
        note = (
            f"--time {duration(limit)} is less than a verdict needs here, about {duration(least + work.clock.elapsed())}:"
            " both passes, the heads on one draw of the folds, and closing are run all the same."
        )
        work.notes.append(note)
        work.say(note)


def _panel(lane: Lane) -> Panel:
    backbone, kernels = lane.backbone, lane.bench.kernels
    size = backbone.spec.height if backbone.spec.fixed_size else screening_size(backbone.spec.height)
    smaller = (size / backbone.spec.height) ** 2
    scaled = replace(kernels, size=size, forward_s=kernels.forward_s * smaller, train_s=kernels.train_s * smaller)
    frozen = tuple(line.recipe for line in lane.lines if not line.deep)
    deep = tuple(line.recipe for line in lane.lines if line.deep)
    return Panel(CostModel(backbone.description, kernels), CostModel(backbone.description, scaled), frozen, deep)


def _scale(work: Work) -> Scale:
    repeats = len({split.repeat for split in work.plan.splits})
    common = work.common
    return Scale(
        pool=len(work.plan.pool),
        train=len(common.train),
        validation=len(common.validation),
        folds=-(-len(work.plan.splits) // repeats),
        repeats=repeats,
        sealed=len(work.plan.sealed),
        classes=work.classes,
    )
