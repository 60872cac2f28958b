"""What a very large table says of its images, counted column by column; of the files a few are looked at, and none is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from frostline.data.assemble import check_classes
from frostline.data.cells import FRAME, is_table, table_in
from frostline.data.columns import Asked, Columns, choose_columns
from frostline.data.entries import Entry, find_images, listed
from frostline.data.folder import existing_folder
from frostline.data.glance import Glance, glance
from frostline.data.labels import Labels, labels_of
from frostline.data.saved import is_saved
from frostline.data.shards import read_shards, shards_in
from frostline.data.table import PART_WORDS
from frostline.data.tar import index_of
from frostline.data.wide import Coded, Wide, of_cells, read_wide, wide_of
from frostline.errors import DataError, nearest
from frostline.terms.data import NO, UNKNOWN, YES, Targets
from frostline.terms.quantities import plural

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROW_BYTES = 2  # of a table's file, perhaps a compressed one
LARGE = 20_000  # rows: from here on a plan counts, where a search reads every file
PARTS = (None, "train", "val", "test")
_MOST_COUNTED = 10_000  # images of one kind that a check of the classes is shown

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set, counted.

    Attributes:
        classes: names, sorted; several: an image may have several of them.
        targets: (n,) the class of each image, or (n, classes) answers, NaN for not known.
        units: (n,) the group of each image, one without a group by itself; grouped: whether any has one.
        parts: (n,) places in `PARTS`.
        seen: of some files.
        notes: for the user: what was counted, and what was not looked at.
    """

    classes: tuple[str, ...]
    several: bool
    targets: Targets
    units: Codes
    grouped: bool
    parts: Codes
    seen: Glance
    notes: tuple[str, ...]

    @property
    def images(self) -> int:
        return len(self.parts)

    def rows(self, *parts: str | None) -> Codes:
        """Of the images in any of these parts."""
        return np.flatnonzero(np.isin(self.parts, [PARTS.index(part) for part in parts]))


def surveyed(path: Path, asked: Asked = Asked(), frame: pd.DataFrame | None = None) -> Survey | None:
    """What the table at `path` (or `frame`) says; None where it has at most `LARGE` rows, or `path` is no table.

    Raises:
        DataError: as reading the table would; files that are not there are no error, but said.
    """
    table, root = (wide_of(frame, FRAME) if len(frame) > LARGE else None, path) if frame is not None else _table_at(path)
    if table is None or table.rows <= LARGE:
        return None
    return _of_table(table, choose_columns(table.distinct(), asked), root.absolute())


def may_be_large(path: Path, frame: pd.DataFrame | None = None) -> bool:
    """Whether `surveyed` will probably count what is there, by the size of the file: nothing is read."""
    if frame is not None:
        return len(frame) > LARGE
    file = path if is_table(path) else table_in(path)
    return file is not None and file.is_file() and file.stat().st_size > LARGE * LEAST_ROW_BYTES


def _table_at(path: Path) -> tuple[Wide | None, Path]:
    """(the table of a file, a folder or its tar shards; the folder that its paths are relative to)."""
    file = path if is_table(path) else table_in(path)
    if file is not None:
        return read_wide(file), file.parent
    shards = shards_in(path) if path.exists() and not is_saved(path) else []
    root = path.parent if path.is_file() else path
    if sum(len(index_of(shard)) for shard, _ in shards) <= LARGE:
        return None, root
    return of_cells(read_shards(root, shards)), root


def count_images(path: Path) -> int:
    """How many a table names or a folder holds.

    Raises:
        DataError: it is not there.
    """
    file = path if is_table(path) else table_in(path)
    table = None if file is None else read_wide(file)
    if table is not None:
        return table.rows
    if path.exists() and (shards := shards_in(path)):
        return len(read_shards(path, shards).rows)
    return len(find_images(existing_folder(path), path).images)


def _of_table(table: Wide, columns: Columns, root: Path) -> Survey:
    paths = table.texts(columns.path)
    parts, labels = _parts(table, columns.split), labels_of(table, columns)
    check_classes(_examples(labels, parts), root)
    units, grouped, told = _units(table, columns.group, parts)
    seen = glance(table, paths, root)
    notes = (*seen.notes, labels.note, *_counted(labels), *told)
    return Survey(labels.classes, columns.several, labels.targets, units, grouped, parts, seen, notes)


def _parts(table: Wide, column: str | None) -> Codes:
    """(rows,) places in `PARTS`.

    Raises:
        DataError: a cell says something else than train, val or test.
    """
    if column is None:
        return np.zeros(table.rows, np.int64)
    found = table.coded(column)
    strange = [value for value in found.values if value.lower() not in PART_WORDS]
    if strange:
        row = int(found.rows_of(strange[0])[0]) + 1
        raise DataError(
            f"{table.name}, row {row:,}: {column} is {strange[0]!r}; expected train, val or test."
            f"{nearest(strange[0].lower(), PART_WORDS)} Correct the cell, or remove the column to let folds be drawn."
        )
    return np.array([PARTS.index(PART_WORDS[value.lower()]) for value in found.values], np.int64)[found.codes]


def _examples(labels: Labels, parts: Codes) -> Iterator[Entry]:
    """For each kind of image as many as there are, up to a bound: what `check_classes` tells them apart by."""
    for place in np.unique(parts):
        inside = labels.targets[parts == place]
        for index, name in enumerate(labels.classes):
            if inside.ndim == 1:
                kinds = {Entry("", name, part=PARTS[place]): int((inside == index).sum())}
            else:
                answers = ((YES, inside[:, index] == 1), (NO, inside[:, index] == 0), (UNKNOWN, np.isnan(inside[:, index])))
                kinds = {Entry("", "", ((name, answer),), part=PARTS[place]): int(which.sum()) for answer, which in answers}
            for entry, count in kinds.items():
                yield from [entry] * min(count, _MOST_COUNTED)


def _units(table: Wide, column: str | None, parts: Codes) -> tuple[Codes, bool, list[str]]:
    """(rows,) the group of each; whether any image has one; sentences about them."""
    if column is None:
        return np.arange(table.rows), False, []
    found = table.coded(column)
    units = _apart(found)
    if not any(found.values):
        return units, False, []
    groups = Coded(found.codes[units < len(found.values)], found.values)
    sizes = groups.counts[groups.counts > 0]
    notes = [
        f"Grouped by the column {column}: images of one {column} stay on one side of every split.",
        f"{plural(len(sizes), 'group')}; the largest has {plural(int(sizes.max()), 'image')}.",
    ]
    without = table.rows - len(groups.codes)
    if without:
        notes.append(f"{without:,} images name no {column}; each is taken to stand for itself.")
    pairs = np.unique(groups.codes * len(PARTS) + parts[units < len(found.values)])
    crossing = len(pairs) - len(sizes)
    if crossing:
        notes.append(f"{crossing:,} groups are in more than one of train, val and test: scores there are flattered.")
    return units, True, notes


def _apart(found: Coded) -> Codes:
    """Groups keep their numbers; images without one get numbers of their own."""
    units = found.codes.copy()
    nameless = found.rows_of("")
    units[nameless] = len(found.values) + np.arange(len(nameless))
    return units


def _counted(labels: Labels) -> list[str]:
    """How many images have each class."""
    counts = labels.counts
    kind = f"with {len(labels.classes)} labels" if labels.targets.ndim == 2 else f"in {len(labels.classes)} classes"
    named = (f"{name} {count:,}" for name, count in zip(labels.classes, counts.tolist(), strict=True))
    return [f"{len(labels.targets):,} images {kind}: {listed(named, 20)}."]
