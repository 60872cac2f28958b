"""How the tests compare a network run stage by stage with the same network run whole."""

from __future__ import annotations

import copy

import torch
from torch import nn

from frostline.backbones import LoadedBackbone, StagedNetwork
from frostline.backbones.extract import Code
from frostline.terms.recipe import Weights


def noise(loaded: LoadedBackbone, batch: int = 2, seed: int = 7) -> torch.Tensor:
    """(batch, channels, height, width)."""
    return torch.randn(batch, *loaded.input_size, generator=torch.Generator().manual_seed(seed))


def whole_network(loaded: LoadedBackbone) -> nn.Module:
    """The library's own network with the backbone's weights, old classifier included."""
    return copy.deepcopy(loaded.weights)


def tail(loaded: LoadedBackbone, training: bool = False) -> Code:
    """From the last cut to the network's own output."""
    last = loaded.anatomy.place(loaded.stages[-1].cut.name)
    assert last is not None
    return loaded.anatomy.tail(last, training)


def evaluation_differs(loaded: LoadedBackbone) -> str:
    """Empty, or what differs in evaluation mode."""
    images, whole, staged = noise(loaded), whole_network(loaded).eval(), loaded.network(Weights.PRETRAINED).eval()
    with torch.no_grad():
        expected, given = whole(images.clone()), tail(loaded).forward(whole, staged(images))
    return "" if _equal(expected, given) else "outputs"


def training_differs(loaded: LoadedBackbone) -> str:
    """Empty, or which of output, gradients and buffers differ after one step in training mode from the same seed."""
    images, whole, staged = noise(loaded, batch=3), whole_network(loaded).train(), loaded.network(Weights.PRETRAINED).train()
    torch.manual_seed(0)
    expected = whole(images.clone())
    _first(expected).float().square().mean().backward()
    # the old classifier runs on a copy, so that only the stages' own tensors are compared
    end = whole_network(loaded).train()
    torch.manual_seed(0)
    given = tail(loaded, training=True).forward(end, staged(images))
    _first(given).float().square().mean().backward()
    wrong = [] if _same(_first(expected), _first(given)) else ["output"]
    return ", ".join([*wrong, *_differing_tensors(whole, staged)][:5])


def _differing_tensors(whole: nn.Module, staged: StagedNetwork) -> list[str]:
    parameters, buffers, wrong = dict(whole.named_parameters()), dict(whole.named_buffers()), []
    for part in staged.parts:
        for name, parameter in part.body.named_parameters():
            mine, other = parameter.grad, parameters[name].grad
            if (mine is None) != (other is None) or (mine is not None and other is not None and not _same(other, mine)):
                wrong.append(f"gradient of {name}")
        for name, buffer in part.body.named_buffers():
            if name in buffers and not _same(buffers[name], buffer):
                wrong.append(f"buffer {name}")
    return wrong


def _first(value: object) -> torch.Tensor:
    found = value[0] if isinstance(value, (tuple, list)) else value
    assert isinstance(found, torch.Tensor)
    return found


def _equal(expected: object, given: object) -> bool:
    return _same(_first(expected), _first(given))


def _same(expected: torch.Tensor, given: torch.Tensor) -> bool:
    return torch.equal(torch.nan_to_num(expected), torch.nan_to_num(given))
