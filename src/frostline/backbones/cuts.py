"""Every cut of a traced network: found by data flow, named by the module whose output it is."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx, nn

from frostline.backbones.flow import crossings, dependent, is_batch, reads
from frostline.backbones.probe import Probe, Shape
from frostline.backbones.trace import Trace
from frostline.terms.backbone import Layout

Known = Mapping[str, tuple[str, Layout]]
"""A cut's innermost name -> (the name that it goes by, its layout)."""


@dataclass(frozen=True, eq=False)
class Place:
    """A cut that was found in a graph.

    Attributes:
        node: whose output crosses.
        names: every name it answers to, the innermost module first.
        of_module: it is some module's output.
        shape: for one image; `flops` and `parameters` of the network from the input up to here.
    """

    node: fx.Node
    names: tuple[str, ...]
    shape: tuple[int, ...]
    layout: Layout
    flops: int
    parameters: int
    of_module: bool

    @property
    def values(self) -> int:
        """Numbers an image."""
        product = 1
        for extent in self.shape:
            product *= extent
        return product

    @property
    def depth(self) -> int:
        """Dots in the shortest name: a whole layer is shallower than one of its blocks, and than what no module gives."""
        return min(name.count(".") for name in self.names) + (not self.of_module)


def find_places(
    network: nn.Module, traced: Trace, probed: Probe, classifier: Sequence[str] | None, known: Known | None = None
) -> list[Place]:
    """The cuts before the old classifier, in the order of the forward pass.

    Args:
        classifier: paths of its modules; None to find it, empty where the network has none.
        known: what was found at the backbone's own size: at other sizes the same cuts are taken, with the same layouts.
    """
    nodes = list(traced.graph.nodes)
    end = _classifier_start(network, traced, classifier)
    crossing = [node for node in crossings(traced.graph, probed) if nodes.index(node) < end and is_batch(probed, node)]
    names = _node_names(traced)
    crossing = _poolable(crossing, probed) if known is None else [node for node in crossing if names[node][0] in known]
    shapes = [probed.values[node].extents[1:] for node in crossing]
    layouts = [known[names[node][0]][1] for node in crossing] if known else _layouts(traced, crossing, shapes, probed)
    flops, parameters = _running_flops(nodes, probed), _running_parameters(network, nodes)
    return [
        Place(node, names[node], shape, layout, flops[node], parameters[node], node in traced.outputs)
        for node, shape, layout in zip(crossing, shapes, layouts, strict=True)
    ]


def named_nodes(traced: Trace) -> dict[str, fx.Node]:
    """Name -> node, for every name that any node answers to; the same names in evaluation and training mode."""
    return {name: node for node, names in _node_names(traced).items() for name in names}


# --- names -----------------------------------------------------------------------------------------------------------


def _node_names(traced: Trace) -> dict[fx.Node, tuple[str, ...]]:
    """A node that is no module's output is named after the module it was made in and its operation: `blocks.0.add`."""
    made: Counter[str] = Counter()
    names: dict[fx.Node, tuple[str, ...]] = {}
    for node in traced.graph.nodes:
        operation = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "value")
        base = ".".join(part for part in (traced.inside.get(node, ""), operation.strip("_")) if part)
        made[base] += 1
        number = made[base]
        own = base if number == 1 else f"{base}_{number - 1}"
        names[node] = traced.outputs.get(node) or (own,)
    return names


# --- the old classifier ----------------------------------------------------------------------------------------------


def _classifier_start(network: nn.Module, traced: Trace, classifier: Sequence[str] | None) -> int:
    """The position of the first node that uses the classifier; all of the graph where there is none."""
    nodes = list(traced.graph.nodes)
    if classifier is None:
        return min((nodes.index(node) for node in _walk_back(network, traced)), default=len(nodes))
    uses = (index for index, node in enumerate(nodes) if any(_belongs(node, path) for path in classifier))
    return min((index for index in uses if _has_parameters(network, nodes[index])), default=len(nodes))


def _belongs(node: fx.Node, path: str) -> bool:
    target = str(node.target)
    return node.op in ("call_module", "get_attr") and (target == path or target.startswith(path + "."))


def _has_parameters(network: nn.Module, node: fx.Node) -> bool:
    return bool(_parameters_of(network, node))


def classifier_paths(network: nn.Module, traced: Trace) -> tuple[str, ...]:
    """Paths of the modules and parameters that a network without further information uses as its classifier."""
    found = _walk_back(network, traced)
    used = [*found, *(source for node in found for source in node.all_input_nodes)]
    return tuple(dict.fromkeys(str(node.target) for node in used if _parameters_of(network, node)))


def _walk_back(network: nn.Module, traced: Trace) -> list[fx.Node]:
    """From the output through nodes without parameters: the first ones with parameters on each way are the classifier."""
    waiting, seen, found = list(reversed(traced.graph.nodes))[:1], set[fx.Node](), list[fx.Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if (node.op == "call_module" and _has_parameters(network, node)) or any(
            source.op == "get_attr" and _has_parameters(network, source) for source in node.all_input_nodes
        ):
            found.append(node)
        else:
            waiting.extend(node.all_input_nodes)
    return found


def _parameters_of(network: nn.Module, node: fx.Node) -> list[nn.Parameter]:
    if node.op == "call_module":
        return list(network.get_submodule(str(node.target)).parameters())
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        value = getattr(network.get_submodule(owner), name, None)
        return [value] if isinstance(value, nn.Parameter) else []
    return []


# --- sums ------------------------------------------------------------------------------------------------------------


def _running_flops(nodes: Sequence[fx.Node], probed: Probe) -> dict[fx.Node, int]:
    total, sums = 0, {}
    for node in nodes:
        total += probed.flops.get(node, 0)
        sums[node] = total
    return sums


def _running_parameters(network: nn.Module, nodes: Sequence[fx.Node]) -> dict[fx.Node, int]:
    """Parameters used up to each node; a shared one counts once, where it is first used, and a `get_attr` when it is needed."""
    total, sums, seen = 0, {}, set[int]()
    for node in nodes:
        sources = [source for source in node.all_input_nodes if source.op == "get_attr"]
        for user in [node, *sources]:
            if user is node and node.op == "get_attr":
                continue
            for parameter in _parameters_of(network, user):
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    total += parameter.numel()
        sums[node] = total
    return sums


# --- layouts ---------------------------------------------------------------------------------------------------------


def _layouts(traced: Trace, crossing: Sequence[fx.Node], shapes: Sequence[tuple[int, ...]], probed: Probe) -> list[Layout]:
    class_tokens = _class_token_counts(traced, probed)
    layouts, before = [], Layout.NCHW
    for shape in shapes:
        if len(shape) == 3:
            before = _map_layout(shape, before)
        layouts.append(_layout(shape, before, class_tokens))
    return layouts


def _layout(shape: tuple[int, ...], maps: Layout, class_tokens: set[int]) -> Layout:
    if len(shape) == 3:
        return maps
    if len(shape) == 2:
        return Layout.CLASS_TOKEN if shape[0] in class_tokens else Layout.TOKENS
    return Layout.FLAT


def _poolable(crossing: Sequence[fx.Node], probed: Probe) -> list[fx.Node]:
    """Without tensors whose positions cannot be told: rows on their way to tokens, queries and keys of attention heads."""
    kept: list[fx.Node] = []
    tokens = None
    for node in crossing:
        shape = probed.values[node].extents[1:]
        if len(shape) > 3 or _is_channels_first_row(node, probed):
            continue
        if len(shape) == 3 and not _may_be_map(shape, tokens):
            continue
        tokens = shape[0] if len(shape) == 2 else None if len(shape) == 3 else tokens
        kept.append(node)
    return kept


def _may_be_map(shape: tuple[int, ...], tokens: int | None) -> bool:
    """Two neighbouring extents are equal (images are square), and no positions appear that the tokens before did not have."""
    first, last = shape[1] * shape[2] if shape[1] == shape[2] else 0, shape[0] * shape[1] if shape[0] == shape[1] else 0
    if tokens is None:
        return bool(first or last)
    return 0 < first <= tokens or 0 < last <= tokens


def _is_channels_first_row(node: fx.Node, probed: Probe) -> bool:
    """A flattened map (batch, channels, positions) on its way to tokens: no layout to pool, and never a bottleneck by itself."""
    sources = [probed.values.get(source) for source in node.all_input_nodes]
    own = probed.values[node].extents
    return len(own) == 3 and any(
        isinstance(source, Shape)
        and len(source.extents) == 4
        and source.extents[:2] == own[:2]
        and source.extents[2] * source.extents[3] == own[2]
        for source in sources
    )


def _map_layout(shape: tuple[int, ...], before: Layout) -> Layout:
    """The two equal extents are height and width; where all three are equal, the layout of the cut before."""
    channels_first, channels_last = shape[1] == shape[2], shape[0] == shape[1]
    if channels_first == channels_last:
        return before
    return Layout.NCHW if channels_first else Layout.NHWC


def _class_token_counts(traced: Trace, probed: Probe) -> set[int]:
    """Token counts of the tensors (batch, tokens, channels) whose first token alone is taken out for the classifier."""
    needed = dependent(traced.graph, reads(traced.graph, probed))
    counts = set()
    for node in traced.graph.nodes:
        if node.op == "call_function" and node.target is operator.getitem and _takes_first_token(node.args[1]):
            source = probed.values.get(node.args[0])
            if node in needed and isinstance(source, Shape) and len(source.extents) == 3 and _leads_to_output(node):
                counts.add(source.extents[1])
    return counts


def _takes_first_token(index: object) -> bool:
    if not isinstance(index, tuple) or len(index) < 2 or index[0] != slice(None):
        return False
    return bool(index[1] == 0)


def _leads_to_output(node: fx.Node) -> bool:
    """The tensor that it takes from has no other use but shape reads and further single tokens: nothing goes on with it."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return all(user.op == "call_function" and user.target in (operator.getitem, getattr) for user in source.users)
