"""Images as networks and controls receive them, and choices that the images suggest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from frostline.data.decoding import Geometry, decode, short_side
from frostline.data.pixels import PixelStore, as_channels, build_store
from frostline.data.sizes import SMALLEST_SIZE, size_for
from frostline.errors import DataError
from frostline.terms.backbone import InputSpec
from frostline.terms.data import Dataset

SMALL_SIDE = 28
_HEADERS_READ = 500
_AT_A_TIME = 256

__all__ = [
    "Geometry",
    "PixelStore",
    "as_channels",
    "build_store",
    "decode",
    "default_size",
    "load",
    "normalise",
    "pixel_features",
    "suggest_flip",
]


def load(paths: Sequence[str | Path], geometry: Geometry, channels: int = 3) -> torch.Tensor:
    """Images from files as uint8 (n, channels, size, size): the very pixels that view 0 of a store holds.

    Raises:
        DataError: one of them cannot be decoded.
    """
    start, end = geometry.offset, geometry.offset + geometry.size
    squares = [torch.from_numpy(decode(path, geometry)[start:end, start:end]).permute(2, 0, 1) for path in paths]
    alike = [as_channels(square.unsqueeze(0), channels) for square in squares]
    if not alike:
        return torch.empty((0, channels, geometry.size, geometry.size), dtype=torch.uint8)
    return torch.cat(alike).contiguous(memory_format=torch.channels_last)


def normalise(images: torch.Tensor, spec: InputSpec, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(x / 255 - mean) / std for uint8 (n, channels, height, width), as `dtype`; memory format and device are kept.

    Computed in float32, or in float64 when that is asked for, and only then rounded.
    """
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    found = images.to(exact)
    mean, std = (torch.tensor(values, dtype=exact, device=images.device) for values in (spec.mean, spec.std))
    last = found.permute(0, 2, 3, 1)
    if last.is_contiguous():  # a row of pixels at once: three channels by themselves are too few to be worked on together
        rows, width = last.flatten(2), last.shape[2]
        rows.div_(255).sub_(mean.repeat(width)).div_(std.repeat(width))
    else:
        found.div_(255).sub_(mean.view(1, -1, 1, 1)).div_(std.view(1, -1, 1, 1))
    return found.to(dtype)


def default_size(dataset: Dataset, spec: InputSpec) -> int:
    """The multiple of 32 nearest above the images' median short side, between 96 and the backbone's own size.

    At most 500 headers are read, evenly spread. A backbone of fixed size keeps its own.
    """
    if spec.fixed_size or spec.height <= SMALLEST_SIZE:
        return spec.height  # no file need be opened
    step = max(1, -(-len(dataset.samples) // _HEADERS_READ))
    sides = []
    for sample in dataset.samples[::step]:
        try:
            sides.append(short_side(Path(dataset.root) / sample.path))
        except DataError:
            continue  # decoding reports it, by name
    return size_for(sides, spec)


def pixel_features(
    store: PixelStore,
    indices: Sequence[int] | npt.NDArray[np.integer[Any]],
    side: int = SMALL_SIDE,
) -> npt.NDArray[np.float32]:
    """Down-sampled raw pixels in 0..1 for the pixels control: float32 (n, side * side * channels).

    Channels are the store's: one for gray data. Taken from view 0, antialiased.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    out = np.empty((len(chosen), side * side * store.channels), dtype=np.float32)
    for start in range(0, len(chosen), _AT_A_TIME):
        images = store.batch(chosen[start : start + _AT_A_TIME], channels=store.channels).float().div_(255)
        small = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
        out[start : start + _AT_A_TIME] = small.contiguous().flatten(1).numpy()
    return out


def suggest_flip(dataset: Dataset) -> tuple[bool, str]:
    """Whether mirrored views are used when the user said `auto`, and the sentence that says why.

    Never: whether a mirrored image keeps its class is knowledge about the subject that pixels do not hold.
    """
    return False, (
        f"Mirrored views are off for these {len(dataset.classes)} classes: a mirrored chest X-ray or digit is another thing."
        " If left and right mean nothing in your images, --flip on may help."
    )
