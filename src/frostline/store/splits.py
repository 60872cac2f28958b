"""Reading `splits.csv` again: which images a run was made on, and what each fold did with them."""

from __future__ import annotations

import csv
from pathlib import Path

from frostline.errors import RunFolderError
from frostline.terms.cell import content


def read_paths(path: Path) -> list[str]:
    """The images, relative to the data's root, in order; none where the file is not there.

    Raises:
        RunFolderError: it is no table of paths.
    """
    return [row["path"] for row in read_rows(path)]


def read_rows(path: Path) -> list[dict[str, str]]:
    """A dictionary a row, column -> cell; none where the file is not there.

    Raises:
        RunFolderError: it is no table of paths.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and "path" not in rows[0]:
        raise RunFolderError(f"{path} is damaged: it has no column `path`. Run the search again in another folder.")
    return [{name: content(value or "") for name, value in row.items() if name is not None} for row in rows]
