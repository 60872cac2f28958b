"""Backbones taken apart and timed for a plan: the part of planning that needs torch."""

from __future__ import annotations

from collections.abc import Sequence

from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.compute.kernels import probe_kernels
from frostline.compute.machine import choose_device, settings_restored
from frostline.session.profiles import Profile, SizeFor
from frostline.session.request import Request
from frostline.session.sizing import at_size, lines_of
from frostline.terms.backbone import InputSpec

CLASSES = 10  # of the head that is timed: next to nothing beside the trunk
PLANNING_SHARE = 0.1  # of the time that a search takes: half a second


def load_all(request: Request) -> list[LoadedBackbone]:
    return [backbones.load(name) for name in request.backbones]


def measured(request: Request, size_for: SizeFor, loaded: Sequence[LoadedBackbone]) -> tuple[list[InputSpec], list[Profile]]:
    """What each backbone expects of images, and its profile; timed in half a second, not as closely as a search does it."""
    specs = [one.spec for one in loaded]
    size = size_for(specs)
    sized = [at_size(one, size, request) for one in loaded]
    return specs, profiles(request, sized, CLASSES, 0, PLANNING_SHARE)


def profiles(request: Request, sized: Sequence[LoadedBackbone], classes: int, images: int, share: float = 1.0) -> list[Profile]:
    """Of backbones at the run's size.

    Args:
        images: of a pass of the trunk; share: of the time that a search takes to time its kernels.
    """
    device = choose_device(request.device)
    with settings_restored():
        kernels = [probe_kernels(one, classes, device, images=images, share=share) for one in sized]
    return [
        Profile(one.description, kernel, tuple(str(line.recipe) for line in lines_of(request, one)), rough=share < 1.0)
        for one, kernel in zip(sized, kernels, strict=True)
    ]
