"""A table of images: a row an image, with its path, its class or labels, and optionally its patient and split."""

from __future__ import annotations

import os.path
from pathlib import Path

from frostline.data.cells import Table
from frostline.data.columns import ANSWERS, NOTHING, Asked, Columns, choose_columns
from frostline.data.entries import IMAGE_SUFFIXES, PARTS, Entry, is_image_file, listed
from frostline.data.source import exists
from frostline.data.subgroups import readable
from frostline.errors import DataError, nearest
from frostline.terms.data import NO, UNKNOWN, YES

PART_WORDS = {**PARTS, "training": "train", "testing": "test"}


def read_table(table: Table, root: Path, asked: Asked = Asked()) -> tuple[list[Entry], list[str]]:
    """The images of a table, and notes.

    Args:
        table: column names in any case.
        root: the folder that paths are relative to.
        asked: columns to use instead of those with the usual names.

    Raises:
        DataError: missing columns, empty cells, missing files, paths outside the root.
    """
    columns = choose_columns(table, asked)
    _refuse_empty(table, columns.path)
    if len(columns.labels) == 1:
        _refuse_empty(table, columns.labels[0], ", or write none for an image without a label" if columns.several else "")
    paths = _paths(table, columns.path, root)
    shown = _subgroups(table, columns)
    entries = [
        Entry(path, *_labels(table, cells, columns), _group(cells, columns), _part(table, line, cells, columns), values)
        for path, (line, cells), values in zip(paths, table.rows, shown, strict=True)
    ]
    return _distinct(table, entries), _notes(table, columns, entries)


def _labels(table: Table, cells: dict[str, str], columns: Columns) -> tuple[str, tuple[tuple[str, int], ...], int]:
    """The class; or nothing, the answer to each label that the row speaks of, and that to all others."""
    if columns.delimiter is not None:
        words = [word.strip() for word in cells[columns.labels[0]].split(columns.delimiter)]
        return "", tuple((word, YES) for word in dict.fromkeys(words) if word and word.lower() not in NOTHING), NO
    if columns.several:
        return "", tuple((table.title(name), ANSWERS[cells[name].lower()]) for name in columns.labels), UNKNOWN
    return cells[columns.labels[0]], (), UNKNOWN


def _subgroups(table: Table, columns: Columns) -> list[tuple[tuple[str, str], ...]]:
    """(column, value) pairs for every row."""
    units = [_group(cells, columns) or line for line, cells in table.rows]
    shown = [readable(Path(table.name), name, table.values(name), units) for name in columns.subgroups]
    return [tuple(zip(columns.subgroups, values, strict=True)) for values in zip(*shown, strict=True)] or [()] * len(table.rows)


def _refuse_empty(table: Table, column: str, otherwise: str = "") -> None:
    lines = [str(line) for line, cells in table.rows if not cells[column]]
    if lines:
        raise DataError(
            f"{table.name} has an empty {column!r} in {len(lines):,} rows ({table.counted}s {listed(lines)}); fill or remove"
            f" these rows{otherwise}."
        )


# Paths ---------------------------------------------------------------------------------------------------------------


def _paths(table: Table, column: str, root: Path) -> list[str]:
    """Paths relative to the root; every problem of a kind is reported at once."""
    inside = root.resolve()
    paths, missing, outside, odd = [], [], [], []
    for line, cells in table.rows:
        given = cells[column]
        path = relative(given, root)
        # normalised, not resolved: a link inside the root may point elsewhere, a path may not
        target = Path(os.path.normpath(inside / path))
        if not target.is_relative_to(inside):
            outside.append(f"{table.counted} {line}: {given}")
        elif not exists(target):
            missing.append(f"{table.counted} {line}: {given}")
        elif not is_image_file(target):
            odd.append(f"{table.counted} {line}: {given}")
        else:
            paths.append(target.relative_to(inside).as_posix())
    if outside:
        raise DataError(
            f"{table.name} names {len(outside):,} files outside {root} ({listed(outside)});"
            " expected paths below that folder. Move the table to a folder that holds all images."
        )
    if missing:
        raise DataError(
            f"{table.name} names {len(missing):,} files that are not there ({listed(missing)}); expected paths relative to"
            f" {root}.{_nearest_file(missing[0].split(': ', 1)[1], root)} Correct or remove these rows."
        )
    if odd:
        raise DataError(
            f"{table.name} names {len(odd):,} files that are no images by their names ({listed(odd)});"
            f" expected {', '.join(sorted(IMAGE_SUFFIXES))}. Correct or remove these rows."
        )
    return paths


def relative(given: str, root: Path) -> str:
    """A path as other systems write it: backslashes where there is no such file, absolute paths below the root."""
    path = given if exists(root / given) else given.replace("\\", "/")
    if Path(path).is_absolute() and Path(path).is_relative_to(root.absolute()):
        return Path(path).relative_to(root.absolute()).as_posix()
    return path


def _nearest_file(given: str, root: Path) -> str:
    folder = (root / given).parent
    if not folder.is_dir():
        return f" There is no folder {Path(given).parent.as_posix()} in it."
    return nearest(Path(given).name, [path.name for path in folder.iterdir()])


# Rows ----------------------------------------------------------------------------------------------------------------


def _group(cells: dict[str, str], columns: Columns) -> str | None:
    return (cells[columns.group] or None) if columns.group else None


def _part(table: Table, line: int, cells: dict[str, str], columns: Columns) -> str | None:
    if columns.split is None:
        return None
    word = cells[columns.split].lower()
    if word not in PART_WORDS:
        raise DataError(
            f"{table.name}, {table.counted} {line}: {columns.split} is {cells[columns.split]!r}; expected train, val or test."
            f"{nearest(word, PART_WORDS)} Correct the cell, or remove the column to let folds be drawn."
        )
    return PART_WORDS[word]


def _distinct(table: Table, entries: list[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.path, entry) != entry:
            raise DataError(
                f"{table.name} names {entry.path} twice and says different things about it; expected one row an image."
            )
    return list(found.values())


def _notes(table: Table, columns: Columns, entries: list[Entry]) -> list[str]:
    notes = [_label_note(table, columns, entries)]
    named = {"Paths": columns.path, "Train, val and test": columns.split}
    notes += [f"{what} from the column {name}." for what, name in named.items() if name not in (None, "path", "split")]
    if columns.group:
        notes.append(f"Grouped by the column {columns.group}: images of one {columns.group} stay on one side of every split.")
        without = sum(entry.group is None for entry in entries)
        if without:
            notes.append(f"{without:,} images name no {columns.group}; each is taken to stand for itself.")
    repeated = len(entries) - len({entry.path for entry in entries})
    if repeated:
        notes.append(f"{repeated:,} rows repeat another row and were left out.")
    return notes


def _label_note(table: Table, columns: Columns, entries: list[Entry]) -> str:
    if not columns.several:
        return f"Read from the table: classes from the column {columns.labels[0]}."
    if columns.delimiter is None:
        return f"Read from the table: {len(columns.labels)} labels, a column each; -1 and empty cells are not known."
    none = sum(not entry.answers for entry in entries)
    without = f"; {none:,} images have none of them" if none else ""
    return f"Read from the table: labels from the column {columns.labels[0]}, parted by {columns.delimiter!r}{without}."
