"""A network taken apart: its cuts and stages, and the code of the parts between them, in both modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from frostline.backbones.boundaries import choose_boundaries, last_boundaries
from frostline.backbones.cuts import Known, Place, find_places, named_nodes
from frostline.backbones.extract import Code, compile_graph, part
from frostline.backbones.flow import crossings, may_overwrite_input
from frostline.backbones.probe import Probe
from frostline.backbones.trace import Leaves, Trace, trace

_IDLE = (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True, eq=False)
class Side:
    """The graph of one mode, and what its nodes compute."""

    traced: Trace
    probed: Probe


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Everything that is known about a network's graph at one image size.

    Attributes:
        network: only looked at, never run or changed.
        size: (channels, height, width) of the images.
        places: cuts that exist in both modes, from the first to the end of the backbone.
        useful: those that do more than pass on what they got: they may end a stage of frostline's own choice.
        ends: the last map, and after it the flat output where layers follow the pooling.
        known_before: names and layouts from the backbone's own size, where this is another.
    """

    network: nn.Module
    size: tuple[int, int, int]
    evaluating: Side
    training: Side
    places: tuple[Place, ...]
    useful: tuple[Place, ...]
    ends: tuple[Place, ...]
    known_before: Known | None = None

    @cached_property
    def boundaries(self) -> tuple[Place, ...]:
        """The cuts that end frostline's own choice of stages."""
        return tuple(choose_boundaries(self.useful, self.ends))

    @cached_property
    def cut_names(self) -> dict[Place, str]:
        """Each cut's name: the outermost module whose output it is and that is not a whole row of stages."""
        if self.known_before:
            return {place: self.known_before[place.names[0]][0] for place in self.places}
        inner = [name for place in self.boundaries for name in place.names]
        return {place: _cut_name(place, [name for name in inner if name not in place.names]) for place in self.places}

    @cached_property
    def share(self) -> float:
        """Of the whole network's FLOPs, what comes before the end of the backbone."""
        total = sum(self.evaluating.probed.flops.values())
        return self.ends[-1].flops / total if total else 1.0

    @property
    def known(self) -> Known:
        """Names and layouts, for the same network at another size."""
        return {place.names[0]: (name, place.layout) for place, name in self.cut_names.items()}

    def place(self, name: str) -> Place | None:
        """The cut that answers to `name`."""
        return next((place for place in self.places if name == self.cut_names[place] or name in place.names), None)

    def codes(self, boundaries: Sequence[Place]) -> list[tuple[Code, Code]]:
        """For each stage that ends at one of `boundaries` its code for evaluation and for training."""
        found, start = [], None
        for end in boundaries:
            found.append((self._code(self.evaluating, start, end, marked=True), self._code(self.training, start, end)))
            start = end
        return found

    def tail(self, start: Place, training: bool = False) -> Code:
        """From `start` to the network's own output: the old classifier."""
        side = self.training if training else self.evaluating
        output = next(node for node in side.traced.graph.nodes if node.op == "output")
        graph, _ = part(side.traced, side.probed, named_nodes(side.traced)[start.names[0]], output)
        return Code(graph, compile_graph(graph))

    def _code(self, side: Side, start: Place | None, end: Place, marked: bool = False) -> Code:
        nodes = named_nodes(side.traced)
        first = nodes[start.names[0]] if start else side.traced.images
        graph, copied = part(side.traced, side.probed, first, nodes[end.names[0]])
        marks = {
            copied[place.node]: name for place, name in self.cut_names.items() if place is not start and place.node in copied
        }
        return Code(graph, compile_graph(graph), marks if marked else {}, may_overwrite_input(graph, self.network))


def dissect(
    network: nn.Module, leaves: Leaves, size: tuple[int, int, int], classifier: Sequence[str] | None, known: Known | None = None
) -> Anatomy:
    """Find the cuts of `network` for images of `size` (channels, height, width).

    Args:
        known: names and layouts of the cuts, where the network was taken apart at its own size before.

    Raises:
        Exception: the network cannot be traced, or has no cut that could end a backbone (ValueError).
    """
    evaluating, training = _side(network, leaves, size, False), _side(network, leaves, size, True)
    shared = _training_cuts(training)
    found = find_places(network, evaluating.traced, evaluating.probed, classifier, known)
    places = [place for place in found if place.names[0] in shared]
    if not places:
        raise ValueError("at no place in its graph is exactly one tensor needed")
    useful = [place for place in places if not _is_idle(network, place)] or places
    ends = last_boundaries(useful) if known is None else [places[-1]]
    kept = places[: places.index(ends[-1]) + 1]
    return Anatomy(network, size, evaluating, training, tuple(kept), tuple(useful), tuple(ends), known)


def _side(network: nn.Module, leaves: Leaves, size: tuple[int, int, int], training: bool) -> Side:
    traced = trace(network, leaves, training)
    return Side(traced, Probe(network, traced, size, training))


def _training_cuts(side: Side) -> set[str]:
    crossing = set(crossings(side.traced.graph, side.probed))
    return {name for name, node in named_nodes(side.traced).items() if node in crossing}


def _is_idle(network: nn.Module, place: Place) -> bool:
    """Only passes on what it got, and is not the end of a whole layer or block either."""
    if len(place.names) > 1:
        return False
    if place.node.op == "call_module":
        module = network.get_submodule(str(place.node.target))
        return isinstance(module, _IDLE)
    if place.of_module:
        return False
    name = place.node.target if isinstance(place.node.target, str) else getattr(place.node.target, "__name__", "")
    return name in ("flatten", "dropout", "reshape", "view")


def _cut_name(place: Place, others: Sequence[str]) -> str:
    """The outermost of its names that contains no other stage's end."""
    fitting = [name for name in place.names if not any(other.startswith(name + ".") for other in others)]
    return fitting[-1] if fitting else place.names[0]
