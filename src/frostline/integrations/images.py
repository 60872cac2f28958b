"""Arrays and paths as the pixels that a network takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from frostline.data import Geometry, load, normalise
from frostline.data.images import as_channels
from frostline.terms.backbone import InputSpec
from frostline.terms.result import IntArray

Array = npt.NDArray[Any]
BATCH = 32


def are_paths(images: object) -> bool:
    """Whether these are names of files rather than numbers."""
    first = images[0] if isinstance(images, (list, tuple, np.ndarray)) and len(images) else None
    return isinstance(first, str) or hasattr(first, "__fspath__")


@dataclass(frozen=True)
class Range:
    """What counts as black and as white, from the training images; bytes stay as they are."""

    low: float
    high: float

    @classmethod
    def of(cls, images: Array) -> Range:
        return cls(0.0, 255.0) if images.dtype == np.uint8 else cls(float(images.min()), float(images.max()))


def pixels_of(images: Array, span: Range, spec: InputSpec) -> Tensor:
    """uint8 (n, channels, size, size) of numbers that are images: (n, height, width), (n, height, width, channels), or flat
    rows (n, values), which are taken for gray squares, the last line filled with black."""
    shaped = images if images.ndim > 2 else _squares(images, span.low)
    shaped = shaped[..., None] if shaped.ndim == 3 else shaped
    scaled = (shaped.astype(np.float64) - span.low) * (255.0 / max(span.high - span.low, 1e-12))
    tensor = torch.from_numpy(np.clip(scaled, 0, 255)).permute(0, 3, 1, 2).float()
    sized = F.interpolate(tensor, (spec.height, spec.width), mode="bilinear", antialias=True)
    return as_channels(sized.round().to(torch.uint8), spec.channels)


def pixels_of_paths(paths: Array, spec: InputSpec) -> Tensor:
    """uint8 (n, channels, size, size), decoded as everywhere in frostline.

    Raises:
        DataError: a file cannot be read.
    """
    return load([str(path) for path in paths], Geometry.of(spec), spec.channels)


def _squares(rows: Array, black: float) -> Array:
    side = math.ceil(math.sqrt(rows.shape[1]))
    filled = np.full((len(rows), side * side), black, np.float64)
    filled[:, : rows.shape[1]] = rows
    return filled.reshape(len(rows), side, side)


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Normalised images in memory, for `frostline.compute.train`.

    Attributes:
        pixels: uint8 (n, channels, size, size).
    """

    pixels: Tensor
    spec: InputSpec
    first: int = 0

    def batch(self, rows: IntArray, epoch: int) -> Tensor:
        return normalise(self.pixels[torch.from_numpy(rows)], self.spec)
