"""What a person may give in place of image files: folders, patterns, tables, or a list of paths on standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.data.entries import IMAGE_SUFFIXES, find_images
from frostline.errors import DataError, nearest

STDIN = "-"
TABLES = (".csv", ".tsv", ".parquet")
PATH_COLUMNS = ("path", "file", "filename", "image")
_WILD = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class Inputs:
    """Files to look at.

    Attributes:
        paths: in order; may wait for more to come.
        total: how many, None where that is not known.
    """

    paths: Iterator[str]
    total: int | None


def find_inputs(images: Sequence[str | Path]) -> Inputs:
    """Image files as given; every image below a folder, sorted; what a pattern matches (`**` for any depth); the files that
    a table (.csv, .tsv, .parquet) names in its column `path`, relative to the table; `-` for a path a line on standard input.

    A file that a table or standard input names need not be there: that is reported in its place.

    Raises:
        DataError: a path is not there, a table has no column of paths, or no image was found at all.
    """
    given = [str(image) for image in images]
    if STDIN in given:
        if len(given) > 1:
            raise DataError(f"`-` (standard input) was given together with {len(given) - 1} other paths; give one or the other.")
        return Inputs(_lines(), None)
    found = [path for one in given for path in _expand(one)]
    if not found:
        raise DataError(f"no image was found in {', '.join(given)}. Known endings: {', '.join(sorted(IMAGE_SUFFIXES))}.")
    return Inputs(iter(found), len(found))


def _lines() -> Iterator[str]:
    return (line.rstrip("\r\n") for line in sys.stdin if line.strip())


def _expand(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        return [str(path / inside) for inside in find_images(path, path).images]
    if path.suffix.lower() in TABLES and path.is_file():
        return _named_in(path)
    if path.exists():
        return [given]
    if _WILD & set(given):
        return _matching(given)
    raise DataError(f"{given} is not there. Give image files, folders, patterns such as 'x/*.png', a table, or - for a list.")


def _matching(pattern: str) -> list[str]:
    found = [name for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 absolute too
    images = [name for name in found if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise DataError(f"the pattern {pattern!r} matches no image ({len(found)} other files). Quote it, or give a folder.")
    return images


def _named_in(table: Path) -> list[str]:
    import pandas as pd

    try:
        if table.suffix.lower() == ".parquet":
            frame = pd.read_parquet(table)
        else:
            frame = pd.read_csv(table, sep="\t" if table.suffix.lower() == ".tsv" else ",", dtype=str, keep_default_na=False)
    except Exception as error:  # pandas and pyarrow raise whatever their parsers stumble over
        raise DataError(f"the table {table} cannot be read: {(str(error).splitlines() or ['no message'])[0]}.") from error
    columns = {str(name).strip().lower(): name for name in frame.columns}
    column = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if column is None:
        raise DataError(
            f"the table {table} has no column of paths; expected one of {', '.join(PATH_COLUMNS)}, found"
            f" {', '.join(map(str, frame.columns))}.{nearest(str(frame.columns[0]), PATH_COLUMNS)} Rename the column."
        )
    return [str(table.parent / str(name)) for name in frame[column] if str(name).strip()]
