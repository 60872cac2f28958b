"""The description of a network that was taken apart: its cuts and stages as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from torch import fx, nn

from frostline.backbones.anatomy import Anatomy
from frostline.backbones.boundaries import FEWEST
from frostline.backbones.cuts import Place
from frostline.backbones.network import tensors_digest
from frostline.terms.backbone import Backbone, Cut, Stage

STEM = "stem"
_MOST_OF_IT = 0.7


def describe(
    before: Backbone, network: nn.Module, anatomy: Anatomy, boundaries: Sequence[Place], cuts: Sequence[str]
) -> Backbone:
    """`before` with the stages that end at `boundaries` and the cuts of these names, at the anatomy's size.

    The digest is computed where there is none yet: at another size the weights are still the same ones.
    """
    spec = dataclasses.replace(before.spec, height=anatomy.size[1], width=anatomy.size[2])
    stages = _stages(network, anatomy, boundaries, before.stages)
    known = set(cuts)
    notes = tuple(note for note in before.notes if not note.startswith("stages: "))
    return dataclasses.replace(
        before,
        spec=spec,
        digest=before.digest or _digest(network, anatomy, boundaries),
        stages=stages,
        cuts=tuple(cut_of(anatomy, place) for place in anatomy.places if anatomy.cut_names[place] in known),
        notes=(*notes, *_stage_notes(anatomy, stages)),
    )


def cut_of(anatomy: Anatomy, place: Place) -> Cut:
    """The plain value of a cut."""
    return Cut(anatomy.cut_names[place], place.shape, place.layout, place.flops, place.parameters)


def _names(ends: Sequence[str], before: Sequence[Stage]) -> list[str]:
    """A stage is named as the cut that ends it; `stem` ends where it did before, and is else the first."""
    stem = before[0].cut.name if before and before[0].cut.name in ends else ends[0]
    return [STEM if end == stem else end for end in ends]


def _stages(network: nn.Module, anatomy: Anatomy, boundaries: Sequence[Place], before: Sequence[Stage]) -> tuple[Stage, ...]:
    spans = _spans(anatomy, boundaries)
    modules = [_paths(span) for span in spans]
    parameters = [_parameters(network, paths) for paths in modules]
    names = _names([anatomy.cut_names[place] for place in boundaries], before)
    stages, flops = [], 0
    for index, (name, place) in enumerate(zip(names, boundaries, strict=True)):
        others = [path for other, paths in enumerate(modules) if other != index for path in paths]
        tied = tuple(names[i] for i in _tied_with(index, parameters))
        count = sum(parameters[index].values())
        stages.append(Stage(name, cut_of(anatomy, place), _outermost(modules[index], others), place.flops - flops, count, tied))
        flops = place.flops
    return tuple(stages)


def _tied_with(index: int, parameters: Sequence[dict[int, int]]) -> list[int]:
    """The other stages that share a parameter with this one, directly or through a third."""
    group, shared = {index}, set(parameters[index])
    for _ in parameters:
        group |= {i for i, own in enumerate(parameters) if own.keys() & shared}
        shared |= {key for i in group for key in parameters[i]}
    return sorted(group - {index})


def _spans(anatomy: Anatomy, boundaries: Sequence[Place]) -> list[list[fx.Node]]:
    """The nodes of each stage; a parameter belongs where it is used."""
    nodes = list(anatomy.evaluating.traced.graph.nodes)
    spans, start = [], 0
    for place in boundaries:
        end = nodes.index(place.node) + 1
        used = nodes[start:end]
        sources = [source for node in used for source in node.all_input_nodes if source.op == "get_attr"]
        spans.append([node for node in used if node.op != "get_attr"] + sources)
        start = end
    return spans


def _paths(span: Iterable[fx.Node]) -> list[str]:
    """Paths of modules and parameters that are used, in order, each once."""
    return list(dict.fromkeys(str(node.target) for node in span if node.op in ("call_module", "get_attr")))


def _parameters(network: nn.Module, paths: Sequence[str]) -> dict[int, int]:
    """Identity of each parameter -> how many numbers it holds."""
    found: dict[int, int] = {}
    for path in paths:
        owner, _, name = path.rpartition(".")
        value = getattr(network.get_submodule(owner), name, None)
        parameters = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, nn.Parameter) else []
        found.update({id(parameter): parameter.numel() for parameter in parameters})
    return found


def _outermost(paths: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The shortest paths that cover `paths` and nothing of `others`."""
    foreign = {".".join(path.split(".")[:end]) for path in others for end in range(1, path.count(".") + 2)}
    covered = []
    for path in paths:
        parts = path.split(".")
        prefixes = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        covered.append(next((prefix for prefix in prefixes if prefix not in foreign), path))
    return tuple(dict.fromkeys(covered))


def _digest(network: nn.Module, anatomy: Anatomy, boundaries: Sequence[Place]) -> str:
    """Of all tensors that the stages use, so of none of the old classifier's."""
    paths = [path for span in _spans(anatomy, boundaries) for path in _paths(span)]
    tensors = network.state_dict()
    kept = {
        name: tensor for name, tensor in tensors.items() if any(name == path or name.startswith(path + ".") for path in paths)
    }
    return tensors_digest(kept)


def _stage_notes(anatomy: Anatomy, stages: Sequence[Stage]) -> list[str]:
    notes = []
    if len(stages) < FEWEST and len(stages) == len(anatomy.boundaries):
        notes.append(
            f"stages: only {len(stages)}, because the graph has {len(anatomy.places)} places that a single tensor crosses"
            " (elsewhere several values are still needed)."
        )
    if anatomy.share < _MOST_OF_IT:
        notes.append(
            f"stages: they hold only {anatomy.share:.0%} of the network's FLOPs, because its old classifier takes values from"
            " several places inside it; what comes after the first of them is left out."
        )
    tied = [f"{stage.name} with {', '.join(stage.tied_to)}" for stage in stages if stage.tied_to]
    if tied:
        notes.append(f"stages: {'; '.join(tied)} share parameters and can only be treated alike.")
    return notes
