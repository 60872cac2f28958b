"""A network that runs stage by stage, with stages that are really frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from frostline.backbones.body import build_body
from frostline.backbones.extract import Code
from frostline.backbones.pooling import pool
from frostline.backbones.trace import has_statistics
from frostline.errors import BackboneError, nearest
from frostline.terms.backbone import Layout


@dataclass(frozen=True, eq=False)
class StageCode:
    """What is needed to build one stage from any copy of the network.

    Attributes:
        name: the stage's; `evaluating` and `training` its code in both modes.
        constants: tensors that tracing made, by their target.
    """

    name: str
    evaluating: Code
    training: Code
    constants: dict[str, torch.Tensor]

    @property
    def targets(self) -> set[str]:
        return self.evaluating.targets | self.training.targets


class StagePart(nn.Module):
    """One stage. Its `body` holds the modules it uses, under the paths that they have in the original network.

    A frozen part always evaluates: normalisation keeps its statistics, dropout and drop-path are off and no parameter gets a
    gradient, whatever `.train()` is called on it or on what contains it. With `norm_frozen`, normalisation layers keep their
    statistics while the rest, their scale and shift included, is trained.
    """

    def __init__(self, code: StageCode, network: nn.Module) -> None:
        super().__init__()
        self.name = code.name
        self.code = code
        self.body = build_body(network, code.targets, code.constants)
        self._trainable = [name for name, parameter in self.body.named_parameters() if parameter.requires_grad]
        self._frozen = False
        self._norm_frozen = False
        self.train(network.training)

    @property
    def frozen(self) -> bool:
        return self._frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        self._frozen = value
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(not value and name in self._trainable)
        self.train(self.training)

    @property
    def norm_frozen(self) -> bool:
        return self._norm_frozen

    @norm_frozen.setter
    def norm_frozen(self, value: bool) -> None:
        self._norm_frozen = value
        self.train(self.training)

    def train(self, mode: bool = True) -> StagePart:
        """Training mode, as far as the part is not frozen: `training` stays False for a frozen part."""
        super().train(mode and not self._frozen)
        if self._norm_frozen:
            for module in self.body.modules():
                if has_statistics(module):
                    module.train(False)
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, ...) at the cut before this stage -> (batch, ...) at its own. `x` is never written to."""
        code = self.code.training if self.training else self.code.evaluating
        return code.forward(self.body, x.clone() if code.copies_input else x)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Parameters and persistent buffers, by the names they have in the original network."""
        return dict(self.body.state_dict(keep_vars=True))


class StagedNetwork(nn.Module):
    """A backbone's stages in a row; parameters are this copy's own.

    Attributes:
        parts: one `StagePart` a stage, in order.
        layouts: cut name -> layout, for pooling in `tap`.
    """

    def __init__(self, codes: Sequence[StageCode], network: nn.Module, layouts: dict[str, Layout]) -> None:
        super().__init__()
        self.layouts = dict(layouts)
        self.parts = nn.ModuleList(StagePart(code, network) for code in codes)

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self._parts())

    def part(self, name: str) -> StagePart:
        """The stage of that name.

        Raises:
            BackboneError: there is none.
        """
        for part in self._parts():
            if part.name == name:
                return part
        names = self.stage_names
        raise BackboneError(f"stage {name!r} is not one of {', '.join(names)}.{nearest(name, names)} Name one of these.")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the features after the last kept stage."""
        return self.run(x)

    def run(self, x: torch.Tensor, first: int = 0, last: int | None = None) -> torch.Tensor:
        """Stages `first` to before `last`, from the tensor at the cut before `first`; `x` is never written to."""
        for part in self._parts()[first:last]:
            x = part(x)
        return x

    def layout_after(self, index: int) -> Layout:
        """How the tensor at the cut after the stage with this number lies."""
        return self.layouts[list(self._parts()[index].code.evaluating.marks.values())[-1]]

    def truncate(self, count: int) -> StagedNetwork:
        """The first `count` stages, as a network that shares its parts with this one.

        Raises:
            BackboneError: there are not so many stages.
        """
        if not 1 <= count <= len(self.parts):
            raise BackboneError(
                f"{count} stages asked for, but {' '.join(self.stage_names)} are {len(self.parts)}; keep at least 1."
            )
        shorter = StagedNetwork((), nn.Identity(), self.layouts)
        shorter.parts = nn.ModuleList(self._parts()[:count])
        shorter.training = self.training
        return shorter

    def freeze(self, names: Sequence[str]) -> None:
        """Freeze these stages; the others are left as they are.

        Raises:
            BackboneError: a stage is unknown, or shares parameters with one that is not frozen.
        """
        chosen = [self.part(name) for name in names]
        self._check_tied({part.name for part in self._parts() if part.frozen or part in chosen})
        for part in chosen:
            part.frozen = True

    def copy_stage_from(self, other: StagedNetwork, name: str) -> None:
        """Give the stage `name` the tensors that it has in `other`, a network of the same architecture."""
        source = other.part(name).tensors()
        with torch.no_grad():
            for key, tensor in self.part(name).tensors().items():
                tensor.copy_(source[key])

    def tap(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The value at every cut, in order, in evaluation mode and without gradients: cut name -> (batch, ...)."""
        return self._tapped(x, {}, {}, set(self.layouts))

    def tap_pooled(
        self, x: torch.Tensor, cuts: Collection[str], keep: Collection[str] = ()
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """The values at `cuts` as the network pools them, cut name -> (batch, channels), and the whole values at those in `keep`.

        Pooling while a value is still in the processor's cache costs a fifth of copying it. For a few batches, and what the
        quicker `StraightTaps` is compared with.
        """
        pooled: dict[str, torch.Tensor] = {}
        whole = self._tapped(x, pooled, {name: self.layouts[name] for name in cuts}, set(keep))
        return pooled, whole

    @torch.no_grad()
    def _tapped(
        self, x: torch.Tensor, pooled: dict[str, torch.Tensor], layouts: dict[str, Layout], keep: Collection[str]
    ) -> dict[str, torch.Tensor]:
        whole: dict[str, torch.Tensor] = {}
        training, modes = self.training, [(part, part.training) for part in self._parts()]
        self.eval()
        try:
            for index, part in enumerate(self._parts()):
                x = _Tap(part, whole, keep, pooled, layouts).run(x if index else x.clone())
        finally:
            self.training = training
            for part, mode in modes:
                part.train(mode)
        return whole

    def original_state(self) -> dict[str, torch.Tensor]:
        """Detached tensors of all stages by their names in the original network; they share memory with this network."""
        return {name: tensor.detach() for part in self._parts() for name, tensor in part.tensors().items()}

    def stage_of(self) -> dict[str, str]:
        """Original parameter or buffer name -> the first stage that uses it."""
        found: dict[str, str] = {}
        for part in self._parts():
            for name in part.tensors():
                found.setdefault(name, part.name)
        return found

    def _parts(self) -> list[StagePart]:
        return [part for part in self.parts if isinstance(part, StagePart)]

    def _check_tied(self, frozen: set[str]) -> None:
        owners: dict[int, StagePart] = {}
        for part in self._parts():
            for parameter in part.body.parameters():
                other = owners.setdefault(id(parameter), part)
                if (other.name in frozen) != (part.name in frozen):
                    raise BackboneError(
                        f"stages {other.name} and {part.name} share parameters, so they can only be treated alike;"
                        " freeze both or neither."
                    )


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over the floating-point tensors, sorted by name: name, shape and bytes as 32-bit floats.

    Counters and index tables are left out: they belong to the architecture, or change no result.
    """
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        if tensor.is_floating_point():
            plain = tensor.detach().to("cpu", torch.float32).contiguous()
            total.update(f"{name} float32 {tuple(plain.shape)}\n".encode())
            total.update(plain.numpy().tobytes())
    return total.hexdigest()


class _Tap(fx.Interpreter):
    """Runs one part node by node and pools or copies the value at each cut, before a later operation can write into it.

    Attributes:
        whole: receives a copy of the value of each cut in `keep`.
        pooled: receives the pooled value of each cut in `layouts`.
    """

    def __init__(
        self,
        part: StagePart,
        whole: dict[str, torch.Tensor],
        keep: Collection[str],
        pooled: dict[str, torch.Tensor],
        layouts: dict[str, Layout],
    ) -> None:
        super().__init__(part.body, graph=part.code.evaluating.graph)
        self.marks: dict[fx.Node, str] = part.code.evaluating.marks
        self.whole, self.keep, self.pooled, self.layouts = whole, keep, pooled, layouts

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        name = self.marks.get(n)
        if name is not None and name in self.layouts:
            self.pooled[name] = pool(value, self.layouts[name])
        if name is not None and name in self.keep:
            self.whole[name] = value.clone()
        return value
