"""Writing decoded images into one file, whole or not at all, and finding it again.

Beside `NAME.npy` lies `NAME.json` with what is needed to trust it: its shape, a checksum and the images left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from frostline.data.assemble import subset
from frostline.data.decoding import Geometry, Pixels, channels_of, decode
from frostline.data.entries import WITHOUT_NAMES, listed
from frostline.errors import NO_ROOM, DataError, DiskFull, room_in
from frostline.terms.data import Dataset
from frostline.terms.identity import digest
from frostline.terms.room import take_room

FORMAT_VERSION = 2  # since deep colours keep their depth until they are stretched
CHUNK = 64  # images handled at a time

Shape = tuple[int, int, int, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Record:
    """What is written beside the pixels.

    Attributes:
        shape: (count, margin, margin, channels).
        checksum: CRC-32 of the pixels; `source` that of the file they were made from, 0 when they were decoded.
        left_out: path -> why it could not be decoded.
    """

    shape: Shape
    checksum: int
    source: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


def file_name(dataset: Dataset, geometry: Geometry) -> str:
    return f"pixels-{digest([dataset.fingerprint, geometry, FORMAT_VERSION], 24)}.npy"


# Finding what is there -----------------------------------------------------------------------------------------------


def find(path: Path, dataset: Dataset, geometry: Geometry, allow_unreadable: bool) -> tuple[Dataset, Shape] | None:
    """The data set and the shape of an intact file, or None when it must be written (again)."""
    record = _record(path)
    if record is None or not _matches(path, record):
        return None
    if record.left_out and not allow_unreadable:
        return None  # they may have been repaired, or only a network drive was away
    readable = _without(dataset, record.left_out)
    if record.shape[:3] != (len(readable.samples), geometry.margin, geometry.margin):
        return None
    return readable, record.shape


def intact(path: Path, shape: Shape, source: int) -> bool:
    """Whether `path` holds exactly what was written, of this shape and made from the file with checksum `source`."""
    record = _record(path)
    return record is not None and (record.shape, record.source) == (shape, source) and _matches(path, record)


def checksum_of(path: Path) -> int:
    """The recorded checksum of a file's pixels; 0 where nothing is recorded."""
    record = _record(path)
    return record.checksum if record else 0


def _record(path: Path) -> Record | None:
    try:
        found = json.loads(path.with_suffix(".json").read_text())
        count, height, width, channels = (int(extent) for extent in found["shape"])
        left_out = {str(name): str(why) for name, why in found["left_out"].items()}
        return Record((count, height, width, channels), int(found["checksum"]), int(found["source"]), left_out)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _matches(path: Path, record: Record) -> bool:
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # a flipped bit in the header can raise nearly anything in its parser
        return False
    return pixels.dtype == np.uint8 and pixels.shape == record.shape and _checksum(pixels) == record.checksum


def _checksum(pixels: Pixels) -> int:
    found = 0
    for start in range(0, len(pixels), CHUNK):
        found = zlib.crc32(np.ascontiguousarray(pixels[start : start + CHUNK]).data, found)
    return found


# Decoding ------------------------------------------------------------------------------------------------------------


def decode_all(
    path: Path, dataset: Dataset, geometry: Geometry, progress: Progress | None, allow_unreadable: bool
) -> tuple[Dataset, Shape]:
    """Decodes every image and publishes the file; returns the readable data set and the file's shape.

    Raises:
        DataError: images cannot be decoded and may not be left out, or none can, or the disk is too small.
    """
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool, _scratch(path) as scratch:
        files = [str(Path(dataset.root) / sample.path) for sample in dataset.samples]
        channels = _common(list(pool.map(channels_of, files)))
        rows = _allocate(scratch, (len(files), geometry.margin, geometry.margin, channels))
        failed, gray = _decode_into(rows, files, geometry, pool, progress or (lambda done, total: None))
        left_out = {dataset.samples[index].path: why for index, why in sorted(failed.items())}
        if left_out and not (allow_unreadable and len(left_out) < len(files)):
            raise DataError(_unreadable(left_out, dataset.root))
        readable = _without(dataset, left_out)
        kept = [index for index in range(len(files)) if index not in failed]
        shape = (len(kept), geometry.margin, geometry.margin, 1 if gray else channels)
        if shape == rows.shape:
            _publish(path, scratch, rows, Record(shape, _checksum(rows), left_out=left_out))
        else:
            write(path, shape, _packed(rows, kept, shape[3]), left_out=left_out)
    return readable, shape


def _common(channels: list[int]) -> int:
    """Channels of the stored squares: 1 where all files are gray, 3 for colour, more where a file has more."""
    return max([1, *channels])


def _decode_into(
    rows: Pixels, files: list[str], geometry: Geometry, pool: ThreadPoolExecutor, progress: Progress
) -> tuple[dict[int, str], bool]:
    """Fills `rows`; returns the failed rows with reasons, and whether colour files hold nothing but gray."""
    chunks = [range(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK)]
    work = {pool.submit(_decode_chunk, rows, files, chunk, geometry): len(chunk) for chunk in chunks}
    failed: dict[int, str] = {}
    gray = rows.shape[3] == 3
    done = 0
    try:
        for future in as_completed(work):
            wrong, is_gray = future.result()
            failed |= wrong
            gray = gray and is_gray
            done += work[future]
            progress(done, len(files))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return failed, gray or rows.shape[3] == 1


def _decode_chunk(rows: Pixels, files: list[str], chunk: range, geometry: Geometry) -> tuple[dict[int, str], bool]:
    failed: dict[int, str] = {}
    gray = True
    for index in chunk:
        try:
            square = decode(files[index], geometry)
        except DataError as error:
            failed[index] = str(error).removeprefix(f"{files[index]} cannot be decoded: ").rstrip(".")
            continue
        if square.shape[2] not in (1, rows.shape[3]):
            failed[index] = f"it has {square.shape[2]} channels, where others have {rows.shape[3]}"
            continue
        rows[index] = square  # (margin, margin, 1) is repeated where three channels are stored
        gray = gray and (square.shape[2] == 1 or bool((square[..., :1] == square[..., 1:]).all()))
    return failed, gray


def _packed(rows: Pixels, kept: list[int], channels: int) -> Iterator[Pixels]:
    for start in range(0, len(kept), CHUNK):
        yield rows[kept[start : start + CHUNK]][..., :channels]


def _without(dataset: Dataset, left_out: dict[str, str]) -> Dataset:
    if not left_out:
        return dataset
    kept = [index for index, sample in enumerate(dataset.samples) if sample.path not in left_out]
    return subset(dataset, kept, f"{len(left_out):,} images cannot be decoded and were left out{WITHOUT_NAMES}")


def refuse_undecodable(dataset: Dataset) -> None:
    """Refuse what nobody could decode who looked at it, before time is spent on anything else.

    Raises:
        DataError: names the files.
    """
    left_out = {dataset.samples[index].path: look for index, look in enumerate(dataset.looks) if isinstance(look, str)}
    if left_out:
        raise DataError(_unreadable(left_out, dataset.root))


def _unreadable(left_out: dict[str, str], root: str) -> str:
    names = listed(f"{path}: {why}" for path, why in left_out.items())
    return (
        f"{len(left_out):,} images in {root} cannot be decoded ({names}); expected whole images."
        " Repair or remove them, or leave them out with --allow-unreadable."
    )


# Writing -------------------------------------------------------------------------------------------------------------


def write(path: Path, shape: Shape, chunks: Iterable[Pixels], source: int = 0, left_out: dict[str, str] | None = None) -> None:
    """Writes consecutive rows of pixels, then puts the file in its place: it is there whole, or not at all.

    Raises:
        DataError: the disk is too small.
    """
    with _scratch(path) as scratch:
        rows = _allocate(scratch, shape)
        start = 0
        for chunk in chunks:
            rows[start : start + len(chunk)] = chunk
            start += len(chunk)
        _publish(path, scratch, rows, Record(shape, _checksum(rows), source, left_out or {}))


@contextlib.contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A name of this process's own in the same folder; whatever is left under it is removed."""
    with room_in(path.parent.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _allocate(path: Path, shape: Shape) -> Pixels:
    """A mapped file whose blocks are reserved: a full disk must be an error now, not a killed process later."""
    needed = int(np.prod(shape, dtype=np.int64))
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise DataError(_too_small(path.parent, shape, needed, free))
    try:
        rows: Pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        with path.open("r+b") as file:
            take_room(file, path.stat().st_size)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DataError(_too_small(path.parent, shape, needed, free)) from error
        raise
    return rows


def _too_small(folder: Path, shape: Shape, needed: int, free: int) -> str:
    return (
        f"{folder} has {free:,} bytes free; {shape[0]:,} decoded images need {needed:,}."
        " Free some space, give another folder, or choose a smaller --size."
    )


def _publish(path: Path, scratch: Path, rows: Pixels, record: Record) -> None:
    if isinstance(rows, np.memmap):
        rows.flush()
    scratch.replace(path)
    try:
        with room_in(path.parent):
            scratch.write_text(json.dumps(asdict(record)))
    except DiskFull:
        path.unlink(missing_ok=True)  # without its record it is worth nothing, and it takes the room
        raise
    scratch.replace(path.with_suffix(".json"))
