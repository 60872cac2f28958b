"""Which column of a table is what: named by options, or found by the names that people use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frostline.data.cells import Table, described
from frostline.data.entries import listed
from frostline.errors import DataError, nearest
from frostline.terms.data import NO, UNKNOWN, YES

PATH_COLUMNS = ("path", "file_name", "filename", "file", "filepath", "file_path", "image_path", "image", "image index")
LABEL_COLUMNS = ("label", "labels", "class", "finding labels", "findings", "finding", "diagnosis", "category", "target", "tags")
GROUP_COLUMNS = ("patient", "group", "subject", "patient_id", "patient id", "patientid", "subject_id", "subject id")
SPLIT_COLUMNS = ("split", "part", "subset", "partition")
SEVERAL = frozenset({"labels", "finding labels", "findings", "tags"})  # by their names they hold several labels

NOTHING = frozenset({"no finding", "no findings", "none", "nothing"})  # words for an image without any label
ANSWERS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "positive"), YES),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "negative"), NO),
    **dict.fromkeys(("", "-1", "-1.0", "nan", "na", "n/a", "?", "unknown", "uncertain"), UNKNOWN),
}
_MOST_CLASSES_OF_A_SUGGESTION = 20


@dataclass(frozen=True)
class Asked:
    """Columns as the user named them; None for what is to be found by its usual name.

    Attributes:
        label: one column, or several separated by commas: one a label.
        delimiter: what stands between the labels of one cell.
        subgroups: columns whose values the entries carry along.
    """

    path: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    delimiter: str | None = None
    subgroups: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, str]:
        """Option -> what was given."""
        given = {
            **{"--label": self.label, "--group": self.group, "--path-column": self.path, "--split-column": self.split},
            **{"--delimiter": self.delimiter, "--subgroup": next(iter(self.subgroups), None)},
        }
        return {option: value for option, value in given.items() if value}


@dataclass(frozen=True)
class Columns:
    """Which column is what.

    Attributes:
        labels: the column with the classes or with several labels a cell; or one column a label.
        delimiter: None unless a cell holds several labels.
    """

    path: str
    labels: tuple[str, ...]
    delimiter: str | None
    group: str | None
    split: str | None
    subgroups: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return len(self.labels) > 1 or self.delimiter is not None


def choose_columns(table: Table, asked: Asked) -> Columns:
    """What is in which column.

    Raises:
        DataError: a column is missing, or one of one column a label holds something else than yes, no and nothing.
    """
    path = _path_column(table, asked.path)
    labels = _label_columns(table, asked.label, path)
    delimiter = _delimiter(table, labels, asked.delimiter)
    group = _optional(table, asked.group, GROUP_COLUMNS, "to group by")
    split = _optional(table, asked.split, SPLIT_COLUMNS, "with the split")
    return Columns(path, labels, delimiter, group, split, _subgroup_columns(table, asked.subgroups, path, group))


def has_labels(table: Table) -> bool:
    """Whether some column has one of the usual names for labels."""
    return first_of(table, LABEL_COLUMNS) is not None


def has_files(table: Table) -> bool:
    """Whether a column has the name by which Hugging Face's image folders name their files."""
    return "file_name" in table.columns


def _path_column(table: Table, asked: str | None) -> str:
    if asked is not None and asked.strip().lower() in table.columns:
        return asked.strip().lower()
    found = None if asked is not None else first_of(table, PATH_COLUMNS)
    if found is None:
        wanted = f"the column {asked!r} with the image paths" if asked else "at least path and label"
        raise DataError(
            f"{table.name} has the columns {described(table)}; expected {wanted}."
            f"{nearest((asked or 'path').lower(), table.columns)} Name the column of the image paths: --path-column COLUMN."
        )
    return found


def _label_columns(table: Table, asked: str | None, path: str) -> tuple[str, ...]:
    if asked is not None and asked.strip().lower() not in table.columns and "," in asked:
        return _one_a_label(table, asked)
    column = asked.strip().lower() if asked else first_of(table, LABEL_COLUMNS)
    if column is None or column not in table.columns:
        given = f"no column {asked!r}" if asked else "no column label"
        raise DataError(
            f"{table.name} has {given}; its columns are {described(table)}.{nearest(column or 'label', table.columns)}"
            f" Name the column of the classes: --label COLUMN.{_suggestion(table, path)}"
        )
    return (column,)


def _one_a_label(table: Table, asked: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in asked.split(",") if name.strip()))
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.name} has no column {missing[0]!r}, which --label {asked!r} names as one of several labels; its columns are"
            f" {described(table)}.{nearest(missing[0], table.columns)}"
        )
    for name in names:
        for line, cells in table.rows:
            if cells[name].lower() not in ANSWERS:
                raise DataError(
                    f"{table.name}, {table.counted} {line}: the column {name!r} holds {cells[name]!r}; as one column a label it"
                    " needs 1 for yes, 0 for no, and nothing or -1 for not known. Correct the cell, or name one column alone."
                )
    return names


def _delimiter(table: Table, labels: tuple[str, ...], asked: str | None) -> str | None:
    """What parts several labels of one cell; None where a cell holds one class."""
    if len(labels) > 1:
        if asked is not None:
            raise DataError(
                f"--delimiter {asked!r} parts the labels of one column, but --label names {len(labels)}; leave it out."
            )
        return None
    if asked is not None:
        return asked
    values = table.values(labels[0])
    return next(
        (mark for mark in ("|", ";", ",") if (mark == "|" or labels[0] in SEVERAL) and any(mark in v for v in values)), None
    )


def _suggestion(table: Table, path: str) -> str:
    """Names the columns that look like classes (few values, several rows each) or like one column a label."""
    yes_no = [name for name in table.columns if _asks(table, name)]
    taken = {path, *GROUP_COLUMNS, *SPLIT_COLUMNS, *(yes_no if len(yes_no) > 1 else ())}
    fitting = []
    for column in table.columns:
        values = {value for value in table.values(column) if value}
        most = min(_MOST_CLASSES_OF_A_SUGGESTION, len(table.rows) // 2)
        if column not in taken and 2 <= len(values) <= most:
            fitting.append(f"--label {column} ({listed(sorted(values), 4)})")
    if len(yes_no) > 1:
        fitting.append(f"--label {','.join(yes_no)} (one column a label)")
    if not fitting:
        return " Add a column label with one class an image."
    return f" Columns that could be used instead: {'; '.join(fitting)}. Or add a column label with one class an image."


def _asks(table: Table, column: str) -> bool:
    """Whether a column holds nothing but 1, 0, -1 and nothing, both of 1 and 0 among it."""
    found = {value.lower() for value in table.values(column)}
    return found <= set(ANSWERS) and {ANSWERS[value] for value in found} >= {YES, NO}


def _optional(table: Table, asked: str | None, names: Iterable[str], what: str) -> str | None:
    if asked is None:
        return first_of(table, names)
    if asked.strip().lower() not in table.columns:
        raise DataError(
            f"{table.name} has no column {asked!r} {what}; its columns are {described(table)}."
            f"{nearest(asked.lower(), table.columns)}"
        )
    return asked.strip().lower()


def _subgroup_columns(table: Table, asked: Sequence[str], path: str, group: str | None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.strip().lower() for name in asked))
    missing = [name for name in found if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.name} has no column {missing[0]!r} for subgroups; its columns are {described(table)}."
            f"{nearest(missing[0], table.columns)}"
        )
    naming = [name for name in found if name in (path, group, *GROUP_COLUMNS)]
    if naming:
        raise DataError(
            f"the column {naming[0]!r} of {table.name} names single images or patients, and names are not written down;"
            " expected a column that many of them share, such as sex, age or site. Leave --subgroup out, or name such a column."
        )
    return found


def first_of(table: Table, names: Iterable[str]) -> str | None:
    """The first of these columns that the table has."""
    return next((name for name in names if name in table.columns), None)
