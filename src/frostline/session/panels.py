"""What forecasts are made of: lines with their costs, how many images there are, and what these could tell apart."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from frostline import data
from frostline.planning.allot import screening_size
from frostline.planning.cost import CostModel
from frostline.planning.forecast import Panel, Scale
from frostline.stats.power import smallest_detectable_difference
from frostline.strategy.families import Line
from frostline.terms.backbone import Backbone
from frostline.terms.data import SplitPlan
from frostline.terms.kernels import Kernels
from frostline.terms.plan import Reach

MORE = (1, 2, 4, 10)  # times the images
MOST_CACHE_BYTES = 16 * 2**30


def cache_room(out: Path, asked: int | None) -> int:
    """Bytes for activations: as asked, else half of what is free where `out` is or will be, bounded."""
    if asked is not None:
        return asked
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    return min(MOST_CACHE_BYTES, shutil.disk_usage(there).free // 2)


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
    repeats, common = repeats_of(plan), plan.splits[0]
    return Scale(
        pool=len(plan.pool),
        train=len(common.train),
        validation=len(common.validation),
        folds=-(-len(plan.splits) // repeats),
        repeats=repeats,
        sealed=len(plan.sealed),
        classes=classes,
    )


def repeats_of(plan: SplitPlan) -> int:
    return len({split.repeat for split in plan.splits})


def reach_of(more: int, images: int, units: int, own_share: float | None, class_counts: Sequence[int] | None) -> Reach:
    """What `more` times as many images and units could tell apart, split as so many would be.

    Args:
        own_share: of the units, what the user's own `val` validates; None where folds are drawn.
        class_counts: of the validated units, where the metric weighs classes alike; only their proportions count.
    """
    _, repeats, share = data.draws_at(more * images)
    if own_share is not None:
        repeats, share = 1, own_share
    found = smallest_detectable_difference(max(1, round(more * share * units)), repeats=repeats, class_counts=class_counts)
    return Reach(more, more * images, more * units, found)
