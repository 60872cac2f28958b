"""The tapped pass as compiled code, where that pays: built once a pass, and never in the way of the pass itself."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator

import torch
from torch import Tensor

from frostline.backbones import StagedNetwork, StraightTaps
from frostline.terms.kernels import Mode

Tap = Callable[[Tensor], tuple[dict[str, Tensor], dict[str, Tensor]]]


def tap_with(network: StagedNetwork, mode: Mode, cuts: Collection[str], keep: Collection[str], batch: int) -> Tap:
    """A function: images -> pooled and whole values at the cuts, as `network.tap_pooled`; compiled where the mode says so.

    Args:
        network: in its place, not to be changed or moved any more.
        batch: images of a full batch; a smaller one is filled up, because another shape would be compiled anew.
    """
    if not mode.compiled:
        return lambda images: network.tap_pooled(images, cuts, keep)
    return _Compiled(network, cuts, keep, batch)


class _Compiled:
    """Compiled taps, until the compiler fails: then as the network runs anyway.

    Attributes:
        error: what the compiler said; empty as long as it works.
    """

    def __init__(self, network: StagedNetwork, cuts: Collection[str], keep: Collection[str], batch: int) -> None:
        self.network, self.cuts, self.keep, self.batch = network, cuts, keep, batch
        self.straight = StraightTaps(network, cuts, keep)
        self.code = torch.compile(self.straight, dynamic=False, options={"freezing": True})
        self.error = "" if compiler() else "no C++ compiler"

    def __call__(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self.error:
            try:
                return self._run(images)
            except Exception as error:  # compilers fail in many ways, and none of them concerns the pass
                self.error = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return self.network.tap_pooled(images, self.cuts, self.keep)

    def _run(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        count = len(images)
        with _quiet(), torch.no_grad():
            pooled, whole = self.code(_filled(images, self.batch))
        cut = [{name: value[:count] for name, value in zip(*pair, strict=True)} for pair in self._named(pooled, whole)]
        return cut[0], cut[1]

    def _named(self, pooled: list[Tensor], whole: list[Tensor]) -> Iterator[tuple[tuple[str, ...], list[Tensor]]]:
        yield self.straight.pooled, pooled
        yield self.straight.whole, whole


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
