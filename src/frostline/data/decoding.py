"""From a file to a square of pixels: the only way in which frostline decodes an image.

Search, prediction and tests share it, because two ways of decoding differ in pixels and hence in scores.
"""

from __future__ import annotations

import dataclasses
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from frostline.data.picture import Box, Picture, extremes, open_picture, read_header, resized, rounded, told
from frostline.errors import DataError, nearest
from frostline.terms.backbone import InputSpec
from frostline.terms.look import Look, Scale

Pixels = npt.NDArray[np.uint8]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_LONGEST_ASPECT = 8  # a strip longer than this is shortened before it is enlarged: 1 x 9000 pixels must not fill the memory
_TAIL, _NARROW = 1.0, 12.75  # percent of a thumbnail at either end, and a twentieth of 0..255


@dataclass(frozen=True)
class Geometry:
    """How images are resized and cut.

    Attributes:
        size: side of the square that the network receives, pixels.
        margin: side of the square that is stored, at least `size`: the image's short side is resized to it.
        interpolation: of the resize, always antialiased: bilinear, bicubic, nearest, lanczos, box or hamming.
    """

    size: int
    margin: int
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.interpolation not in _FILTERS:
            raise DataError(
                f"interpolation {self.interpolation!r} is not known; expected one of {', '.join(_FILTERS)}."
                f"{nearest(self.interpolation, _FILTERS)}"
            )
        if not 1 <= self.size <= self.margin:
            raise DataError(f"an image size of {self.size} in a square of {self.margin} pixels; expected 1 <= size <= square.")

    @classmethod
    def of(cls, spec: InputSpec) -> Geometry:
        """As the weights' evaluation transform resizes: the short side to floor(height / crop_pct), then the centre."""
        return cls(spec.height, max(spec.height, math.floor(spec.height / spec.crop_pct)), spec.interpolation)

    @property
    def offset(self) -> int:
        """Of the centre crop inside the stored square, from its upper left corner."""
        return round((self.margin - self.size) / 2)


def decode(path: str | Path, geometry: Geometry) -> Pixels:
    """The stored square of one image: (margin, margin, channels), channels 1 for gray files, 3 for colour, else the file's own.

    Orientation tags are applied; transparency is laid on white; what has more than 8 bits is stretched from its own
    minimum and maximum to 0..255, DICOM by the window that it names; of several frames the first counts. JPEGs are decoded at
    the smallest scale that is not below the needed size.

    Raises:
        DataError: the file is missing, damaged, cut off, too large to be sane, or no image; its name is in the message.
    """
    with told(path):
        return _square(open_picture(path, geometry.margin), geometry)


def look_at(path: str | Path, side: int) -> tuple[Pixels, Look]:
    """The whole picture pressed into (side, side) gray pixels, whatever its shape, and what was seen of it.

    Raises:
        DataError: as `decode`.
    """
    with told(path):
        picture = open_picture(path, side)
        thumbnail = _pressed(picture, side)
        low, high = extremes(picture)
        look = dataclasses.replace(picture.look, low=low, high=high, mean=float(thumbnail.mean()), spread=float(thumbnail.std()))
        return thumbnail, dataclasses.replace(look, narrow=_is_narrow(look, thumbnail))


def thumbnail(path: str | Path, side: int) -> Pixels:
    """The picture of `look_at` alone."""
    return look_at(path, side)[0]


def preview(path: str | Path, side: int) -> bytes:
    """The whole picture as a PNG of at most `side` pixels a side, for people; of several channels the first, or the first three.

    Raises:
        DataError: as `decode`.
    """
    with told(path):
        picture = open_picture(path, side)
        scale = side / max(picture.size)
        size = (max(1, round(picture.size[0] * scale)), max(1, round(picture.size[1] * scale)))
        bands = [np.asarray(band.resize(size, Image.Resampling.BILINEAR, box=picture.box)) for band in picture.bands[:3]]
        shown = rounded(np.stack(bands, axis=-1) if len(bands) == 3 else bands[0])
        out = io.BytesIO()
        Image.fromarray(shown).save(out, "PNG")
        return out.getvalue()


def short_side(path: str | Path) -> int:
    """The image's shorter side in pixels, from its header alone.

    Raises:
        DataError: the header cannot be read.
    """
    with told(path):
        header = read_header(path)
        return min(header.width, header.height)


def channels_of(path: str | Path) -> int:
    """As the header says: 1 for gray, 3 for colour, else as many as there are; 0 for files that cannot be read."""
    try:
        with told(path):
            return read_header(path).channels
    except DataError:
        return 0


def _pressed(picture: Picture, side: int) -> Pixels:
    """(side, side) gray; several channels by their mean."""
    gray = [band if band.mode == "F" else band.convert("L") for band in picture.bands]
    small = [np.asarray(band.resize((side, side), Image.Resampling.BILINEAR, box=picture.box)) for band in gray]
    return rounded(small[0] if len(small) == 1 else np.mean(small, axis=0))


def _is_narrow(look: Look, thumbnail: Pixels) -> bool:
    """Whether a few extreme pixels set the range of a deep picture."""
    if look.scale is not Scale.OWN_RANGE or look.constant:
        return False
    low, high = np.percentile(thumbnail, (_TAIL, 100 - _TAIL))
    return bool(high - low < _NARROW)


def _square(picture: Picture, geometry: Geometry) -> Pixels:
    """The part of the picture inside its box, resized and cut."""
    bands, size, box = picture.bands, picture.size, picture.box
    if max(size) > _LONGEST_ASPECT * min(size):
        bands = tuple(_shortened(band) for band in bands)
        size, box = bands[0].size, (0, 0, *bands[0].size)
    cut = [_cut(band, resized(size, geometry.margin), box, geometry) for band in bands]
    return rounded(cut[0] if len(cut) == 1 else np.stack(cut, axis=-1)).reshape(geometry.margin, geometry.margin, -1)


def _cut(band: Image.Image, size: tuple[int, int], box: Box, geometry: Geometry) -> npt.NDArray[Any]:
    small = band.resize(size, _FILTERS[geometry.interpolation], box=box)
    left, top = _start(size[0], geometry), _start(size[1], geometry)
    return np.array(small.crop((left, top, left + geometry.margin, top + geometry.margin)))  # writable, torch asks for it


def _shortened(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = _LONGEST_ASPECT * min(width, height)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _start(extent: int, geometry: Geometry) -> int:
    """Where the stored square begins, so that its centre crop is the centre crop of the whole, to the pixel.

    Two roundings in a row, margin in image and size in margin, would at times be one pixel off.
    """
    return round((extent - geometry.size) / 2) - geometry.offset
