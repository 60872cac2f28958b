"""The modules of one part, under the paths that they have in the original network."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn


def build_body(network: nn.Module, targets: Iterable[str], constants: dict[str, torch.Tensor]) -> nn.Module:
    """A tree with just the modules, parameters and buffers at `targets`.

    Modules are shallow copies that share their parameters and buffers with `network`: each part sets the mode of its own
    copy, even where two parts use the same module.
    """
    body = nn.Module()
    for target in sorted(targets, key=lambda path: (path.count("."), path)):
        owner = _grow(body, target.rpartition(".")[0])
        name = target.rpartition(".")[2]
        if name not in (*owner._modules, *owner._parameters, *owner._buffers):
            _place(owner, name, _lookup(network, target, constants), network, target)
    return body


def _grow(body: nn.Module, path: str) -> nn.Module:
    """The module at `path`, made of empty modules where nothing is yet."""
    for name in filter(None, path.split(".")):
        if name not in body._modules:
            body.add_module(name, nn.Module())
        child = body._modules[name]
        assert child is not None
        body = child
    return body


def _lookup(network: nn.Module, target: str, constants: dict[str, torch.Tensor]) -> object:
    if target in constants:
        return constants[target].clone()
    owner, _, name = target.rpartition(".")
    return getattr(network.get_submodule(owner), name)


def _place(owner: nn.Module, name: str, value: object, network: nn.Module, target: str) -> None:
    if isinstance(value, nn.Module):
        owner.add_module(name, _shallow(value))
    elif isinstance(value, nn.Parameter):
        owner.register_parameter(name, value)
    elif isinstance(value, torch.Tensor):
        owner.register_buffer(name, value, persistent=_is_persistent(network, target))
    else:
        setattr(owner, name, value)


def _is_persistent(network: nn.Module, target: str) -> bool:
    path, _, name = target.rpartition(".")
    source = network.get_submodule(path)
    return name in source._buffers and name not in source._non_persistent_buffers_set


def _shallow(module: nn.Module) -> nn.Module:
    """A copy with dictionaries of its own whose parameters and buffers are the same objects."""
    twin = copy.copy(module)
    twin._parameters, twin._buffers = dict(module._parameters), dict(module._buffers)
    twin._modules = {name: None if child is None else _shallow(child) for name, child in module._modules.items()}
    return twin
