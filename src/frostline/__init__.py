"""Finds out, by experiment on your own images, how much of a pre-trained network to keep.

    import frostline as fl
    run = fl.search("xrays/", backbone="timm/resnet18.a1_in1k", time="30m")
    run.verdict

Names are loaded when they are first used, so that `import frostline` takes milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frostline.api import Run, build, check, export_model, load, load_backbone, parameter_groups, plan, predict, search, train
    from frostline.errors import AllTrialsFailed, FrostlineError, InputError
    from frostline.terms.backbone import Backbone
    from frostline.terms.recipe import Action, Head, Recipe
    from frostline.terms.verdict import Verdict

_HOMES = {
    "Action": "frostline.terms.recipe",
    "AllTrialsFailed": "frostline.errors",
    "Backbone": "frostline.terms.backbone",
    "FrostlineError": "frostline.errors",
    "Head": "frostline.terms.recipe",
    "InputError": "frostline.errors",
    "Recipe": "frostline.terms.recipe",
    "Run": "frostline.api",
    "Verdict": "frostline.terms.verdict",
    "build": "frostline.api",
    "check": "frostline.api",
    "export_model": "frostline.api",
    "load": "frostline.api",
    "load_backbone": "frostline.api",
    "parameter_groups": "frostline.api",
    "plan": "frostline.api",
    "predict": "frostline.api",
    "search": "frostline.api",
    "train": "frostline.api",
}

__all__ = [
    "Action",
    "AllTrialsFailed",
    "Backbone",
    "FrostlineError",
    "Head",
    "InputError",
    "Recipe",
    "Run",
    "Verdict",
    "build",
    "check",
    "export_model",
    "load",
    "load_backbone",
    "parameter_groups",
    "plan",
    "predict",
    "search",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'frostline' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
