"""The tapped pass as plain code, compiled where that pays: built once a pass, and never in the way of the pass itself."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from frostline.backbones import StagedNetwork, StraightTaps
from frostline.terms.kernels import Mode

Tapped = tuple[dict[str, Tensor], dict[str, Tensor]]  # pooled and whole values, by the names of their cuts
Tap = Callable[[Tensor], Tapped]


def tap_with(network: StagedNetwork, mode: Mode, cuts: Collection[str], keep: Collection[str], batch: int) -> Tap:
    """A function: images -> pooled and whole values at the cuts, as `network.tap_pooled`; compiled where the mode says so.

    Args:
        network: in its place, not to be changed or moved any more.
        batch: images of a full batch; a smaller one is filled up, because another shape would be compiled anew.
    """
    straight = StraightTaps(network, cuts, keep)
    return _Compiled(straight, batch) if mode.compiled else partial(_run, straight)


@torch.no_grad()
def _run(straight: StraightTaps, images: Tensor, code: Callable[..., Any] | None = None, count: int | None = None) -> Tapped:
    """What `straight`, or the code compiled from it, gives for the first `count` images, by the names of the cuts."""
    run = straight if code is None else code
    pooled, whole = ([value[:count] for value in values] for values in run(images))
    return dict(zip(straight.pooled, pooled, strict=True)), dict(zip(straight.whole, whole, strict=True))


class _Compiled:
    """Compiled taps, until the compiler fails: then as the network runs anyway.

    Attributes:
        error: what the compiler said; empty as long as it works.
    """

    def __init__(self, straight: StraightTaps, batch: int) -> None:
        self.straight, self.batch = straight, batch
        self.code = torch.compile(straight, dynamic=False, options={"freezing": True})
        self.error = "" if compiler() else "no C++ compiler"

    def __call__(self, images: Tensor) -> Tapped:
        if not self.error:
            try:
                with _quiet():
                    return _run(self.straight, _filled(images, self.batch), self.code, len(images))
            except Exception as error:  # compilers fail in many ways, and none of them concerns the pass
                self.error = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return _run(self.straight, images)


def _filled(images: Tensor, batch: int) -> Tensor:
    """`images` and, up to `batch`, the last one again, in the same memory format."""
    missing = batch - len(images)
    if missing <= 0:
        return images
    filled = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
    last = images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return filled.contiguous(memory_format=torch.channels_last) if last else filled.contiguous()


def compiler() -> str | None:
    """The C++ compiler that torch would use for code on a CPU; None where there is none."""
    asked = os.environ.get("CXX")
    return next((found for name in ((asked,) if asked else ("g++", "clang++", "c++")) if (found := shutil.which(name))), None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hints for the developers of networks are of no use to who waits for a verdict."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
