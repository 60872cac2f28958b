"""DICOM: the only module that imports pydicom (the extra [dicom]), and only when there is such a file.

Of the header nothing is parsed but what describes the pixels and, for groups, the patient's id, which leaves this module as
a hash: no other field that could name a person is ever read.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.data.deep import Values, between, stretched
from frostline.errors import DataError
from frostline.terms.look import Scale

SUFFIXES = (".dcm", ".dicom")
INSTALL = "pip install 'frostline[dicom]'"
_PATIENT = ("PatientID", "IssuerOfPatientID")
_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_HEADER = (
    "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "NumberOfFrames", "PhotometricInterpretation",
)  # fmt: skip
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_READ_AHEAD = 2**20  # bytes: below, what a field claims does no harm
_DEFLATED = "1.2.840.10008.1.2.1.99"
_NO_PICTURE = "it is DICOM without a picture (a report, a plan, a directory or the like)"
_UNBOUNDED = 1e12  # beyond any value: where a window's output ends


@dataclass(frozen=True)
class Header:
    """What the header says of the pixels.

    Attributes:
        channels: 1 or 3; bits: stored, of one of them.
        bytes_a_pixel: as they are allocated.
    """

    width: int
    height: int
    channels: int
    bits: int
    frames: int
    bytes_a_pixel: int


def is_named_so(path: str | Path) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


def is_unnamed(path: Path) -> bool:
    """Whether a file that is named by a number or without a suffix, as scanners do, begins as DICOM does.

    False for what cannot be opened.
    """
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    try:
        if not path.is_file():  # opening a pipe would wait
            return False
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def can_be_read() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("pydicom") is not None


@cache
def _pydicom() -> Any:
    """The package, told to be quiet: its warnings may quote values of the header.

    Raises:
        DataError: it is not installed.
    """
    if not can_be_read():
        raise DataError(f"DICOM needs the extra [dicom]: {INSTALL}")
    import pydicom

    warnings.filterwarnings("ignore", module=r"pydicom\.|pylibjpeg|openjpeg|libjpeg")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom


def read_header(path: str | Path) -> Header:
    """Size and depth, without the pixels.

    Raises:
        Exception: of any kind.
    """
    found = _parsed(path, _HEADER)
    if not found.get("Rows") or not found.get("Columns"):
        raise ValueError(_NO_PICTURE)
    palette = found.get("PhotometricInterpretation") == "PALETTE COLOR"
    with _meaning("its DICOM header is damaged"):
        channels = 3 if palette else int(found.get("SamplesPerPixel") or 1)
        allocated = int(found.get("BitsAllocated") or 8)
        bits = int(found.get("BitsStored") or allocated)
        frames = int(found.get("NumberOfFrames") or 1)
        return Header(int(found.Columns), int(found.Rows), channels, bits, frames, channels * max(1, allocated // 8))


def read_values(path: str | Path) -> tuple[Values, Scale]:
    """(height, width, 1 or 3) of 0..255 of the first frame, light on dark, and how they were made of the file's numbers.

    The modality's table or slope, then the values of interest: the file's own table or window, the first of several; where
    there is none, the picture's own range without its padding. MONOCHROME1 is inverted; palettes and YBR become RGB.

    Raises:
        Exception: of any kind.
    """
    values, header = _pixels(path)
    with _meaning("what its header says of its values cannot be used"):
        return _interpreted(values, header, str(header.get("PhotometricInterpretation", "")))


def patient_of(path: str | Path) -> str | None:
    """A hash of the patient's id and of who gave it; None where the file names no patient or is no DICOM that can be read.

    What is written derives from this hash and the data set's fingerprint, never from the id.
    """
    try:
        found = _parsed(path, _PATIENT)
        named = [str(found.get(field) or "").strip() for field in _PATIENT]
    except DataError:
        raise
    except Exception:  # decoding reports the file, by name
        return None
    return hashlib.sha256("\0".join(["frostline patient", *named]).encode()).hexdigest()[:24] if named[0] else None


def _pixels(path: str | Path) -> tuple[Values, Any]:
    """The first frame, (height, width) or (height, width, 3), and what the header says of pixels."""
    header = _pydicom().Dataset()
    from pydicom.pixels import pixel_array

    try:
        with _opened(path) as file:
            values = pixel_array(file, ds_out=header, index=0, **_encoding(path))
    except AttributeError as error:
        raise ValueError(_NO_PICTURE if "no pixel data" in str(error) else f"its header is incomplete ({error})") from error
    except Exception as error:
        raise ValueError(f"its pixels cannot be decoded ({str(error) or type(error).__name__})") from error
    if values.ndim not in (2, 3) or not values.size or (values.ndim == 3 and values.shape[2] != 3):
        raise ValueError(f"its pixels have the shape {values.shape}; one picture, gray or of three colours, is expected")
    return values, header


def _interpreted(values: Values, header: Any, meaning: str) -> tuple[Values, Scale]:
    """(height, width, 1 or 3) of 0..255."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    if meaning == "PALETTE COLOR":
        colours = apply_color_lut(values, header)[..., :3]
        # tables that are said to hold 16 bits hold eight in some files
        bits = 8 if colours.max() < 256 else int(header.RedPaletteColorLookupTableDescriptor[2])
        return between(colours, 0, 2**bits - 1), Scale.STORED
    if values.ndim == 3:
        return (values, Scale.STORED) if values.dtype == np.uint8 else (stretched(values), Scale.OWN_RANGE)
    physical = apply_modality_lut(values, header)
    if meaning not in _GRAY:
        return stretched(physical)[..., None], Scale.OWN_RANGE
    shown, scale = _of_interest(physical, header, _counted(values, header))
    return (255 - shown if meaning == "MONOCHROME1" else shown)[..., None], scale


def _parsed(path: str | Path, fields: tuple[str, ...]) -> Any:
    """These fields alone; what else the header says is passed over."""
    pydicom = _pydicom()
    _refuse_deflated(path)
    with _meaning("its DICOM header is damaged"), _opened(path) as file:
        return pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=list(fields))


def _refuse_deflated(path: str | Path) -> None:
    """A deflated file unfolds as a whole, to any size, before its first field can be read."""
    from pydicom.filereader import read_file_meta_info

    try:
        syntax = read_file_meta_info(Path(path)).get("TransferSyntaxUID")
    except MemoryError:
        raise
    except Exception:  # without such a beginning it is not deflated either
        return
    if syntax == _DEFLATED:
        raise ValueError("it is deflated as a whole, which is not read; save it with another transfer syntax")


class _File(io.BufferedReader):
    """An opened file of which no more is asked than there is: a field may claim a length of four gigabytes."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _READ_AHEAD:
            size = min(size, os.fstat(self.fileno()).st_size)
        return super().read(size)


def _opened(path: str | Path) -> _File:
    return _File(io.FileIO(Path(path)))


@contextlib.contextmanager
def _meaning(what: str) -> Iterator[None]:
    """An error of pydicom, said in a line that begins with `what`."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{what} ({str(error) or type(error).__name__})") from error


def _encoding(path: str | Path) -> dict[str, Any]:
    """The transfer syntax of the oldest files, which do not say it: as their beginning looks."""
    found = _parsed(path, _PATIENT[:0])
    if getattr(found, "file_meta", {}).get("TransferSyntaxUID"):
        return {}
    implicit, little = found.original_encoding
    return {"transfer_syntax_uid": "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")}


def _of_interest(physical: Values, header: Any, counted: npt.NDArray[np.bool_] | None) -> tuple[Values, Scale]:
    """(height, width) of 0..255."""
    from pydicom.pixels import apply_voi, apply_windowing

    if header.get("VOILUTSequence"):
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        return between(apply_voi(physical, header), 0, 2**bits - 1), Scale.WINDOW
    if _window(header):
        ends = apply_windowing(np.array([-_UNBOUNDED, _UNBOUNDED]), header)
        return between(apply_windowing(physical, header), float(ends.min()), float(ends.max())), Scale.WINDOW
    bits = int(header.get("BitsStored") or 8)
    if physical.dtype == np.uint8 and bits <= 8:
        return (physical if bits == 8 else between(physical, 0, 2**bits - 1)), Scale.STORED
    return stretched(physical, counted), Scale.OWN_RANGE


def _window(header: Any) -> bool:
    """Whether there is a window that says anything: some devices write one of no width."""
    widths, centres = header.get("WindowWidth"), header.get("WindowCenter")
    if widths in (None, "") or centres in (None, ""):
        return False
    first = widths[0] if isinstance(widths, (list, tuple)) or hasattr(widths, "__len__") else widths
    return float(first) >= 1


def _counted(values: Values, header: Any) -> npt.NDArray[np.bool_] | None:
    """(height, width) which pixels are no padding around what was seen; None where there is none."""
    first, last = (header.get(field) for field in _PADDING)
    if first is None:
        return None
    low, high = sorted((int(first), int(first if last is None else last)))
    return (values < low) | (values > high)
