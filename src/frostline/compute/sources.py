"""Where a training step gets its input from: stored pixels, or the stored output of a frozen prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from frostline.data import PixelStore, normalise
from frostline.terms.activations import View
from frostline.terms.backbone import InputSpec
from frostline.terms.kernels import Mode
from frostline.terms.result import FloatArray, IntArray


class Source(Protocol):
    """Batches for a network that resumes at stage `first`."""

    @property
    def first(self) -> int:
        """The stage whose input the batches are; 0: images."""

    def batch(self, rows: IntArray, epoch: int) -> Tensor:
        """(len(rows), ...) float tensor for data set indices `rows`; which view is shown depends on `epoch` alone."""


@dataclass(frozen=True, eq=False)
class PixelSource:
    """Normalised images at `size` from the decoded store.

    Attributes:
        views: shown in turn, one an epoch; the first is the image as the specification asks for it.
    """

    store: PixelStore
    spec: InputSpec
    mode: Mode
    device: str = "cpu"
    views: Sequence[View] = (View(0),)
    first: int = 0

    def batch(self, rows: IntArray, epoch: int) -> Tensor:
        view = self.views[epoch % len(self.views)]
        pixels = self.store.batch(rows, view, channels=self.spec.channels, size=self.spec.height).to(self.device)
        images = normalise(pixels, self.spec)
        return images.contiguous(memory_format=torch.channels_last) if self.mode.channels_last else images.contiguous()


@dataclass(frozen=True, eq=False)
class ActivationSource:
    """Stored activations of a frozen prefix.

    Attributes:
        stored: (n, ...) of each view, shown in turn, one an epoch.
        position: maps a data set index to its row, -1 where it has none.
    """

    stored: tuple[FloatArray, ...]
    position: IntArray
    first: int
    mode: Mode
    device: str = "cpu"

    def batch(self, rows: IntArray, epoch: int) -> Tensor:
        where = self.position[rows]
        assert (where >= 0).all(), "asked for activations of an image that the prefix never saw"
        tensor = torch.from_numpy(np.asarray(self.stored[epoch % len(self.stored)][where])).to(self.device).float()
        four = tensor.ndim == 4 and self.mode.channels_last
        return tensor.contiguous(memory_format=torch.channels_last) if four else tensor


def positions(rows: IntArray, total: int) -> IntArray:
    """(total,) the place of each data set index in `rows`, -1 for those that are not there."""
    found = np.full(total, -1, dtype=np.int64)
    found[rows] = np.arange(len(rows))
    return found
