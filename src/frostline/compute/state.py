"""The state of a training between two epochs: random numbers are no part of it, since they depend on the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from frostline.store.checkpoints import Checkpoint

MODEL, OPTIMIZER = "model", "optimizer"


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> Checkpoint:
    """A copy of everything that training has changed."""
    found = dict(changing(model))
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            found[f"{OPTIMIZER}.{number}.{name}"] = torch.as_tensor(value)
    return Checkpoint({name: _copy(tensor) for name, tensor in found.items()}, tuple(losses))


def trained_state(model: nn.Module, losses: list[float]) -> Checkpoint:
    """A copy of what training has changed in the model itself: nothing goes on from it."""
    return Checkpoint({name: _copy(tensor) for name, tensor in changing(model)}, tuple(losses))


@torch.no_grad()
def take(model: nn.Module, state: Checkpoint) -> bool:
    """Put a model's part of `state` into a freshly built one, in place; False, with nothing changed, where it does not fit."""
    own = dict(changing(model))
    given = {name: tensor for name, tensor in state.tensors.items() if name.startswith(f"{MODEL}.")}
    if own.keys() != given.keys() or any(own[name].shape != given[name].shape for name in own):
        return False
    for name, tensor in own.items():
        tensor.copy_(given[name])
    return True


@torch.no_grad()
def restore(model: nn.Module, optimizer: torch.optim.Optimizer, state: Checkpoint) -> bool:
    """Put `state` into a freshly built model and its optimizer, in place; False, with nothing changed, where it does not fit."""
    if not take(model, state):
        return False
    for number, parameter in enumerate(_parameters(optimizer)):
        prefix = f"{OPTIMIZER}.{number}."
        values = {name.removeprefix(prefix): tensor for name, tensor in state.tensors.items() if name.startswith(prefix)}
        optimizer.state[parameter] = {name: _like(tensor, parameter) for name, tensor in values.items()}
    return True


def changing(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and value of everything that training may change: trained parameters, and all buffers."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield f"{MODEL}.{name}", parameter
    for name, buffer in model.named_buffers():
        yield f"{MODEL}.{name}", buffer


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _like(tensor: Tensor, parameter: nn.Parameter) -> Tensor:
    """A value of the optimizer as it makes it itself: moments lie as the parameter does, counters stay on the CPU."""
    return torch.zeros_like(parameter).copy_(tensor) if tensor.shape == parameter.shape and tensor.ndim else tensor.clone()
