"""From a folder of images to samples, decoded pixels and folds.

Names are loaded when they are first used: reading a folder needs neither torch nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frostline.data.assemble import in_order, subset
    from frostline.data.decoding import Geometry, decode, short_side
    from frostline.data.draws import draws_at
    from frostline.data.fitting import check_channels, input_notes
    from frostline.data.images import default_size, load, normalise, pixel_features, suggest_flip
    from frostline.data.packing import refuse_undecodable
    from frostline.data.pixels import PixelStore, build_store
    from frostline.data.preflight import check
    from frostline.data.reading import read
    from frostline.data.shift import appearance_notes
    from frostline.data.sizes import size_for
    from frostline.data.splits import first_part, inner_split, nested_parts, plan_splits, scored_labels, within
    from frostline.data.survey import count_images, may_be_large, surveyed
    from frostline.data.units import units_of

_HOMES = {
    "Geometry": "decoding",
    "PixelStore": "pixels",
    "appearance_notes": "shift",
    "build_store": "pixels",
    "check": "preflight",
    "check_channels": "fitting",
    "decode": "decoding",
    "count_images": "survey",
    "default_size": "images",
    "draws_at": "draws",
    "inner_split": "splits",
    "first_part": "splits",
    "input_notes": "fitting",
    "load": "images",
    "may_be_large": "survey",
    "nested_parts": "splits",
    "normalise": "images",
    "pixel_features": "images",
    "plan_splits": "splits",
    "read": "reading",
    "refuse_undecodable": "packing",
    "row_of": "entries",
    "scored_labels": "splits",
    "size_for": "sizes",
    "surveyed": "survey",
    "short_side": "decoding",
    "in_order": "assemble",
    "subset": "assemble",
    "suggest_flip": "images",
    "units_of": "units",
    "within": "splits",
}

__all__ = [
    "Geometry",
    "PixelStore",
    "appearance_notes",
    "build_store",
    "check",
    "check_channels",
    "count_images",
    "decode",
    "default_size",
    "draws_at",
    "first_part",
    "in_order",
    "inner_split",
    "input_notes",
    "load",
    "may_be_large",
    "nested_parts",
    "normalise",
    "pixel_features",
    "plan_splits",
    "read",
    "refuse_undecodable",
    "row_of",
    "scored_labels",
    "short_side",
    "size_for",
    "subset",
    "suggest_flip",
    "surveyed",
    "units_of",
    "within",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
