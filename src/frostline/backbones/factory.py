"""Own networks: a Python function `package.module:function` that returns an `nn.Module`."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from frostline.backbones.architecture import Architecture, State, unchanged
from frostline.backbones.timm import spec_of
from frostline.errors import BackboneError, nearest


def architecture(name: str) -> Architecture:
    """The network that the function `name` returns when called without arguments.

    Its input specification is its attribute `pretrained_cfg`, in timm's form, or ImageNet's default.

    Raises:
        BackboneError: the module or function does not exist, or gives no `nn.Module`.
    """
    function = _function(name)
    cfg = dict(getattr(_call(name, function), "pretrained_cfg", None) or {})
    named = cfg.get("classifier")
    return Architecture(
        name=name,
        spec=spec_of(cfg),
        make=lambda size: _call(name, function),
        download=lambda: _nothing_published(name),
        adapt=unchanged,
        classifier=(named,) if isinstance(named, str) else tuple(named) if named else None,
    )


def _function(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BackboneError(
            f"backbone {name!r}: module {module_name!r} cannot be imported ({error}); check the Python path."
        ) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise BackboneError(f"backbone {name!r}: {module_name} has no function {attribute!r}.{nearest(attribute, dir(module))}")
    return function


def _call(name: str, function: Any) -> nn.Module:
    network = function()
    if not isinstance(network, nn.Module):
        raise BackboneError(f"backbone {name!r} gave a {type(network).__name__}; expected a function that returns an nn.Module.")
    return network


def _nothing_published(name: str) -> State:
    raise BackboneError(f"backbone {name!r} has no published weights; give a file: '{name}=FILE', or use pretrained=False.")
