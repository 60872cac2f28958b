"""Pre-trained networks: found by name, taken apart into stages, frozen for real.

Nothing heavy is imported until a backbone is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frostline.backbones.catalogue import available as available
    from frostline.backbones.fold import folded as folded
    from frostline.backbones.loaded import LoadedBackbone as LoadedBackbone
    from frostline.backbones.loading import load as load
    from frostline.backbones.loading import recognise as recognise
    from frostline.backbones.network import StagedNetwork as StagedNetwork
    from frostline.backbones.network import StagePart as StagePart
    from frostline.backbones.pooling import pool as pool
    from frostline.backbones.straight import StraightTaps as StraightTaps

_HOMES = {
    "LoadedBackbone": "loaded",
    "StagePart": "network",
    "StagedNetwork": "network",
    "StraightTaps": "straight",
    "available": "catalogue",
    "folded": "fold",
    "load": "loading",
    "pool": "pooling",
    "recognise": "loading",
}
__all__ = ["LoadedBackbone", "StagePart", "StagedNetwork", "StraightTaps", "available", "folded", "load", "pool", "recognise"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
