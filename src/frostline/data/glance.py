"""A look at some of very many files: whether they are there, how large they are, how long one takes to decode."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frostline.data.decoding import short_side
from frostline.data.entries import IMAGE_SUFFIXES, is_image_file, listed
from frostline.data.source import size_of
from frostline.data.table import relative
from frostline.data.wide import Wide
from frostline.errors import DataError

LOOKED_AT = 200  # files, evenly spread
LOOKING_S = 1.0  # a slow disk is not waited for


@dataclass(frozen=True)
class Glance:
    """Attributes: files: that are there and can be read, evenly spread; sides: their short sides in pixels; bytes: each."""

    files: tuple[Path, ...]
    sides: tuple[int, ...]
    bytes: tuple[int, ...]
    notes: tuple[str, ...]


def glance(table: Wide, paths: Any, root: Path) -> Glance:
    """What is seen of the files that `paths` (an Arrow array) names, below `root`.

    Raises:
        DataError: cells are empty, name files outside the root, or what is no image by its name. That a file is not there is
            no error: images may lie elsewhere while a plan is made.
    """
    import pyarrow.compute as pc

    _refuse_empty(table, paths)
    _refuse_outside(table, paths, root)
    _refuse_odd(table, paths, root)
    places = np.unique(np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).astype(int))
    names = [relative(name, root) for name in paths.take(places.tolist()).to_pylist()]
    looked = list(_looked_at([root / name for name in names]))
    there = [(file, side, size) for file, side, size in looked if side]
    files, sides, sizes = zip(*there, strict=True) if there else ((), (), ())
    return Glance(
        files,
        sides,
        sizes,
        tuple(
            _notes(table, pc.count_distinct(paths).as_py(), len(looked), [file for file, side, _ in looked if not side], sizes)
        ),
    )


def _looked_at(files: list[Path]) -> Iterator[tuple[Path, int, int]]:
    """(file, its short side, its bytes), 0 for what cannot be read; the first of an even spread that the time allows."""
    until = time.monotonic() + LOOKING_S
    for place in _spread(len(files)):
        if time.monotonic() > until:
            return
        try:
            yield files[place], short_side(files[place]), size_of(files[place])
        except (DataError, OSError):
            yield files[place], 0, 0


def _spread(count: int) -> Iterator[int]:
    """0..count-1, so that the first few are already spread over all."""
    for first in range(8):
        yield from range(first, count, 8)


def _notes(table: Wide, different: int, looked: int, absent: list[Path], sizes: tuple[int, ...]) -> Iterator[str]:
    yield (
        f"{table.rows:,} rows were counted and {looked:,} of the files looked at: equal files, near-duplicates and files that"
        " cannot be read are found by a search, which reads them all, or by `frostline check`."
    )
    if len(absent) == looked:
        yield f"None of these {looked:,} files can be read (such as {absent[0].name}): image size and decoding are assumed."
    elif absent:
        yield f"{len(absent):,} of these {looked:,} files cannot be read: about {len(absent) / looked:.1%} of all."
    if sizes:
        mean = sum(sizes) / len(sizes)
        yield f"The files take about {mean * table.rows / 1e9:,.1f} GB, {mean / 1e3:,.0f} kB each."
    repeated = table.rows - different
    if repeated:
        yield f"{repeated:,} rows name a file again; a search leaves out those that say the same, and refuses the others."


def _refuse_empty(table: Wide, paths: Any) -> None:
    import pyarrow.compute as pc

    empty = np.flatnonzero(pc.binary_length(paths).to_numpy(zero_copy_only=False) == 0)
    if len(empty):
        raise DataError(
            f"{table.name} has no path in {len(empty):,} rows (the first is row {empty[0] + 1:,}); fill or remove these rows."
        )


def _refuse_outside(table: Wide, paths: Any, root: Path) -> None:
    import pyarrow.compute as pc

    # only what climbs or starts at the root of a disk can be outside; four plain searches take a tenth of a pattern's time
    climbing, disk = pc.match_substring(paths, ".."), pc.match_substring(paths, ":")
    rooted = pc.or_(pc.starts_with(paths, "/"), pc.starts_with(paths, "\\"))
    suspects = _rows(pc.or_(pc.or_(climbing, disk), rooted))
    inside = root.resolve()
    for row in suspects:
        given = paths[int(row)].as_py()
        if not Path(os.path.normpath(inside / relative(given, root))).is_relative_to(inside):
            raise DataError(
                f"{table.name}, row {row + 1:,} names a file outside {root} ({given}); expected paths below that folder. Move the"
                " table to a folder that holds all images."
            )


def _refuse_odd(table: Wide, paths: Any, root: Path) -> None:
    import pyarrow.compute as pc

    suffixes = "|".join(suffix.removeprefix(".") for suffix in sorted(IMAGE_SUFFIXES))
    odd = _rows(pc.invert(pc.match_substring_regex(paths, rf"\.({suffixes})$", ignore_case=True)))
    found = [paths[int(row)].as_py() for row in odd[:LOOKED_AT]]
    strange = [name for name in found if (root / name).exists() and not is_image_file(root / name)]
    if strange:
        raise DataError(
            f"{table.name} names files that are no images by their names ({listed(strange, 3)}); expected"
            f" {', '.join(sorted(IMAGE_SUFFIXES))}. Correct or remove these rows."
        )


def _rows(mask: Any) -> Any:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))
