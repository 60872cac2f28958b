"""Which backbones there are, and the architecture behind a name."""

from __future__ import annotations

import dataclasses
import fnmatch
from pathlib import Path

from frostline.backbones import demo, exported, factory, timm, torchvision
from frostline.backbones.architecture import Architecture
from frostline.backbones.names import Reference, parse_name
from frostline.backbones.weights import read_config
from frostline.errors import BackboneError, nearest

_LOCAL = "local-dir:"
_LOCAL_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.pth")


def available(pattern: str | None = None) -> list[str]:
    """Names that `load` takes: those that contain `pattern`, or match it where it has wildcards; all of them for None."""
    everything = [
        *(f"demo/{name}" for name in demo.names()),
        *(f"timm/{name}" for name in timm.names()),
        *(f"torchvision/{name}" for name in torchvision.names()),
    ]
    if not pattern:
        return everything
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return [name for name in everything if fnmatch.fnmatch(name, wild) or fnmatch.fnmatch(name.partition("/")[2], wild)]


def resolve(reference: Reference) -> Reference:
    """The reference with a library, and with what a local folder says of itself.

    Raises:
        BackboneError: an unknown or ambiguous name, or a folder without config or weights.
    """
    if reference.library == "exported":
        return reference
    if reference.library == "timm" and reference.model.startswith(_LOCAL):
        return _local(reference)
    if reference.library == "":
        return dataclasses.replace(reference, library=_library_of(reference.model))
    if not _known(reference.library, reference.model):
        raise _unknown(reference.name)
    return reference


def find(reference: Reference) -> Architecture:
    """The architecture of a resolved reference."""
    if reference.library == "exported":
        return exported.architecture(Path(reference.model), lambda name: find(resolve(parse_name(name))))
    if reference.library == "demo":
        return demo.architecture()
    if reference.library == "factory":
        return factory.architecture(reference.model)
    if reference.library == "timm":
        return timm.architecture(reference.model)
    return torchvision.architecture(reference.model)


def _known(library: str, model: str) -> bool:
    if library == "demo":
        return model in demo.names()
    if library == "factory":
        return True
    return timm.knows(model) if library == "timm" else torchvision.knows(model)


def _library_of(model: str) -> str:
    owners = [library for library in ("timm", "torchvision", "demo") if _known(library, model)]
    if not owners:
        raise _unknown(model)
    if len(owners) > 1:
        choices = " or ".join(f"{library}/{model}" for library in owners)
        raise BackboneError(f"backbone {model!r} exists in {' and '.join(owners)}, with different weights; write {choices}.")
    return owners[0]


def _unknown(name: str) -> BackboneError:
    bare = name.rpartition("/")[2]
    close = nearest(name, available()) or nearest(f"timm/{bare}", available())
    return BackboneError(
        f"backbone {name!r} is neither in timm nor in torchvision.{close} `frostline backbones PATTERN` lists the names."
    )


def _local(reference: Reference) -> Reference:
    folder = Path(reference.model.removeprefix(_LOCAL)).expanduser()
    config = read_config(folder / "config.json")
    architecture = config.get("architecture")
    if not isinstance(architecture, str) or not timm.knows(architecture):
        raise BackboneError(
            f"folder {str(folder)!r} has no config.json in timm's form that names an architecture (found {architecture!r});"
            " give the weights by themselves: 'timm/NAME=FILE'."
        )
    weights = reference.weights or next((folder / name for name in _LOCAL_WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise BackboneError(
            f"folder {str(folder)!r} has none of {', '.join(_LOCAL_WEIGHTS)}; give the file: 'timm/{architecture}=FILE'."
        )
    return dataclasses.replace(reference, model=architecture, weights=weights)
