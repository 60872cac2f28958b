"""From a file to a square of pixels: the only way in which frostline decodes an image.

Search, prediction and tests share it, because two ways of decoding differ in pixels and hence in scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from frostline.errors import DataError, nearest
from frostline.terms.backbone import InputSpec

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})  # more than eight bits a pixel
_FIRST_SIDEWAYS = 5  # orientation tags from 5 on exchange width and height
_LONGEST_ASPECT = 8  # a strip longer than this is shortened before it is enlarged: 1 x 9000 pixels must not fill the memory


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
    """The stored square of one image: (margin, margin, channels), channels 1 for gray files and 3 for all others.

    Orientation tags are applied; transparency is laid on white; gray of more than 8 bits is stretched from its own
    minimum and maximum to 0..255; of several frames the first counts. JPEGs are decoded at the smallest scale that is
    not below the needed size.

    Raises:
        DataError: the file is missing, damaged, cut off, too large to be sane, or no image; its name is in the message.
    """
    try:
        with Image.open(path) as image:
            return _square(*_picture(image, geometry.margin), geometry)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plug-ins raise whatever their parsers stumble over
        raise DataError(f"{path} cannot be decoded: {_reason(error)}") from error


def thumbnail(path: str | Path, side: int) -> Pixels:
    """The whole picture pressed into (side, side) gray pixels, whatever its shape; otherwise as `decode` reads it.

    Raises:
        DataError: as `decode`.
    """
    try:
        with Image.open(path) as image:
            picture, _, box = _picture(image, side)
            gray = picture if picture.mode == "F" else picture.convert("L")
            return _rounded(np.asarray(gray.resize((side, side), Image.Resampling.BILINEAR, box=box)))
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be decoded: {_reason(error)}") from error


def short_side(path: str | Path) -> int:
    """The image's shorter side in pixels, from its header alone.

    Raises:
        DataError: the header cannot be read.
    """
    try:
        with Image.open(path) as image:
            return min(image.size)
    except Exception as error:
        raise DataError(f"{path} cannot be decoded: {_reason(error)}") from error


def is_gray_file(path: str | Path) -> bool:
    """Whether the header says that there is no colour; False for files that cannot be read."""
    try:
        with Image.open(path) as image:
            return image.mode in _GRAY_MODES
    except Exception:
        return False


def _picture(image: Image.Image, short: int) -> tuple[Image.Image, tuple[int, int], Box]:
    """An opened image upright, its size in the file, and the box of what it shows; a JPEG is decoded not below `short`."""
    size = image.size
    drafted = image.draft(None, _resized(size, short))
    # a scaled decode rounds the size up: the picture ends inside the last pixel, and the resize must know
    filled = drafted[1][2:] if drafted else image.size
    upright, turn = _upright(image)
    box = _turned_box(upright.size, filled, turn)
    return _plain(upright), size if turn < _FIRST_SIDEWAYS else size[::-1], box


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is not there."
    if isinstance(error, UnidentifiedImageError):
        return "it is no image that can be read, or its beginning is damaged."
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it is too large ({error})."
    return f"{error}." if str(error) else f"{type(error).__name__}."


def _upright(image: Image.Image) -> tuple[Image.Image, int]:
    """The image as it is meant to be looked at, and the orientation tag that was obeyed, 1 (nothing to do) to 8."""
    image.load()  # damage in the pixels must surface here, not as a damaged orientation tag
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
        return (ImageOps.exif_transpose(image), turn) if turn in range(2, 9) else (image, 1)
    except Exception:  # a broken tag says nothing; the pixels are fine
        return image, 1


def _turned_box(size: tuple[int, int], filled: Sequence[float], turn: int) -> Box:
    """(left, top, right, bottom) of the picture inside an upright image of `size`.

    Args:
        filled: the picture's width and height from the upper left corner, before it was turned.
        turn: the orientation tag; where rows or columns were reversed the unfilled rim is on the left or above.
    """
    across, down = filled if turn < _FIRST_SIDEWAYS else (filled[1], filled[0])
    left = size[0] - across if turn in (2, 3, 6, 7) else 0.0
    top = size[1] - down if turn in (3, 4, 7, 8) else 0.0
    return left, top, left + across, top + down


def _plain(image: Image.Image) -> Image.Image:
    """The image as L, RGB or, for deep gray, F (floats 0..255, quantised only after the resize)."""
    if image.mode in _DEEP_MODES:
        return Image.fromarray(_stretched(np.asarray(image)))
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        return _on_white(image)
    return image.convert("L" if image.mode in _GRAY_MODES else "RGB")


def _stretched(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Gray of any depth, (height, width), to 0..255 by its own finite range; a constant image becomes 0."""
    finite = np.isfinite(values)
    if not finite.any():
        raise ValueError("it holds no finite number")
    low, high = float(values[finite].min()), float(values[finite].max())
    scaled = (np.where(finite, values, low).astype(np.float64) - low) * (255.0 / (high - low) if high > low else 0.0)
    return scaled.astype(np.float32)


def _on_white(image: Image.Image) -> Image.Image:
    gray = image.mode in _GRAY_MODES
    colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, colours).convert("L" if gray else "RGB")


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """(width, height) after the short side was resized, rounded as torchvision rounds."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _square(image: Image.Image, size: tuple[int, int], box: Box, geometry: Geometry) -> Pixels:
    """The part of `image` inside `box`, a picture of `size` pixels before it was scaled, resized and cut."""
    if max(size) > _LONGEST_ASPECT * min(size):
        image = _shortened(image)
        size, box = image.size, (0, 0, *image.size)
    width, height = _resized(size, geometry.margin)
    resized = image.resize((width, height), _FILTERS[geometry.interpolation], box=box)
    left, top = _start(width, geometry), _start(height, geometry)
    cut = np.array(resized.crop((left, top, left + geometry.margin, top + geometry.margin)))  # writable, torch asks for it
    return _rounded(cut).reshape(geometry.margin, geometry.margin, -1)


def _rounded(pixels: npt.NDArray[Any]) -> Pixels:
    return pixels if pixels.dtype == np.uint8 else np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


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
