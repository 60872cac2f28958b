"""A table as text: from CSV, TSV, Parquet, JSON lines or a pandas DataFrame to cells by column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.data.entries import listed
from frostline.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
TABLES = tuple(f"index{suffix}" for suffix in SUFFIXES)
FRAME = "the DataFrame"
JOINED = "|"  # between the items of a list that stands in one cell


@dataclass(frozen=True)
class Table:
    """The cells, stripped.

    Attributes:
        name: of the file, or what else it is called in messages.
        columns: in lower case, in their order; `given` their names as they stand there.
        rows: (line of the file, or row counted from 1; cells by lower-case column).
        counted: `line` or `row`: which of the two.
    """

    name: str
    columns: tuple[str, ...]
    given: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    counted: str = "line"

    def values(self, column: str) -> list[str]:
        return [cells[column] for _, cells in self.rows]

    def title(self, column: str) -> str:
        """The column's name as it was given."""
        return self.given[self.columns.index(column)]


def is_table(path: Path) -> bool:
    """Whether it ends like a table that can be read, and is there."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def table_in(folder: Path) -> Path | None:
    """The folder's table."""
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


def read_cells(file: Path) -> Table:
    """The table in `file`, by its ending; text is UTF-8, separated by commas, semicolons or tabs, with a header.

    Raises:
        DataError: it cannot be read as that.
    """
    suffix = file.suffix.lower()
    if suffix in (".parquet", ".jsonl"):
        return _filled(of_frame(_frame(file), str(file)))
    return _filled(_text_table(file))


def of_frame(frame: pd.DataFrame, name: str = FRAME) -> Table:
    """The same of a DataFrame; its index is not looked at. A list in a cell is several labels.

    Raises:
        DataError: two columns have one name.
    """
    given = tuple(str(column).strip() for column in frame.columns)
    columns = _distinct(name, given)
    cells = [[text_of(value) for value in frame.iloc[:, place]] for place in range(len(columns))]
    rows = tuple((number, dict(zip(columns, row, strict=True))) for number, row in enumerate(zip(*cells, strict=True), 1))
    return _filled(Table(name, columns, given, rows, "row"))


def _filled(table: Table) -> Table:
    if not table.rows and table.columns:
        raise DataError(f"{table.name} has a header and no rows; expected a row an image.")
    return table


def _distinct(name: str, given: tuple[str, ...]) -> tuple[str, ...]:
    columns = tuple(column.lower() for column in given)
    twice = sorted({column for column in columns if columns.count(column) > 1 and column})
    if twice:
        raise DataError(f"{name} has the column {twice[0]!r} twice (capitals do not tell columns apart); rename one of them.")
    return columns


def _frame(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_json(file, lines=True, dtype=False) if file.suffix.lower() == ".jsonl" else pd.read_parquet(file)
    except (ValueError, OSError) as error:  # pyarrow's own errors are one of these
        kind = "JSON, an object a line" if file.suffix.lower() == ".jsonl" else "a Parquet file"
        raise DataError(f"{file} cannot be read as {kind} ({_first_line(error)}); write it again, or give a CSV.") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def text_of(value: Any) -> str:
    """A cell as text: nothing for missing, `1` for True and for 1.0, a list joined by bars."""
    if isinstance(value, str):
        return value.strip()
    import numpy as np

    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return JOINED.join(text_of(item) for item in value)
    if value is None or value != value or str(value) == "<NA>":  # NaN and NaT differ from themselves
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))  # a column of whole numbers with gaps is one of floats
    return str(value).strip()


# Text ----------------------------------------------------------------------------------------------------------------


def _text_table(file: Path) -> Table:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8.") from error
    header = text.split("\n", 1)[0]
    separator = separator_of(file, header)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        given = tuple(name.strip() for name in next(reader, []))
        columns = _distinct(str(file), given)
        return Table(str(file), columns, given, tuple(_rows(file, reader, columns)))
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}; expected a comma-separated table.") from error


def separator_of(file: Path, header: str) -> str:
    """What stands most often in the header; of a .tsv a tab where there is a tie."""
    return max(("\t", ",", ";") if file.suffix.lower() == ".tsv" else (",", ";", "\t"), key=header.count)


def _rows(file: Path, reader: Iterable[list[str]], columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    for row in reader:
        line = getattr(reader, "line_num", 0)
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise DataError(
                f"{file}, line {line} has {len(row)} cells, the header {len(columns)}; put quotes around cells with commas."
            )
        yield line, dict(zip(columns, (cell.strip() for cell in row), strict=True))


def described(table: Table) -> str:
    """Its columns, for a message."""
    return listed(table.given) or "none"
