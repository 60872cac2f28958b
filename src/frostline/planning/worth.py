"""What a stored feature map is worth: the seconds that it saves for every byte that it takes."""

from __future__ import annotations

from collections.abc import Sequence

from frostline.planning.cost import OVERHEAD, CostModel
from frostline.terms.backbone import Cut
from frostline.terms.recipe import Recipe


def worth_of(costs: CostModel, recipes: Sequence[Recipe], shown: float) -> dict[str, float]:
    """Cut name -> seconds a byte, of every cut at which one of `recipes` resumes; most worth first, of equals the deepest.

    A trial that resumes there runs the stages below it no more: forward, for every image, every time that it is shown. Images do
    not enter, because they multiply seconds and bytes alike.

    Args:
        shown: how often an image is shown by a recipe's trials together.
    """
    wanted = [cut for cut in map(costs.prefix_cut, recipes) if cut is not None]
    cuts = {cut.name: cut for cut in wanted}
    found = {name: shown * sum(one.name == name for one in wanted) * _saved(costs, cut) for name, cut in cuts.items()}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], -cuts[pair[0]].flops)))


def _saved(costs: CostModel, cut: Cut) -> float:
    """Seconds a byte of one forward pass up to `cut`."""
    share = cut.flops / (costs.backbone.flops or 1)
    return OVERHEAD * costs.kernels.forward_s * share / (cut.values * costs.kernels.forward.stored_bytes)
