"""What a person may give in place of image files: folders, patterns, tables, or a list of paths on standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.data.cells import described, is_table, read_cells
from frostline.data.columns import PATH_COLUMNS, first_of
from frostline.data.entries import IMAGE_SUFFIXES, find_images, is_image_file
from frostline.data.picture import surely_none
from frostline.errors import DataError, nearest

STDIN = "-"
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
    a table (.csv, .tsv, .parquet, .jsonl) names in its column `path`, relative to the table; `-` for a path a line on standard
    input.

    A file that a table or standard input names need not be there: that is reported in its place.

    Raises:
        DataError: a path is not there, a table cannot be read or has no column of paths, or no image was found at all.
    """
    given = [str(image) for image in images]
    if STDIN in given:
        if len(given) > 1:
            raise DataError(f"`-` (standard input) was given together with {len(given) - 1} other paths; give one or the other.")
        return Inputs(_lines(), None)
    _refuse_other_files(given)
    found = [path for one in given for path in _expand(one)]
    if not found:
        raise DataError(f"no image was found in {', '.join(given)}. Known endings: {', '.join(sorted(IMAGE_SUFFIXES))}.")
    return Inputs(iter(found), len(found))


def _refuse_other_files(given: Sequence[str]) -> None:
    """Nothing, unless every path is a file that neither by its name nor by its first bytes can be an image.

    Raises:
        DataError: then nothing needs to be loaded first. Among images such a file is reported in its place.
    """
    files = [Path(one) for one in given if Path(one).is_file() and not is_table(Path(one))]
    if len(files) < len(given) or any(is_image_file(file) for file in files):
        return
    reasons = [surely_none(file) for file in files]
    if all(reasons):
        more = f", nor is any of the {len(files) - 1} other files" if len(files) > 1 else ""
        raise DataError(
            f"{files[0]} is {reasons[0]}{more}. Give images ({', '.join(sorted(IMAGE_SUFFIXES))}), folders, quoted patterns, a"
            " table of paths (.csv, .tsv, .parquet, .jsonl), or - for a list."
        )


def _lines() -> Iterator[str]:
    return (line.rstrip("\r\n") for line in sys.stdin if line.strip())


def _expand(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        return [str(path / inside) for inside in find_images(path, path).images]
    if is_table(path):
        return _named_in(path)
    if path.exists():
        return [given]
    if _WILD & set(given):
        return _matching(given)
    raise DataError(f"{given} is not there. Give image files, folders, patterns such as 'x/*.png', a table, or - for a list.")


def _matching(pattern: str) -> list[str]:
    found = [name for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 absolute too
    images = [name for name in found if is_image_file(Path(name))]
    if not images:
        raise DataError(f"the pattern {pattern!r} matches no image ({len(found)} other files). Quote it, or give a folder.")
    return images


def _named_in(file: Path) -> list[str]:
    table = read_cells(file)
    column = first_of(table, PATH_COLUMNS)
    if column is None:
        raise DataError(
            f"the table {file} has no column of paths; expected one of {', '.join(PATH_COLUMNS)}, found {described(table)}."
            f"{nearest(next(iter(table.columns), ''), PATH_COLUMNS)} Rename the column."
        )
    return [str(file.parent / name) for name in table.values(column) if name]
