"""A long table by its columns: each as numbers of its distinct values, so that a million rows cost no million objects."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from frostline.data.cells import Table, separator_of, text_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MOST_SHOWN = 20_000  # distinct values of a column by which it is told what the column holds

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """A column.

    Attributes:
        codes: (n,) the place of each cell in `values`. values: distinct, stripped.
    """

    codes: Codes
    values: tuple[str, ...]

    @cached_property
    def counts(self) -> Codes:
        """(values,) rows that hold each."""
        return np.bincount(self.codes, minlength=len(self.values))

    def rows_of(self, value: str) -> Codes:
        """Rows that hold `value`, counted from 0."""
        return np.flatnonzero(self.codes == self.values.index(value)) if value in self.values else np.empty(0, np.int64)


@dataclass(frozen=True)
class Wide:
    """Attributes: name: of the file; columns: in lower case, `given` as they stand there; rows: how many."""

    name: str
    columns: tuple[str, ...]
    given: tuple[str, ...]
    arrow: pa.Table

    @property
    def rows(self) -> int:
        return int(self.arrow.num_rows)

    def title(self, column: str) -> str:
        """The column's name as it was given."""
        return self.given[self.columns.index(column)]

    def texts(self, column: str) -> pa.Array:
        """(n,) strings, stripped; for columns in which nearly every cell is another."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self.arrow.column(self.columns.index(column)).cast(pa.large_string())
        whole = pc.fill_null(found, "") if found.null_count else found  # filling loads pandas, which text never needs
        return pc.utf8_trim_whitespace(whole).combine_chunks()

    def coded(self, column: str) -> Coded:
        import pyarrow as pa

        whole = self.arrow.column(self.columns.index(column)).combine_chunks()
        if isinstance(whole, pa.ChunkedArray):  # a column of no rows
            whole = pa.concat_arrays(whole.chunks)
        found = whole.dictionary_encode(null_encoding="encode")
        texts = [text_of(value) for value in found.dictionary.to_pylist()]
        values = tuple(dict.fromkeys(texts))
        place = {value: index for index, value in enumerate(values)}
        renumbered = np.array([place[text] for text in texts], np.int64)
        return Coded(renumbered[found.indices.to_numpy(zero_copy_only=False)], values)

    def distinct(self) -> Table:
        """A table of the distinct values of each column, as many as tell what it holds: short columns end in empty cells."""
        import pyarrow.compute as pc

        columns = [
            [text_of(value) for value in pc.unique(self.arrow.column(place))[:MOST_SHOWN].to_pylist()]
            for place in range(len(self.columns))
        ]
        longest = max(map(len, columns), default=0)
        filled = [column + [""] * (longest - len(column)) for column in columns]
        rows = tuple((row, dict(zip(self.columns, cells, strict=True))) for row, cells in enumerate(zip(*filled, strict=True), 1))
        return Table(self.name, self.columns, self.given, rows, "row")


def read_wide(file: Path) -> Wide | None:
    """The table in `file`; None where it is not what Arrow reads: reading it row by row then says why, and where."""
    import pyarrow as pa

    try:
        return _wide(str(file), _arrow(file))
    except (pa.ArrowException, ValueError, OSError, TypeError):
        return None


def wide_of(frame: pd.DataFrame, name: str) -> Wide | None:
    """The same of a DataFrame."""
    import pyarrow as pa

    try:
        return _wide(name, pa.Table.from_pandas(frame, preserve_index=False))
    except (pa.ArrowException, ValueError, TypeError):
        return None


def of_cells(table: Table) -> Wide:
    """The same of a table of cells."""
    import pyarrow as pa

    return Wide(table.name, table.columns, table.given, pa.table({name: table.values(name) for name in table.columns}))


def _wide(name: str, arrow: pa.Table) -> Wide | None:
    given = tuple(str(column).strip() for column in arrow.column_names)
    columns = tuple(column.lower() for column in given)
    return Wide(name, columns, given, arrow) if len(set(columns)) == len(columns) else None


def _arrow(file: Path) -> pa.Table:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(file)
    if suffix == ".jsonl":
        import pyarrow.json as pj

        return pj.read_json(file)
    return _csv(file)


def _csv(file: Path) -> pa.Table:
    """All cells as text."""
    import pyarrow as pa
    import pyarrow.csv as pc

    with file.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
    separator = separator_of(file, header)
    names = next(csv.reader([header], delimiter=separator), [])
    options: dict[str, Any] = {"column_types": dict.fromkeys(names, pa.string()), "strings_can_be_null": False}
    return pc.read_csv(
        file,
        read_options=pc.ReadOptions(column_names=names, skip_rows=1),
        parse_options=pc.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pc.ConvertOptions(**options),
    )
