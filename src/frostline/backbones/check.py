"""The equality that everything rests on: the parts in a row give what the whole network gives, bit for bit."""

from __future__ import annotations

import copy

import torch
from torch import nn

from frostline.backbones.extract import Code
from frostline.backbones.network import StagedNetwork
from frostline.errors import BackboneError
from frostline.terms.backbone import Backbone


@torch.no_grad()
def check_parts(description: Backbone, network: nn.Module, staged: StagedNetwork, tail: Code) -> None:
    """Compare on two images of noise, in evaluation mode: a number that grew with the batch would show.

    Raises:
        BackboneError: the parts change a number, or write into a tensor that they were given.
    """
    whole = copy.deepcopy(network).eval()
    staged.eval()
    images = torch.randn(2, *description.spec.size, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        expected = whole(images.clone())
        features, overwritten = _run_watched(staged, images)
        given = tail.forward(whole, features)
    if overwritten:
        raise _refusal(description.name, f"stage {overwritten} writes into its input")
    if not _same(expected, given):
        raise _refusal(description.name, "its stages in a row give other numbers than the whole network")


def _run_watched(staged: StagedNetwork, x: torch.Tensor) -> tuple[torch.Tensor, str]:
    """The features, and the name of a stage that changed its input (a tensor counts the writes into it)."""
    guilty = ""
    for name in staged.stage_names:
        version = x._version
        result = staged.part(name)(x)
        guilty = guilty or (name if x._version != version and result is not x else "")
        x = result
    return x, guilty


def _same(expected: object, given: object) -> bool:
    if isinstance(expected, torch.Tensor) and isinstance(given, torch.Tensor):
        return torch.equal(torch.nan_to_num(expected), torch.nan_to_num(given))
    if isinstance(expected, (tuple, list)) and isinstance(given, (tuple, list)):
        return len(expected) == len(given) and all(_same(one, two) for one, two in zip(expected, given, strict=True))
    return False


def _refusal(name: str, what: str) -> BackboneError:
    return BackboneError(f"backbone {name!r} cannot be taken apart: {what}. Choose another backbone, or report this one.")
