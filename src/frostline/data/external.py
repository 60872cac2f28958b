"""A test set that lies beside the data: its images join them as the part `test`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from frostline.data.entries import Entry, listed
from frostline.errors import DataError, nearest


def joined(root: Path, entries: Sequence[Entry], test: Path, tested: Sequence[Entry]) -> list[Entry]:
    """The data's entries, then those of the test set with their paths made relative to the data's root.

    Args:
        root, entries: of the data; images in no part are `train` from now on.
        test, tested: of the test set; its paths are relative to `test`.

    Raises:
        DataError: the data have a test part of their own, the test set has parts or classes that the data do not know, or
            an image is in both.
    """
    _refuse_two(root, entries, test)
    _refuse_parts(test, tested)
    _refuse_other_kind(root, entries, test, tested)
    known = {name for entry in entries for name in entry.names}
    _refuse_other_classes(root, known, test, Counter(name for entry in tested for name in entry.names))
    # real paths: the parent of a linked folder is not the folder above the link
    way = Path(os.path.relpath(os.path.realpath(test), os.path.realpath(root)))
    moved = [replace(entry, path=_beside(way, entry.path), part="test") for entry in tested]
    _refuse_both(root, {entry.path for entry in entries}, test, [entry.path for entry in moved])
    return [*(replace(entry, part=entry.part or "train") for entry in entries), *moved]


def _beside(way: Path, path: str) -> str:
    return Path(os.path.normpath(way / path)).as_posix()


def _refuse_two(root: Path, entries: Sequence[Entry], test: Path) -> None:
    own = sum(entry.part == "test" for entry in entries)
    if own:
        raise DataError(
            f"{root} has a test set of its own ({own:,} images), and --test names another one, {test}; expected one of them."
            " Leave --test out, or move the own test set away."
        )


def _refuse_parts(test: Path, tested: Sequence[Entry]) -> None:
    parts = sorted({entry.part for entry in tested if entry.part is not None} - {"test"})
    if parts:
        raise DataError(
            f"the test set {test} is itself divided into {listed(sorted({entry.part or 'no part' for entry in tested}))};"
            f" expected a folder a class or an index.csv of test images alone. Give one part of it, such as {test / 'test'}"
        )


def _refuse_other_kind(root: Path, entries: Sequence[Entry], test: Path, tested: Sequence[Entry]) -> None:
    ours, theirs = (any(not entry.label for entry in those) for those in (entries, tested))
    if ours != theirs:
        kinds = {True: "several labels an image", False: "one class an image"}
        raise DataError(
            f"{root} has {kinds[ours]} and the test set {test} has {kinds[theirs]}; expected the same of both. Write both tables"
            " alike, or name the columns of the labels: --label."
        )


def _refuse_other_classes(root: Path, known: set[str], test: Path, found: Counter[str]) -> None:
    unknown = {label: count for label, count in sorted(found.items()) if label not in known}
    if unknown:
        names = listed(f"{label} ({count:,})" for label, count in unknown.items())
        raise DataError(
            f"the test set {test} has images of classes that {root} does not have: {names}; expected some of"
            f" {listed(sorted(known))}.{nearest(next(iter(unknown)), known)} Rename these classes, or remove their images."
        )


def _refuse_both(root: Path, ours: set[str], test: Path, theirs: Sequence[str]) -> None:
    both = [path for path in theirs if path in ours]
    if both:
        raise DataError(
            f"{len(both):,} images of the test set {test} are among those of {root} ({listed(both, 3)}); expected images that"
            " nothing is trained on. Move them out of one of the two."
        )
