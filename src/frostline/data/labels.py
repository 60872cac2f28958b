"""The classes or labels in a long table, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frostline.data.columns import ANSWERS, NOTHING, Columns
from frostline.data.wide import Coded, Codes, Wide
from frostline.errors import DataError
from frostline.terms.data import UNKNOWN, Targets


@dataclass(frozen=True, eq=False)
class Labels:
    """Attributes: classes: sorted; targets: (n,) classes or (n, classes) 1, 0, NaN; note: where they were read."""

    classes: tuple[str, ...]
    targets: Targets
    note: str

    @property
    def counts(self) -> Codes:
        """(classes,) images that have each."""
        if self.targets.ndim == 1:
            return np.bincount(self.targets, minlength=len(self.classes))
        return np.asarray((self.targets == 1).sum(axis=0), np.int64)


def labels_of(table: Wide, columns: Columns) -> Labels:
    """
    Raises:
        DataError: a cell is empty where every image needs a class.
    """
    if columns.delimiter is not None:
        return _in_one_cell(table.coded(columns.labels[0]), columns.labels[0], columns.delimiter)
    if columns.several:
        return _a_column_each(table, columns.labels)
    return _one(table, columns.labels[0])


def _one(table: Wide, column: str) -> Labels:
    found = table.coded(column)
    empty = found.rows_of("")
    if len(empty):
        raise DataError(
            f"{table.name} has an empty {column!r} in {len(empty):,} rows (the first is row {int(empty[0]) + 1:,}); fill or"
            " remove these rows."
        )
    classes = tuple(sorted(found.values))
    number = np.array([classes.index(value) for value in found.values], np.int64)
    return Labels(classes, number[found.codes], f"Read from the table: classes from the column {column}.")


def _in_one_cell(found: Coded, column: str, delimiter: str) -> Labels:
    sets = [{word.strip() for word in value.split(delimiter)} for value in found.values]
    named = [{word for word in one if word and word.lower() not in NOTHING} for one in sets]
    classes = tuple(sorted(set().union(*named)))
    answers = np.array([[name in one for name in classes] for one in named], np.float32)
    return Labels(
        classes,
        answers[found.codes],
        f"Read from the table: labels from the column {column}, parted by {delimiter!r}.",
    )


def _a_column_each(table: Wide, columns: tuple[str, ...]) -> Labels:
    ordered = sorted(columns, key=table.title)
    answers = [_answers(table.coded(column)) for column in ordered]
    note = f"Read from the table: {len(columns)} labels, a column each; -1 and empty cells are not known."
    return Labels(tuple(map(table.title, ordered)), np.stack(answers, axis=1), note)


def _answers(found: Coded) -> Targets:
    """(rows,) 1, 0 and NaN."""
    known = [ANSWERS[value.lower()] for value in found.values]
    return np.array([np.nan if answer == UNKNOWN else answer for answer in known], np.float32)[found.codes]
