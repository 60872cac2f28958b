"""Backbones taken apart and timed for a plan: the part of planning that needs torch."""

from __future__ import annotations

from collections.abc import Sequence

from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.compute.kernels import probe_kernels
from frostline.compute.machine import choose_device, settings_restored
from frostline.session.prepare import at_size, lines_of
from frostline.session.profiles import Profile, SizeFor
from frostline.session.request import Request
from frostline.terms.backbone import InputSpec

CLASSES = 10  # of the head that is timed: next to nothing beside the trunk
PLANNING_SHARE = 0.25


def measured(request: Request, size_for: SizeFor) -> tuple[list[InputSpec], list[Profile]]:
    """What each backbone expects of images, and its profile; timed in a second, not as closely as a search does it."""
    loaded = [backbones.load(name) for name in request.backbones]
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
        Profile(one.description, kernel, tuple(str(line.recipe) for line in lines_of(request, one)))
        for one, kernel in zip(sized, kernels, strict=True)
    ]
