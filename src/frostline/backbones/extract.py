"""The part of a graph between two cuts, as a graph of its own with one input."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from frostline.backbones.flow import dependent, has_side_effect, holds_tensor, reads
from frostline.backbones.probe import BATCH, Probe, Shape
from frostline.backbones.trace import Trace

Forward = Callable[[Any, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Code:
    """One part's forward pass.

    Attributes:
        graph: from its placeholder to its output; `forward(root, x)` does the same, compiled.
        marks: node -> names of the cut at it, for taking intermediate values out.
        copies_input: the first operations may work in place, so that the input must be copied first.
    """

    graph: fx.Graph
    forward: Forward
    marks: dict[fx.Node, str] = field(default_factory=dict)
    copies_input: bool = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Code:
        return self  # immutable, so that copies of a network may share it

    @property
    def source(self) -> str:
        """The same text wherever the same code comes from."""
        return str(self.graph.python_code("self").src)

    @property
    def targets(self) -> set[str]:
        """Paths of the modules, parameters and buffers that it uses."""
        return {str(node.target) for node in self.graph.nodes if node.op in ("call_module", "get_attr")}


def compile_graph(graph: fx.Graph) -> Forward:
    """A function `forward(root, x)` that runs `graph` on the modules of `root`."""
    code = graph.python_code("self")
    namespace: dict[str, Any] = dict(code.globals)
    exec(code.src, namespace)  # the source is torch.fx's own, made from the graph
    forward: Forward = namespace["forward"]
    return forward


def part(traced: Trace, probed: Probe, start: fx.Node, end: fx.Node) -> tuple[fx.Graph, dict[fx.Node, fx.Node]]:
    """The graph from the value of `start` (not included) to that of `end`, and a map from old nodes to new ones.

    `end` may be the output node: all that is left.

    What does not depend on the images and is needed again is computed again from the parameters; a shape that was read from
    an earlier tensor becomes a constant or a multiple of the batch. Random draws and changes of buffers happen in exactly
    one part.
    """
    extraction = _Extraction(traced, probed, start)
    nodes = list(traced.graph.nodes)
    for node in nodes[nodes.index(start) + 1 : nodes.index(end) + 1]:
        if node.op != "output" and (node in extraction.needed or has_side_effect(node)):
            extraction.value(node)
    result = fx.node.map_arg(end.args[0], extraction.value) if end.op == "output" else extraction.value(end)
    extraction.graph.output(result)
    extraction.graph.lint()
    copied = {old: new for old, new in extraction.made.items() if isinstance(new, fx.Node)}
    return extraction.graph, copied


class _Extraction:
    def __init__(self, traced: Trace, probed: Probe, start: fx.Node) -> None:
        self.probed = probed
        self.reads = reads(traced.graph, probed)
        self.needed = dependent(traced.graph, self.reads)
        self.order = {node: index for index, node in enumerate(traced.graph.nodes)}
        self.start = start
        self.graph = fx.Graph()
        self.input = self.graph.placeholder("x")
        self.made: dict[fx.Node, Any] = {start: self.input}
        self.batch: fx.Node | None = None

    def value(self, node: fx.Node) -> Any:
        """What stands for `node` in the new graph: a node, or a literal."""
        if node not in self.made:
            self.made[node] = (
                self._literal(self.probed.values[node], self.probed.again[node]) if self._gone(node) else self._copy(node)
            )
        return self.made[node]

    def _copy(self, node: fx.Node) -> fx.Node:
        # the arguments first, so that they stand before it
        for source in node.all_input_nodes:
            self.value(source)
        return self.graph.node_copy(node, self.value)

    def _gone(self, node: fx.Node) -> bool:
        """A plain number or shape that was read from a tensor before the start."""
        return self._reads_gone(node) and not holds_tensor(self.probed.values.get(node))

    def _reads_gone(self, node: fx.Node) -> bool:
        if node in self.made or node in self.needed:
            return False
        if node in self.reads and node.all_input_nodes[0] in self.needed:
            source = node.all_input_nodes[0]
            return source not in self.made and self.order[source] <= self.order[self.start]
        return any(self._reads_gone(source) for source in node.all_input_nodes)

    def _literal(self, first: Any, second: Any) -> Any:
        if isinstance(first, Shape):
            raise ValueError("a tensor cannot be written as a constant")
        if isinstance(first, (tuple, torch.Size)):
            return tuple(self._literal(one, two) for one, two in zip(first, second, strict=True))
        if isinstance(first, torch.device):
            return self.graph.call_function(getattr, (self.input, "device"))
        if isinstance(first, torch.dtype):
            return self.graph.call_function(getattr, (self.input, "dtype"))
        if first == second or isinstance(first, bool):
            return first
        return self._times_batch(first, second)

    def _times_batch(self, first: Any, second: Any) -> Any:
        """`first` at batch 2 and `second` at batch 3 on the line a * batch + b."""
        slope = second - first
        offset = first - slope * BATCH
        if self.batch is None:
            self.batch = self.graph.call_method("size", (self.input, 0))
        scaled = self.batch if slope == 1 else self.graph.call_function(operator.mul, (self.batch, slope))
        return scaled if offset == 0 else self.graph.call_function(operator.add, (scaled, offset))
