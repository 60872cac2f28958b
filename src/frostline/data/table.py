"""A table of images: `index.csv` with the columns path and label, and optionally patient and split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.data.entries import PARTS, Entry, is_image, listed
from frostline.data.subgroups import readable
from frostline.errors import DataError, nearest

GROUP_COLUMNS = ("patient", "group", "subject")
_SPLIT_COLUMNS = ("split", "part")
_PART_WORDS = {**PARTS, "training": "train", "testing": "test"}
_MOST_CLASSES_OF_A_SUGGESTION = 20


@dataclass(frozen=True)
class _Table:
    """The cells, stripped; `rows` hold (line number in the file, cells by lower-case column)."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def values(self, column: str) -> list[str]:
        return [cells[column] for _, cells in self.rows]


@dataclass(frozen=True)
class _Columns:
    label: str
    group: str | None
    split: str | None
    subgroups: tuple[str, ...] = ()


def read_table(
    file: Path, root: Path, *, label: str | None = None, group: str | None = None, subgroups: Sequence[str] = ()
) -> tuple[list[Entry], list[str]]:
    """The images of a table, and notes.

    Args:
        file: comma- or semicolon-separated, UTF-8, with a header line; column names in any case.
        root: the folder that paths are relative to.
        label, group: columns to use instead of `label` and of the first of patient, group, subject.
        subgroups: columns whose values the entries carry along.

    Raises:
        DataError: missing columns, empty cells, missing files, paths outside the root, several labels an image.
    """
    table = _parse(file)
    named = (_label_column(table, label), _group_column(table, group), _first(table, _SPLIT_COLUMNS))
    columns = _Columns(*named, _subgroup_columns(table, subgroups, named[1]))
    _refuse_empty(table, "path")
    _refuse_empty(table, columns.label)
    paths = _paths(table, root)
    shown = _subgroups(table, columns)
    entries = [
        Entry(path, cells[columns.label], _group(cells, columns), _part(table, line, cells, columns), values)
        for path, (line, cells), values in zip(paths, table.rows, shown, strict=True)
    ]
    return _distinct(table, entries), _notes(columns, entries)


def _parse(file: Path) -> _Table:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8.") from error
    header = text.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = tuple(name.strip().lower() for name in next(reader, []))
        rows = tuple(_cells(file, reader, columns))
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}; expected a comma-separated table.") from error
    if "path" not in columns:
        raise DataError(
            f"{file} has the columns {listed(columns) or 'none'}; expected at least path and label."
            f"{nearest('path', columns)} Rename the column that holds the image paths to path."
        )
    if not rows:
        raise DataError(f"{file} has a header and no rows; expected a row an image.")
    return _Table(file, columns, rows)


def _cells(file: Path, reader: Iterable[list[str]], columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    for row in reader:
        line = getattr(reader, "line_num", 0)
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise DataError(
                f"{file}, line {line} has {len(row)} cells, the header {len(columns)}; put quotes around cells with commas."
            )
        yield line, dict(zip(columns, (cell.strip() for cell in row), strict=True))


# Which column is what ------------------------------------------------------------------------------------------------


def _label_column(table: _Table, asked: str | None) -> str:
    column = asked.strip().lower() if asked else _first(table, ("label", "labels", "class"))
    if column is None or column not in table.columns:
        given = f"no column {asked!r}" if asked else "no column label"
        raise DataError(
            f"{table.file} has {given}; its columns are {listed(table.columns)}.{nearest(column or 'label', table.columns)}"
            f" Name the column of the classes: --label COLUMN.{_suggestion(table)}"
        )
    several = [value for value in table.values(column) if "|" in value]
    if not several and column == "labels":
        several = [value for value in table.values(column) if ";" in value or "," in value]
    if several:
        raise DataError(
            f"{table.file} gives several labels an image in the column {column!r} (such as {several[0]!r}); several labels an"
            f" image are not supported yet, one class an image is expected.{_suggestion(table, column)}"
        )
    return column


def _suggestion(table: _Table, besides: str = "") -> str:
    """Names the columns that look like classes: few values, several rows each."""
    taken = {"path", besides, *GROUP_COLUMNS, *_SPLIT_COLUMNS}
    fitting = []
    for column in table.columns:
        if column in taken:
            continue
        values = {value for value in table.values(column) if value}
        most = min(_MOST_CLASSES_OF_A_SUGGESTION, len(table.rows) // 2)
        if 2 <= len(values) <= most and not any("|" in value for value in values):
            fitting.append((column, sorted(values)))
    if not fitting:
        return " Add a column label with one class an image."
    choices = "; ".join(f"--label {column} ({listed(values, 4)})" for column, values in fitting)
    return f" Columns that could be used instead: {choices}. Or add a column label with one class an image."


def _group_column(table: _Table, asked: str | None) -> str | None:
    if asked is None:
        return _first(table, GROUP_COLUMNS)
    if asked.strip().lower() not in table.columns:
        raise DataError(
            f"{table.file} has no column {asked!r} to group by; its columns are {listed(table.columns)}."
            f"{nearest(asked.lower(), table.columns)}"
        )
    return asked.strip().lower()


def _subgroup_columns(table: _Table, asked: Sequence[str], group: str | None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.strip().lower() for name in asked))
    missing = [name for name in found if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.file} has no column {missing[0]!r} for subgroups; its columns are {listed(table.columns)}."
            f"{nearest(missing[0], table.columns)}"
        )
    naming = [name for name in found if name in ("path", group, *GROUP_COLUMNS)]
    if naming:
        raise DataError(
            f"the column {naming[0]!r} of {table.file} names single images or patients, and names are not written down;"
            " expected a column that many of them share, such as sex, age or site. Leave --subgroup out, or name such a column."
        )
    return found


def _subgroups(table: _Table, columns: _Columns) -> list[tuple[tuple[str, str], ...]]:
    """(column, value) pairs for every row."""
    units = [_group(cells, columns) or line for line, cells in table.rows]
    shown = [readable(table.file, name, table.values(name), units) for name in columns.subgroups]
    return [tuple(zip(columns.subgroups, values, strict=True)) for values in zip(*shown, strict=True)] or [()] * len(table.rows)


def _first(table: _Table, names: Iterable[str]) -> str | None:
    return next((name for name in names if name in table.columns), None)


# Rows ----------------------------------------------------------------------------------------------------------------


def _refuse_empty(table: _Table, column: str) -> None:
    lines = [str(line) for line, cells in table.rows if not cells[column]]
    if lines:
        raise DataError(
            f"{table.file} has an empty {column!r} in {len(lines):,} rows (lines {listed(lines)}); fill or remove these rows."
        )


def _paths(table: _Table, root: Path) -> list[str]:
    """Paths relative to the root; every problem of a kind is reported at once."""
    inside = root.resolve()
    paths, missing, outside, odd = [], [], [], []
    for line, cells in table.rows:
        given = cells["path"]
        path = _relative(given, root)
        # normalised, not resolved: a link inside the root may point elsewhere, a path may not
        target = Path(_normal(inside / path))
        if not target.is_relative_to(inside):
            outside.append(f"line {line}: {given}")
        elif not target.is_file():
            missing.append(f"line {line}: {given}")
        elif not is_image(target.name):
            odd.append(f"line {line}: {given}")
        else:
            paths.append(target.relative_to(inside).as_posix())
    if outside:
        raise DataError(
            f"{table.file} names {len(outside):,} files outside {root} ({listed(outside)});"
            " expected paths below that folder. Move the table to a folder that holds all images."
        )
    if missing:
        raise DataError(
            f"{table.file} names {len(missing):,} files that are not there ({listed(missing)}); expected paths relative to"
            f" {root}.{_nearest_file(missing[0].split(': ', 1)[1], root)} Correct or remove these rows."
        )
    if odd:
        raise DataError(
            f"{table.file} names {len(odd):,} files that are no images by their names ({listed(odd)});"
            " expected jpg, png, webp, bmp, tif or gif."
        )
    return paths


def _relative(given: str, root: Path) -> str:
    """A path as other systems write it: backslashes where there is no such file, absolute paths below the root."""
    path = given if (root / given).is_file() else given.replace("\\", "/")
    if Path(path).is_absolute() and Path(path).is_relative_to(root.absolute()):
        return Path(path).relative_to(root.absolute()).as_posix()
    return path


def _normal(path: Path) -> str:
    import os.path

    return os.path.normpath(path)


def _nearest_file(given: str, root: Path) -> str:
    folder = (root / given).parent
    if not folder.is_dir():
        return f" There is no folder {Path(given).parent.as_posix()} in it."
    return nearest(Path(given).name, [path.name for path in folder.iterdir()])


def _group(cells: dict[str, str], columns: _Columns) -> str | None:
    return (cells[columns.group] or None) if columns.group else None


def _part(table: _Table, line: int, cells: dict[str, str], columns: _Columns) -> str | None:
    if columns.split is None:
        return None
    word = cells[columns.split].lower()
    if word not in _PART_WORDS:
        raise DataError(
            f"{table.file}, line {line}: {columns.split} is {cells[columns.split]!r}; expected train, val or test."
            f"{nearest(word, _PART_WORDS)} Correct the cell, or remove the column to let folds be drawn."
        )
    return _PART_WORDS[word]


def _distinct(table: _Table, entries: list[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.path, entry) != entry:
            raise DataError(
                f"{table.file} names {entry.path} twice and says different things about it; expected one row an image."
            )
    return list(found.values())


def _notes(columns: _Columns, entries: list[Entry]) -> list[str]:
    notes = [f"Read from the table: classes from the column {columns.label}."]
    if columns.group:
        notes.append(f"Grouped by the column {columns.group}: images of one {columns.group} stay on one side of every split.")
        without = sum(entry.group is None for entry in entries)
        if without:
            notes.append(f"{without:,} images name no {columns.group}; each is taken to stand for itself.")
    repeated = len(entries) - len({entry.path for entry in entries})
    if repeated:
        notes.append(f"{repeated:,} rows repeat another row and were left out.")
    return notes
