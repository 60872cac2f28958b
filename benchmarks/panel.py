"""The lines of frostline's default panel, in terms that the naive loop understands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.networks import Kind
from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.data import plan_splits, read
from frostline.planning.allot import FREE_EPOCHS, FREE_SCRATCH_EPOCHS
from frostline.planning.forecast import Scale
from frostline.session.frozen import configurations
from frostline.session.panels import scale_of
from frostline.session.screening import settings_of
from frostline.strategy.families import Line, panel, pixel_lines
from frostline.terms.backbone import Layout
from frostline.terms.recipe import Weights


@dataclass(frozen=True)
class Item:
    """One line.

    Attributes:
        kind: None for the controls on pixels.
        settings: that it is tried with. epochs: a deep line's; None where frostline has a solver instead.
    """

    recipe: str
    family: str
    kind: Kind | None
    settings: int
    epochs: int | None

    @property
    def frozen_trunk(self) -> bool:
        """Of the heads panel: softmax-only, all-layer, truncated, mlp heads and random features."""
        return self.kind is not None and self.epochs is None


def load(name: str, weights: Path) -> LoadedBackbone:
    return backbones.load(f"{name}={weights}")


def stage_ends(backbone: LoadedBackbone) -> list[str]:
    """The module that ends each stage."""
    return [stage.cut.name for stage in backbone.stages]


def items(backbone: LoadedBackbone) -> list[Item]:
    """The whole panel of one backbone, pixels first."""
    maps = [stage.name for stage in backbone.stages if stage.cut.layout is not Layout.FLAT]
    lines = [*pixel_lines(), *panel(backbone.name, backbone.stage_names, maps)]
    return [_item(line, backbone.stage_names) for line in lines]


def _item(line: Line, names: tuple[str, ...]) -> Item:
    recipe = line.recipe
    settings = len(settings_of(line)) if line.deep else len(configurations(line))
    epochs = (FREE_EPOCHS if recipe.weights is Weights.PRETRAINED else FREE_SCRATCH_EPOCHS) if line.deep else None
    return Item(str(recipe), line.family.value, _kind(line, names), settings, epochs)


def _kind(line: Line, names: tuple[str, ...]) -> Kind | None:
    if line.recipe.pixels is not None:
        return None
    actions = [action.value for action in line.recipe.actions(names) if action.value != "drop"]
    return Kind(tuple(action in ("tune", "reinit") for action in actions), str(line.recipe.head))


def scale(path: str | Path, seed: int = 0, limit: int | None = None) -> Scale:
    """How many images, folds and repeats a search of `path` works on."""
    dataset = read(path, limit=limit, seed=seed)
    return scale_of(plan_splits(dataset, seed), len(dataset.classes))
