"""Image files of the rarer kinds, written for tests."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def deep_png(path: Path, values: np.ndarray, colour: int, orientation: int = 1) -> Path:
    """(height, width, channels) uint16 as a PNG of colour type 2 (RGB), 4 (gray, alpha) or 6 (RGB, alpha)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + b"\0\0\0\0"
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)), chunk(b"eXIf", exif),
        chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""),
    ]  # fmt: skip
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def dicom_file(path: Path, values: np.ndarray, **fields: Any) -> Path:
    """(height, width) or (height, width, 3) as DICOM; `fields` by keyword, over plain ones."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    bits, colour = values.dtype.itemsize * 8, values.ndim == 3 and values.shape[-1] == 3
    found.Rows, found.Columns = values.shape[-3:-1] if colour else values.shape[-2:]
    found.SamplesPerPixel, found.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        found.PlanarConfiguration = 0
    found.BitsAllocated = found.BitsStored = bits
    found.HighBit, found.PixelRepresentation = bits - 1, int(values.dtype.kind == "i")
    found.PatientName, found.PatientID = "Doe^Jane", "MRN-4711"
    for name, value in fields.items():
        setattr(found, name, value)
    found.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    found["PixelData"].VR = "OW" if bits > 8 else "OB"
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
    return path
