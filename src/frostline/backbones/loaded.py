"""A backbone with its weights: described, at any size, as networks that run stage by stage."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from frostline.backbones.anatomy import Anatomy, dissect
from frostline.backbones.architecture import Architecture, State
from frostline.backbones.check import check_parts
from frostline.backbones.cuts import Known
from frostline.backbones.describe import describe
from frostline.backbones.fold import divided
from frostline.backbones.network import StageCode, StagedNetwork, tensors_digest
from frostline.backbones.origin import Origin, load_again
from frostline.backbones.weights import fit_state
from frostline.errors import BackboneError, nearest
from frostline.terms.backbone import Backbone, Cut, InputSpec, Stage
from frostline.terms.recipe import Weights


@dataclass(frozen=True, eq=False)
class LoadedBackbone:
    """A backbone's description together with its weights.

    It may be sent to other processes: only how it was loaded travels, and it is loaded again there.

    Attributes:
        description: name, digest, specification, stages and cuts, as plain values.
        architecture: makes further networks of the same kind.
        weights: the network that holds the transferred tensors; never run, never changed.
        state: these tensors as they were loaded, at the backbone's own size: other sizes are adapted from them.
        codes: one a stage.
        origin: how it was loaded; None: not by a name, and it cannot be sent.
        trained_on: digests of the images that its weights are known to have seen: only of models that frostline made.
    """

    description: Backbone
    architecture: Architecture
    weights: nn.Module
    state: State
    anatomy: Anatomy
    codes: tuple[StageCode, ...]
    origin: Origin | None = None
    trained_on: frozenset[str] = frozenset()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise TypeError(f"backbone {self.name!r} was not loaded by its name: it cannot be sent to another process")
        return load_again, (self.origin, self.digest)

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def digest(self) -> str:
        return self.description.digest

    @cached_property
    def graph(self) -> str:
        """SHA-256 of the code of all stages in evaluation mode, and of the names of its cuts."""
        code = "\n".join(stage.evaluating.source for stage in self.codes)
        return hashlib.sha256(f"{code}\n{' '.join(cut.name for cut in self.cuts)}".encode()).hexdigest()

    @property
    def spec(self) -> InputSpec:
        return self.description.spec

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.description.stages

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return self.description.cuts

    @cached_property
    def divided(self) -> frozenset[str]:
        """Names of cuts between a convolution and its own normalisation."""
        return divided(self.codes, self.weights)

    @property
    def stage_names(self) -> tuple[str, ...]:
        return self.description.stage_names

    @property
    def input_size(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.description.spec.size

    def renamed(self, name: str) -> LoadedBackbone:
        """The same backbone under another name: to tell two weights of one architecture apart."""
        return dataclasses.replace(self._after("renamed", name), description=dataclasses.replace(self.description, name=name))

    def _after(self, method: str, argument: int | str | tuple[str, ...]) -> LoadedBackbone:
        """The same, with one more step in what is known of how it was made."""
        return dataclasses.replace(self, origin=self.origin and self.origin.then(method, argument))

    def at(self, size: int) -> LoadedBackbone:
        """The same weights for square images of `size` pixels: the same cuts and stages, other shapes and FLOPs.

        Raises:
            BackboneError: the network takes no images of that size.
        """
        if self.spec.height == self.spec.width == size:
            return self
        network = self.architecture.make(size)
        fit_state(network, self.architecture.adapt(self.state, network, size), (), f"{self.name} at {size} pixels")
        anatomy = _dissect(self.architecture, network, self.spec.at(size), self.anatomy.known)
        after = self._after("at", size)
        return _built(after, network, anatomy, [stage.cut.name for stage in self.stages], [cut.name for cut in self.cuts])

    def with_stages(self, cut_names: Sequence[str]) -> LoadedBackbone:
        """The same backbone with stages that end at these cuts; the last cut is always the last stage's end.

        A stage is named as its cut; `stem` keeps its name where its cut is among these, else the first is called so.

        Raises:
            BackboneError: a name is no cut of this backbone.
        """
        known = [cut.name for cut in self.cuts]
        ends = {known[-1]}
        for name in cut_names:
            place = self.anatomy.place(name)
            if place is None or self.anatomy.cut_names[place] not in known:
                raise BackboneError(
                    f"backbone {self.name!r} has no cut {name!r}.{nearest(name, known)}"
                    " `frostline stages NAME --all` lists its cuts."
                )
            ends.add(self.anatomy.cut_names[place])
        after = self._after("with_stages", tuple(cut_names))
        return _built(after, self.weights, self.anatomy, [name for name in known if name in ends], known)

    def with_tensors(self, state: State) -> LoadedBackbone:
        """The same stages with other weights, by their original names; it cannot be sent to another process."""
        root = copy.deepcopy(self.weights)
        root.load_state_dict({name: tensor.cpu() for name, tensor in state.items()}, strict=False)
        description = dataclasses.replace(self.description, digest=tensors_digest(root.state_dict()))
        return dataclasses.replace(
            self, description=description, weights=root, state=dict(root.state_dict()), origin=None, trained_on=frozenset()
        )

    def network(self, weights: Weights = Weights.PRETRAINED, seed: int = 0) -> StagedNetwork:
        """A fresh network whose tensors are its own; torch's global random state is left as it was.

        Args:
            weights: `PRETRAINED` transferred; `RANDOM` initialised by the library's own code from `seed`; `MATCHED` normal
                with each transferred parameter's mean and standard deviation, normalisation statistics as initialised.
        """
        if weights is Weights.PRETRAINED:
            root = copy.deepcopy(self.weights)
        else:
            root = seeded(self.architecture, None if not self.architecture.sized else self.spec.height, seed)
        if weights is Weights.MATCHED:
            _match(root, self.weights, seed)
        layouts = {cut.name: cut.layout for cut in self.cuts}
        return StagedNetwork(self.codes, root.train(), layouts)


def seeded(architecture: Architecture, size: int | None, seed: int) -> nn.Module:
    """A randomly initialised network that depends on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architecture.make(size)


def _match(network: nn.Module, source: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    transferred = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            given = transferred[name]
            noise = torch.randn(given.shape, generator=generator)
            parameter.copy_(noise * given.std(correction=0) + given.mean())


def assemble(
    architecture: Architecture, network: nn.Module, spec: InputSpec, digest_of: str | None, notes: Sequence[str]
) -> LoadedBackbone:
    """The loaded backbone of a network that holds its weights, at the architecture's own size, with frostline's own stages.

    Raises:
        BackboneError: it cannot be taken apart.
    """
    anatomy = _dissect(architecture, network, spec)
    empty = Backbone(architecture.name, digest_of or "", spec, (), (), (*architecture.notes, *notes))
    seedling = LoadedBackbone(empty, architecture, network, dict(network.state_dict()), anatomy, ())
    boundaries = [anatomy.cut_names[place] for place in anatomy.boundaries]
    return _built(seedling, network, anatomy, boundaries, [anatomy.cut_names[place] for place in anatomy.places])


def _built(
    before: LoadedBackbone, network: nn.Module, anatomy: Anatomy, ends: Sequence[str], cuts: Sequence[str]
) -> LoadedBackbone:
    """`before` with another network, or other stages."""
    places = [anatomy.place(name) for name in ends]
    boundaries = [place for place in places if place is not None]
    if len(boundaries) < len(ends):
        lost = ", ".join(name for name, place in zip(ends, places, strict=True) if place is None)
        raise BackboneError(f"backbone {before.name!r} has no cut at {lost} at this size; use its own size {before.spec.height}.")
    description = describe(before.description, network, anatomy, boundaries, cuts)
    names = description.stage_names
    constants = {**anatomy.evaluating.traced.constants, **anatomy.training.traced.constants}
    codes = [StageCode(name, *pair, constants) for name, pair in zip(names, anatomy.codes(boundaries), strict=True)]
    layouts = {cut.name: cut.layout for cut in description.cuts}
    check_parts(description, network, StagedNetwork(codes, copy.deepcopy(network), layouts), anatomy.tail(boundaries[-1]))
    return dataclasses.replace(before, description=description, weights=network, anatomy=anatomy, codes=tuple(codes))


def _dissect(architecture: Architecture, network: nn.Module, spec: InputSpec, known: Known | None = None) -> Anatomy:
    try:
        return dissect(network, architecture.leaves, spec.size, architecture.classifier, known)
    except Exception as error:  # tracing raises whatever the network's own code does
        raise not_taken_apart(architecture, network, f" at {spec.height} x {spec.width} pixels", error) from error


def not_taken_apart(architecture: Architecture, network: nn.Module, where: str, error: Exception) -> BackboneError:
    """What the user can do about a network that cannot be traced."""
    reason = (str(error).splitlines() or ["no message"])[0]
    children = ",".join(name for name, _ in network.named_children())
    return BackboneError(
        f"backbone {architecture.name!r} cannot be taken apart{where} ({type(error).__name__}: {reason})."
        " Name the modules that end its stages, in the order in which they run and without the old classifier:"
        f" '{architecture.name}?stages=...' from {children}; or try another size, or another backbone."
    )
