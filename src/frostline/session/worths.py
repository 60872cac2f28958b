"""What stored feature maps are worth to the trials of a search that are still to come."""

from __future__ import annotations

from frostline.compute.bench import Bench
from frostline.planning.allot import FREE_EPOCHS
from frostline.planning.cost import CostModel
from frostline.planning.forecast import FINALISTS
from frostline.planning.worth import worth_of
from frostline.session.work import Lane, Work
from frostline.terms.recipe import Weights


def worth_at(lane: Lane, bench: Bench, shown: float) -> dict[str, float]:
    """Cut -> seconds that its feature maps save a byte, when a line's trials together show an image `shown` times."""
    deep = [line.recipe for line in lane.lines if line.deep and line.recipe.weights is Weights.PRETRAINED]
    return worth_of(CostModel(bench.backbone.description, bench.kernels), deep, shown)


def worth_of_finals(work: Work, lane: Lane) -> dict[str, float]:
    """Of the maps at full size: each deep line may be a finalist."""
    deep = sum(line.deep for one in work.lanes for line in one.lines)
    return worth_at(lane, lane.bench, FREE_EPOCHS * len(work.plan.splits) * min(1.0, FINALISTS / max(1, deep)))
