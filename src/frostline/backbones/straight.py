"""A tapped network as plain code: a twentieth quicker than an interpreter of its graph, and torch can compile it as a whole."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import fx, nn

from frostline.backbones.network import StagedNetwork, StagePart
from frostline.backbones.pooling import pool
from frostline.terms.backbone import Layout


class StraightTaps(nn.Module):
    """What `StagedNetwork.tap_pooled` gives for fixed cuts, on the network's own tensors and in evaluation mode.

    Attributes:
        pooled, whole: names of the cuts, in the order of what `forward` returns.
    """

    def __init__(self, network: StagedNetwork, cuts: Collection[str], keep: Collection[str] = ()) -> None:
        super().__init__()
        parts = [part for part in network.parts if isinstance(part, StagePart)]
        marked = [name for part in parts for name in part.code.evaluating.marks.values()]
        self.pooled = tuple(name for name in marked if name in cuts)
        self.whole = tuple(name for name in marked if name in keep)
        layouts = {name: network.layouts[name] for name in self.pooled}
        self.parts = nn.ModuleList(fx.GraphModule(part.body, _tapped(part, layouts, set(keep))) for part in parts)
        self.eval()

    def forward(self, x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """(batch, channels, height, width) -> pooled values (batch, channels) and whole values, one a cut."""
        x, pooled, whole = x.clone(), [], []
        for part in self.parts:
            x, flat, maps = part(x)
            pooled += flat
            whole += maps
        return pooled, whole


def _tapped(part: StagePart, layouts: dict[str, Layout], keep: Collection[str]) -> fx.Graph:
    """The part's code with the values at its cuts taken as soon as they are there: a later operation may write into them."""
    code, graph = part.code.evaluating, fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    pooled: list[fx.Node] = []
    whole: list[fx.Node] = []
    for node in code.graph.nodes:
        if node.op == "output":
            graph.output((fx.node.map_arg(node.args[0], made.__getitem__), tuple(pooled), tuple(whole)))
            continue
        made[node] = graph.node_copy(node, made.__getitem__)
        name = code.marks.get(node)
        if name in layouts:
            pooled.append(graph.call_function(pool, (made[node], layouts[name])))
        if name in keep:
            whole.append(graph.call_method("clone", (made[node],)))
    return graph
