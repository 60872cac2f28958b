"""What a program calls: search, load, build, predict. The command line is a thin layer above this."""

from __future__ import annotations

from frostline.api.models import export_model, load, predict, serve
from frostline.api.networks import build, demo_source, list_backbones, load_backbone, parameter_groups
from frostline.api.run import Run, open_run, rewrite_report
from frostline.api.searching import check, plan, search, train, trainable
from frostline.errors import FrostlineError

__all__ = [
    "FrostlineError",
    "Run",
    "build",
    "check",
    "demo_source",
    "export_model",
    "list_backbones",
    "load",
    "load_backbone",
    "open_run",
    "parameter_groups",
    "plan",
    "predict",
    "rewrite_report",
    "search",
    "serve",
    "train",
    "trainable",
]
