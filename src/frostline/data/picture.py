"""From a file to an upright picture: what each format says is obeyed here, before anything is resized."""

from __future__ import annotations

import contextlib
import stat
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from frostline.data import dicom, tiff
from frostline.data.deep import Values, on_white, stretched
from frostline.errors import DataError
from frostline.terms.look import Look, Scale

Box = tuple[float, float, float, float]
Floats = npt.NDArray[np.float32]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF")  # and no plug-in that starts another program
MOST_BYTES = 2 * 2**30  # of a file: no picture that could be decoded is larger
MOST_DECODED = 300_000_000  # bytes of the pixels as the file holds them: decoding needs several times as many
_LARGE = 50_000_000  # bytes: pictures above are decoded one at a time, whatever the number of threads
_one_large = threading.Lock()
_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_DEEP_MODES = {"I": 32, "F": 32, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16}  # more than eight bits a pixel
_ALPHA_MODES = ("LA", "La", "RGBA", "RGBa", "PA")
_DEEP_COLOURS = {"RGB;16B": 3, "LA;16B": 1, "RGBA;16B": 3}  # of PNG; Pillow would keep eight of these bits
_FIRST_SIDEWAYS = 5  # orientation tags from 5 on exchange width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_KINDS = {"MPO": "JPEG", "DIB": "BMP"}
STARTS = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp",
    **dict.fromkeys(tiff.STARTS, ".tif"),
}  # fmt: skip
_OTHER_STARTS = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive or an office document", b"\x1f\x8b": "a gzip archive",
    b"\x80\x02": "a pickle", b"\x80\x04": "a pickle", b"\x80\x05": "a pickle", b"\x93NUMPY": "a NumPy array", b"\x89HDF": "HDF5",
    b"<": "HTML, SVG or XML", b"%!PS": "PostScript", b"8BPS": "a Photoshop file", b"\x7fELF": "a program", b"MZ": "a program",
    b"version https://git-lfs": "a pointer of Git LFS whose file was not fetched",
}  # fmt: skip

# What `bounded` decides need not be warned of, and decoders' own warnings name no file.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Picture:
    """An upright picture.

    Attributes:
        bands: one image of mode L, RGB or F (0..255), or one of mode L or F for each of several channels; of one size.
        size: width and height in the file, upright, before a scaled decoding.
        box: left, top, right and bottom of what the bands show.
        look: what was seen; what its values are like is not known yet.
    """

    bands: tuple[Image.Image, ...]
    size: tuple[int, int]
    box: Box
    look: Look


@contextlib.contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Whatever a decoder stumbles over becomes a DataError with the file's name and the reason in one line."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # plug-ins raise whatever their parsers stumble over
        raise DataError(f"{path} cannot be decoded: {_reason(error, path)}") from error


def open_picture(path: str | Path, short: int) -> Picture:
    """The file's picture. A JPEG is decoded at the smallest scale whose short side is not below `short`.

    Raises:
        Exception: of any kind; to be called within `told`.
    """
    kind = _kind_of(path)
    if kind == "DICOM":
        return _dicom_picture(path)
    if kind == "TIFF" and (header := tiff.special(path)) is not None:
        return _tiff_picture(path, header)
    with Image.open(path, formats=FORMATS) as image:
        return _file_picture(image, path, short)


def read_header(path: str | Path) -> Look:
    """What the header alone says: values and frames are not known.

    Raises:
        Exception: of any kind; to be called within `told`.
    """
    kind = _kind_of(path)
    if kind == "DICOM":
        return _dicom_look(dicom.read_header(path))
    if kind == "TIFF" and (header := tiff.special(path)) is not None:
        return _tiff_look(header)
    with Image.open(path, formats=FORMATS) as image:
        return _file_look(image)


def check_regular(path: str | Path) -> None:
    """Nothing: a pipe would be waited for, and a device would never end.

    Raises:
        OSError: it is no regular file, or larger than any picture.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")
    if found.st_size > MOST_BYTES:
        raise OSError(f"it has {found.st_size:,} bytes, more than any picture that can be decoded")


def _kind_of(path: str | Path) -> str:
    """`DICOM`, `TIFF` or nothing, by the file's beginning; by its name where DICOM has no mark, as in its oldest files."""
    check_regular(path)
    with Path(path).open("rb") as file:
        start = file.read(132)
    if not start:
        raise OSError("the file is empty (0 bytes)")
    if start[128:] == b"DICM" or (dicom.is_named_so(path) and not start.startswith(tuple(STARTS))):
        return "DICOM"
    return "TIFF" if start.startswith(tiff.STARTS) else ""


@contextlib.contextmanager
def bounded(size: tuple[int, int], bytes_a_pixel: int) -> Iterator[None]:
    """Room to decode a picture in: a large one waits for the other large one.

    Raises:
        ValueError: it is larger than anything that is decoded here.
    """
    needed = size[0] * size[1] * bytes_a_pixel
    if needed > MOST_DECODED:
        raise ValueError(f"it is too large ({size[0]:,} x {size[1]:,} pixels); make it smaller, or cut out what matters")
    with _one_large if needed > _LARGE else contextlib.nullcontext():
        yield


def _reason(error: Exception, path: str | Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is not there."
    if isinstance(error, UnidentifiedImageError):
        return f"it is no image that can be read, or its beginning is damaged{_likeness(path)}."
    if isinstance(error, MemoryError):
        return "there is not enough memory for what it asks."
    if isinstance(error, Image.DecompressionBombError):
        return f"it is too large ({error})."
    said = " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
    return f"{said[:300].rstrip('.')}." if said else f"{type(error).__name__}."


def surely_none(path: str | Path) -> str:
    """Why the file is no image at all, told by its first bytes; nothing where decoding has to find out."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(132)
    except OSError:
        return ""
    known = start.startswith(tuple(STARTS)) or start[128:] == b"DICM"
    return "" if known else f"no image{_likeness(path)}" if start else "an empty file (0 bytes)"


def _likeness(path: str | Path) -> str:
    """What the file seems to be instead."""
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        start = file.read(64)
        found = next((name for mark, name in _OTHER_STARTS.items() if start.startswith(mark)), "")
        return f"; it looks like {found}" if found else "; it begins with zeros" if start and not start.strip(b"\0") else ""
    return ""


def _picture(bands: Sequence[Image.Image], look: Look, size: tuple[int, int] | None = None, box: Box | None = None) -> Picture:
    """`size` and `box` are those of the bands where nothing was scaled."""
    shown = bands[0].size if size is None else size
    return Picture(tuple(bands), shown, box or (0, 0, *bands[0].size), replace(look, width=shown[0], height=shown[1]))


def extremes(picture: Picture) -> tuple[float, float]:
    """The darkest and the lightest value: found when somebody asks, for it takes a tenth of decoding a small JPEG."""
    found = [band.getextrema() for band in picture.bands]
    pairs = [pair for each in found for pair in (each if isinstance(each[0], tuple) else (each,))]
    return min(float(pair[0]) for pair in pairs), max(float(pair[1]) for pair in pairs)


# Files of Pillow -----------------------------------------------------------------------------------------------------


def _file_picture(image: Image.Image, path: str | Path, short: int) -> Picture:
    size, look = image.size, _file_look(image, _frames(image))
    drafted = image.draft(None, resized(size, short))
    # a scaled decode rounds the size up: the picture ends inside the last pixel, and the resize must know
    filled = drafted[1][2:] if drafted else image.size
    with bounded(image.size, _channels_in_memory(image) * max(8, look.bits) // 8):
        if _deep_colours(image):
            turn = _orientation(image)
            flat = _deep_png(path)
            upright = flat.transpose(_TURNS[turn]) if turn in _TURNS else flat
        else:
            upright, turn = _upright(image)
            upright = _plain(upright)
    box = _turned_box(upright.size, filled, turn)
    return _picture([upright], look, size if turn < _FIRST_SIDEWAYS else size[::-1], box)


def _file_look(image: Image.Image, frames: int = 1) -> Look:
    deep = _deep_colours(image)
    bits = 16 if deep else 1 if image.mode == "1" else _DEEP_MODES.get(image.mode, 8)
    kind = _KINDS.get(image.format or "", image.format or "")
    # a palette may hold nothing but gray and is colour all the same
    channels = deep or (1 if image.mode in _GRAY_MODES else 3)
    return Look(kind, *image.size, channels, bits, frames, Scale.STORED if bits <= 8 else Scale.OWN_RANGE)


def _channels_in_memory(image: Image.Image) -> int:
    """While it is made plain: palettes become colours, and what is transparent has four channels for a while."""
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return 4
    return 3 if image.mode == "P" else len(image.getbands())


def _frames(image: Image.Image) -> int:
    """Frames of an animation, or pages; what a phone keeps beside a photograph (MPO) is none."""
    if image.format in ("MPO", "JPEG"):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # damage in a later frame does not matter
        return 1


def _deep_colours(image: Image.Image) -> int:
    """Channels without transparency of a PNG with 16 bits in each of several channels; 0 for all other files."""
    tiles: Any = getattr(image, "tile", None) if image.format == "PNG" else None
    raw = tiles[0].args if tiles else ""
    return _DEEP_COLOURS.get(raw, 0) if isinstance(raw, str) else 0


def _deep_png(path: str | Path) -> Image.Image:
    """L or RGB, by the picture's own range: one range for all colours, so that hues stay."""
    import imagecodecs

    values: Values = imagecodecs.png_decode(Path(path).read_bytes())
    colours, alpha = (values[..., :-1], values[..., -1]) if values.shape[-1] in (2, 4) else (values, None)
    scaled = stretched(colours)
    pixels = scaled if alpha is None else on_white(scaled, alpha / np.float32(65535))
    return Image.fromarray(rounded(pixels).squeeze(-1) if pixels.shape[-1] == 1 else rounded(pixels))


def rounded(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Numbers 0..255 as bytes."""
    return pixels if pixels.dtype == np.uint8 else np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _upright(image: Image.Image) -> tuple[Image.Image, int]:
    """The image as it is meant to be looked at, and the orientation tag that was obeyed, 1 (nothing to do) to 8."""
    image.load()  # damage in the pixels must surface here, not as a damaged orientation tag
    turn = _orientation(image)
    try:
        return (ImageOps.exif_transpose(image), turn) if turn in _TURNS else (image, 1)
    except Exception:  # a broken tag says nothing; the pixels are fine
        return image, 1


def _orientation(image: Image.Image) -> int:
    """The orientation tag, 1 where there is none that says anything."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # as above
        return 1
    return turn if turn in _TURNS else 1


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
        return Image.fromarray(stretched(np.asarray(image)))
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _flattened(image)
    mode = "L" if image.mode in _GRAY_MODES else "RGB"
    return image if image.mode == mode else image.convert(mode)  # `convert` copies even then


def _flattened(image: Image.Image) -> Image.Image:
    """Transparency laid on white."""
    gray = image.mode in _GRAY_MODES
    colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, colours).convert("L" if gray else "RGB")


def resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """(width, height) after the short side was resized, rounded as torchvision rounds."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


# TIFF that Pillow would cut, and DICOM --------------------------------------------------------------------------------


def _tiff_look(header: tiff.Header) -> Look:
    scale = Scale.STORED if header.bits <= 8 else Scale.OWN_RANGE
    return Look("TIFF", header.width, header.height, header.channels, header.bits, header.frames, scale)


def _tiff_picture(path: str | Path, header: tiff.Header) -> Picture:
    with bounded((header.width, header.height), header.bytes_a_pixel):
        return _picture(_bands(tiff.read_values(path, header)), _tiff_look(header))


def _dicom_look(header: dicom.Header) -> Look:
    return Look("DICOM", header.width, header.height, header.channels, header.bits, header.frames)


def _dicom_picture(path: str | Path) -> Picture:
    header = dicom.read_header(path)
    with bounded((header.width, header.height), header.bytes_a_pixel):
        values, scale = dicom.read_values(path)
        return _picture(_bands(values), replace(_dicom_look(header), scale=scale, channels=values.shape[-1]))


def _bands(values: Values) -> list[Image.Image]:
    """(height, width, channels) of 0..255 -> bands: gray stays as exact as it is, colour is rounded."""
    if values.shape[-1] == 3:
        return [Image.fromarray(rounded(values))]
    return [Image.fromarray(np.ascontiguousarray(values[..., channel])) for channel in range(values.shape[-1])]
