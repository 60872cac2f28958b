"""TIFF of more than eight bits a colour, of several channels, or of floats: what Pillow would cut or cannot read."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frostline.data.deep import Values, on_white, stretched
from frostline.data.source import opened

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO = 0
_COLOUR = frozenset({2, 5, 6, 8})  # RGB, CMYK, YCbCr, CIELab: with these Pillow knows what to do
_ALPHA = frozenset({1, 2})
_PLAIN_GRAY = frozenset({"bool", "uint8", "uint16", "int16", "uint32", "int32", "float32"})

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it repairs is of no interest


@dataclass(frozen=True)
class Header:
    """What the first page says.

    Attributes:
        channels: without transparency; bits: of one of them.
        samples: with transparency.
        frames: pages.
        inverted: 0 is white.
    """

    width: int
    height: int
    channels: int
    bits: int
    samples: int
    frames: int
    inverted: bool

    @property
    def bytes_a_pixel(self) -> int:
        return self.samples * max(8, self.bits) // 8


def special(path: str | Path) -> Header | None:
    """The header of a TIFF that Pillow would cut to eight bits or three channels or cannot read; None for all others.

    Raises:
        Exception: of any kind.
    """
    import tifffile

    with opened(path) as stream, tifffile.TiffFile(stream) as file:
        page: Any = file.pages.first
        bits = page.dtype.itemsize * 8 if page.dtype is not None else 8
        samples, extra = int(page.samplesperpixel), tuple(int(kind) for kind in page.extrasamples)
        inverted = int(page.photometric) == _WHITE_IS_ZERO
        if _is_plain(page, samples, extra, bits, inverted):
            return None
        if page.dtype is None:
            raise ValueError(f"its samples have {page.bitspersample} bits, which cannot be read")
        channels = samples - (1 if extra and extra[-1] in _ALPHA and samples in (2, 4) else 0)
        if page.imagedepth != 1:
            raise ValueError("it is a volume; a picture is expected")
        return Header(int(page.imagewidth), int(page.imagelength), channels, bits, samples, len(file.pages), inverted)


def _is_plain(page: Any, samples: int, extra: tuple[int, ...], bits: int, inverted: bool) -> bool:
    """Whether Pillow reads it as it is."""
    if page.dtype is None:
        return samples == 1
    if samples == 1:
        return str(page.dtype) in _PLAIN_GRAY and not (inverted and bits > 8)
    coloured = int(page.photometric) in _COLOUR and samples - len(extra) in (3, 4) and set(extra) <= _ALPHA
    return bits <= 8 and page.dtype.kind in "ub" and (coloured or (samples == 2 and set(extra) <= _ALPHA))


def read_values(path: str | Path, header: Header) -> Values:
    """(height, width, channels) of 0..255; transparency laid on white.

    Deep gray and colour are stretched by one range; with more than three channels each has its own, because bands of
    different sensors have little in common.

    Raises:
        Exception: of any kind.
    """
    import tifffile

    with opened(path) as stream, tifffile.TiffFile(stream) as file:
        page: Any = file.pages.first
        values = np.asarray(page.asarray(maxworkers=1))
        values = np.moveaxis(values, 0, -1) if page.axes.startswith("S") else values
    values = values.reshape(header.height, header.width, header.samples)
    colours = _scaled(values[..., : header.channels])
    colours = 255 - colours if header.inverted else colours
    if header.samples == header.channels:
        return colours
    alpha = values[..., -1]
    most = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    return on_white(colours.astype(np.float32), np.clip(alpha / np.float32(most), 0, 1))


def _scaled(values: Values) -> Values:
    if values.dtype == np.uint8:
        return values
    if values.shape[-1] <= 3:
        return stretched(values)
    return np.stack([stretched(values[..., channel]) for channel in range(values.shape[-1])], axis=-1)
