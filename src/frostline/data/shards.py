"""Folders of tar shards as tables: a row an image, labelled by the `.cls`, `.json` or `.txt` member of the same name."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from frostline.data.cells import SUFFIXES as TABLE_SUFFIXES
from frostline.data.cells import Table, text_of
from frostline.data.dicom import SUFFIXES as DICOM_SUFFIXES
from frostline.data.entries import IMAGE_SUFFIXES, PARTS, find_images, images_directly_in, is_clutter, listed, subfolders
from frostline.data.tar import Index, index_of, member_bytes
from frostline.errors import DataError

SUFFIX = ".tar"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST_LABEL_BYTES = 2**20
_MOST_FIELDS = 64  # of a .json member


def shards_in(folder: Path) -> list[tuple[Path, str | None]]:
    """(tar, its part): the tar itself, or those directly in a folder or in its `train`, `val` and `test`; a name such as
    `train-0001.tar` says its part too. None where images lie in folders beside them: the archive that these came from is no data.

    Raises:
        DataError: there are compressed tars and nothing else: one cannot seek in them.
    """
    if folder.is_file():
        return [(folder, None)] if folder.suffix.lower() == SUFFIX else []
    inside = _inside(folder)
    every = [file for where, _ in inside for file in _tars(where, (SUFFIX, *_COMPRESSED))]
    if not every or _has_images(folder):
        return []
    found = [(file, part or _part_of(file)) for where, part in inside for file in _tars(where, (SUFFIX,))]
    if not found and not find_images(folder, folder).images:
        raise DataError(
            f"{folder} holds compressed tars ({listed((file.name for file in every), 3)}), in which no image can be looked up;"
            " expected plain ones. Images are compressed already: decompress the tars once (gunzip, zstd -d)."
        )
    return found if all(part is None for _, part in found) else [(file, part or "train") for file, part in found]


def passed_over(folder: Path) -> list[str]:
    """A sentence about the tars beside images that were read as files; none where there are no such tars."""
    tars = [file.name for where, _ in _inside(folder) for file in _tars(where, (SUFFIX, *_COMPRESSED))]
    return [f"Tars beside the folders of images were left out: {listed(tars, 3)}."] if tars else []


def _inside(folder: Path) -> list[tuple[Path, str | None]]:
    """(folder that shards may lie in, its part)."""
    parts = [one for one in subfolders(folder) if one.name.lower() in PARTS]
    return [(folder, None), *((one, PARTS[one.name.lower()]) for one in parts)]


def _has_images(folder: Path) -> bool:
    """Whether class folders in it or in its parts hold images, or itself those that a table of an image folder is about."""
    for one in subfolders(folder):
        if _has_images(one) if one.name.lower() in PARTS else find_images(one, folder).images:
            return True
    return any((folder / f"metadata{suffix}").is_file() for suffix in TABLE_SUFFIXES) and bool(images_directly_in(folder))


def _tars(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.lower().endswith(suffixes) and not is_clutter(file.name))


def _part_of(file: Path) -> str | None:
    word, dash, _ = file.name.lower().partition("-")
    return PARTS.get(word) if dash else None


def read_shards(folder: Path, shards: list[tuple[Path, str | None]]) -> Table:
    """The table that a folder of shards amounts to; fields of a `.json` member are its columns.

    Raises:
        DataError: a shard is refused, or no image has a label.
    """
    rows, columns = [], {"path": None}
    for shard, part in shards:
        for row in _rows(folder, shard):
            rows.append(row if part is None else {**row, "split": part})
            columns.update(dict.fromkeys(rows[-1]))
    if not rows:
        raise DataError(f"{folder} holds {len(shards):,} tar shards and no image in them; expected JPEG, PNG or the like.")
    if len(columns) == 1:
        raise DataError(
            f"the images in the tar shards of {folder} have no labels: expected a member NAME.cls, NAME.json or NAME.txt beside"
            " each NAME.jpg, or a table with the columns path (SHARD.tar::MEMBER) and label."
        )
    names = tuple(columns)
    return Table(
        str(folder), names, names, tuple((n, {c: row.get(c, "") for c in names}) for n, row in enumerate(rows, 1)), "row"
    )


def _rows(folder: Path, shard: Path) -> Iterator[dict[str, str]]:
    index, place = index_of(shard), shard.relative_to(folder).as_posix()
    labels = _labels(index)
    for member in index:
        stem, suffix = _parted(member)
        if suffix in IMAGE_SUFFIXES:
            if suffix in DICOM_SUFFIXES:
                raise DataError(f"{shard} holds DICOM ({member}), which is read from files alone; unpack this shard.")
            yield {"path": f"{place}::{member}", **_fields(shard, labels.get(stem, {}))}


def _parted(member: str) -> tuple[str, str]:
    """`a/b` and `.seg.png` of `a/b.seg.png`: what stands behind the first dot says what it is."""
    folder, name = posixpath.split(member)
    stem, dot, suffix = name.partition(".")
    return posixpath.join(folder, stem), f"{dot}{suffix}".lower()


def _labels(index: Index) -> dict[str, dict[str, str]]:
    """Stem -> suffix -> the member that may say its label."""
    found: dict[str, dict[str, str]] = {}
    for member in index:
        stem, suffix = _parted(member)
        if suffix in (".cls", ".json", ".txt"):
            found.setdefault(stem, {})[suffix] = member
    return found


def _fields(shard: Path, members: Mapping[str, str]) -> dict[str, str]:
    """Column -> cell. A .cls goes before the label in a .json, which goes before a .txt."""
    fields = _json_fields(shard, members[".json"]) if ".json" in members else {}
    named = [".cls"] if ".cls" in members else [".txt"] if ".txt" in members and not {"label", "labels"} & set(fields) else []
    for suffix in named:
        fields["label"] = _text(shard, members[suffix])
    return fields


def _text(shard: Path, member: str) -> str:
    try:
        return member_bytes(shard, member, _MOST_LABEL_BYTES).decode().strip()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{shard}, {member}: the label cannot be read ({error}); expected a line of UTF-8 text.") from error


def _json_fields(shard: Path, member: str) -> dict[str, str]:
    """The plain values of an object, and its lists of them; what is nested deeper is no column."""
    try:
        found = json.loads(_text(shard, member))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shard}, {member} is no JSON ({error}); expected an object with a label.") from error
    if not isinstance(found, dict):
        return {"label": text_of(found)} if _is_plain(found) else {}
    plain = {str(key).strip().lower(): value for key, value in found.items() if _is_plain(value)}
    fields = {key: text_of(value) for key, value in list(plain.items())[:_MOST_FIELDS] if key not in ("path", "")}
    if "label" not in fields and "cls" in fields:
        fields["label"] = fields.pop("cls")
    return fields


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, (str, int, float)) for item in value)
    return value is None or isinstance(value, (str, int, float))
