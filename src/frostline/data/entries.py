"""What a folder or a table says about one image, before any file is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from frostline.data import dicom
from frostline.terms.data import UNKNOWN, YES
from frostline.terms.finding import Note, Weight

KINDS = {
    "JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",), "BMP": (".bmp",), "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",), "DICOM": dicom.SUFFIXES,
}  # fmt: skip
IMAGE_SUFFIXES = frozenset(suffix for suffixes in KINDS.values() for suffix in suffixes)
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_CLUTTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found"})


@dataclass(frozen=True)
class Entry:
    """One image as it was found.

    Attributes:
        path: relative to the data set's root, with forward slashes.
        label: the class's name; empty where an image may have several labels.
        answers: then (label's name, `YES`, `NO` or `UNKNOWN`) pairs; `others` is the answer for labels that are not among them.
        group, part, subgroups: as in `Sample`.
    """

    path: str
    label: str
    answers: tuple[tuple[str, int], ...] = ()
    others: int = UNKNOWN
    group: str | None = None
    part: str | None = None
    subgroups: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The class, or the labels that it has."""
        return (self.label,) if self.label else tuple(name for name, answer in self.answers if answer == YES)

    @property
    def trains(self) -> bool:
        """Whether classes are learned from it: it is in `train`, or there are no parts."""
        return self.part in (None, "train")


@dataclass(frozen=True)
class Found:
    """The images below a folder, and what else lay there.

    Attributes:
        images: paths relative to the root, sorted.
        others: suffix (or name, where there is none) -> number of files.
    """

    images: tuple[str, ...]
    others: Counter[str]

    def describe_others(self) -> str:
        """`12 .dcm, 1 .txt`, or `no files at all`."""
        kinds = sorted(self.others.items(), key=lambda item: (-item[1], item[0]))[:5]
        return ", ".join(f"{count:,} {kind}" for kind, count in kinds) or "no files at all"


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden or left there by an operating system."""
    return name.startswith(".") or name.lower() in _CLUTTER


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not is_clutter(name)  # noqa: PTH122 ten times as quick


def is_image_file(path: Path) -> bool:
    """Whether the file is an image: by its name, and where that says nothing by its beginning."""
    return is_image(path.name) or (not is_clutter(path.name) and dicom.is_unnamed(path))


def subfolders(folder: Path) -> list[Path]:
    """The visible folders directly below, ordered by name."""
    return sorted((p for p in folder.iterdir() if p.is_dir() and not is_clutter(p.name)), key=lambda p: p.name)


def images_directly_in(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if is_image(p.name) and p.is_file()), key=lambda p: p.name)


def find_images(folder: Path, root: Path) -> Found:
    """All images below `folder`, at any depth; the order never depends on the file system.

    Linked folders are followed, each real folder once, and none that holds `folder` itself: a link to a parent can neither
    loop nor bring in the images of other classes.
    """
    images: list[str] = []
    others: Counter[str] = Counter()
    start = os.path.realpath(folder)
    seen = {start, *map(str, Path(start).parents)}
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_clutter(name) and _new(Path(here) / name, seen))
        inside = Path(here).relative_to(root).as_posix()  # once a folder: a hundred thousand paths take seconds
        for name in files:
            if is_image(name) or is_image_file(Path(here) / name):
                images.append(name if inside == "." else f"{inside}/{name}")
            elif not is_clutter(name):
                others[Path(name).suffix.lower() or name] += 1
    return Found(tuple(sorted(images)), others)


def _new(folder: Path, seen: set[str]) -> bool:
    real = os.path.realpath(folder)
    fresh = real not in seen
    seen.add(real)
    return fresh


WITHOUT_NAMES = "; without --allow-unreadable the error names them."  # a note goes into reports: see `table_rows`


def placed(before: str, where: str, after: str, weight: Weight) -> Note:
    """`before (where)after`; `where` names rows of splits.csv, which not everybody has."""
    return Note(f"{before} ({where}){after}", weight, f"{before}{after}")


def table_rows(one: int, other: int) -> str:
    """Where two samples stand, by their indices: notes go into reports, and a path may name a patient.

    Rows are counted as a spreadsheet does: the header is the first.
    """
    return f"rows {row_of(one)} and {row_of(other)} of splits.csv"


def row_of(index: int) -> int:
    """The row of splits.csv in which a sample stands."""
    return index + 2


def listed(names: Iterable[str], most: int = 10) -> str:
    """`a, b, c and 12 more`."""
    every = list(names)
    tail = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + tail
