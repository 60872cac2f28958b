"""`read`: from a path to a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.data.assemble import check_classes, describe, in_order, make_dataset, make_samples
from frostline.data.cells import SUFFIXES, Table, is_table, of_frame, read_cells, table_in
from frostline.data.columns import Asked, has_files, has_labels
from frostline.data.entries import PARTS, WITHOUT_NAMES, Entry, listed, subfolders
from frostline.data.external import joined
from frostline.data.folder import existing_folder, read_folder
from frostline.data.limit import limit_note, stratified
from frostline.data.lookalikes import Progress, find_lookalikes, lookalike_notes
from frostline.data.oddities import oddities
from frostline.data.patients import grouped_by_patient
from frostline.data.saved import is_saved, unpack
from frostline.data.shards import passed_over, read_shards, shards_in
from frostline.data.table import read_table
from frostline.errors import DataError
from frostline.terms.data import Dataset
from frostline.terms.finding import behind

if TYPE_CHECKING:
    import pandas as pd

TABLE = "index.csv"
METADATA = tuple(f"metadata{suffix}" for suffix in SUFFIXES)  # of Hugging Face's image folders

Found = tuple[Path, list[Entry], list[str]]  # the root, the images, notes


def read(
    path: str | Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    allow_unreadable: bool = False,
    label: str | None = None,
    group: str | None = None,
    subgroups: Sequence[str] = (),
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    positive: str | None = None,
    frame: pd.DataFrame | None = None,
    test: str | Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The data set in a folder, ordered by path whatever the file system says; of every image a thumbnail is looked at.

    Args:
        path: a folder a class; `train`, `val` (or `valid`, `validation`) and `test` folders of these; a folder with an `index`
            table (.csv, .tsv, .parquet or .jsonl), which then alone counts; such a table itself; an image folder or a saved
            data set of Hugging Face's `datasets`; a folder of tar shards, as WebDataset writes them.
        limit: at most so many images: a stratified subset of whole groups that keeps the parts in proportion.
        seed: which subset.
        allow_unreadable: leave out files that cannot be read, with a note. Damaged pictures are found when decoding.
        label: column of the table with the classes, instead of `label` and the like; several, separated by commas, are one a
            label: 1, 0, and nothing or -1 for not known.
        group: column with what no split may break, instead of patient, group or subject.
        subgroups: columns of the table by which scores will also be shown; they change neither fingerprint nor splits.
        path_column, split_column: instead of those with the usual names.
        delimiter: between several labels of one cell, instead of a bar (or in a column `labels` a semicolon or a comma).
        positive: of two classes the one that is looked for; the second by name where it is not said.
        frame: a table that is at hand; its paths are relative to `path`.
        test: an external test set, as a folder a class or a table; its paths are then relative to the data's root too.
        progress: called as progress(done, total) from this thread, while the images are compared with each other.

    Raises:
        DataError: says what was given, what was expected, the nearest choice and what to do.
    """
    asked = Asked(path_column, label, split_column, group, delimiter, tuple(subgroups))
    root, entries, notes = _entries(Path(path), asked) if frame is None else _of_table(of_frame(frame), Path(path), asked)
    check_classes(entries, root)
    if test is not None:
        beside, tested, said = _entries_of_test(Path(test), asked)
        entries = joined(root, entries, beside, tested)
        notes += [behind(f"Test set {test}: ", note) for note in said]
    entries, said = grouped_by_patient(root, entries)
    notes += said
    if limit is not None and limit < len(entries):
        kept = stratified(entries, limit, seed)
        notes.append(limit_note(entries, kept, limit, seed))
        entries = kept
    classes = in_order(check_classes(entries, root), positive, any(not entry.label for entry in entries))
    samples, unreadable = make_samples(entries, classes, root)
    if unreadable:
        notes.append(_unreadable(unreadable, root, allow_unreadable))
        check_classes([entry for entry in entries if entry.path not in unreadable], root)
    found = find_lookalikes(root, samples, progress)
    notes += [*describe(samples, classes), *lookalike_notes(samples, classes, found)]
    notes += [finding.note for finding in oddities(samples, classes, found.looks)]
    return make_dataset(str(root), samples, classes, notes, found.pairs, found.looks)


def _entries_of_test(test: Path, asked: Asked) -> Found:
    """As `_entries`; columns are named for tables alone, and data with a table may be tested on a folder a class."""
    if test.is_file() or not test.is_dir() or table_in(test) is not None or _is_hub(test):
        return _entries(test, asked)
    root, entries, notes = _entries(test, Asked())
    if asked.subgroups:
        named = listed(asked.subgroups)
        notes.append(
            f"it has no {TABLE}, so its images have nothing in {named}: on the opened test set no score is shown by"
            f" subgroup. Add an {TABLE} with the columns path, label and {named} to see them."
        )
    return root, entries, notes


def _entries(path: Path, asked: Asked) -> Found:
    if is_table(path):
        return _of_table(read_cells(path.absolute()), path.parent, asked)
    if path.is_file() and (alone := shards_in(path)):
        return _of_table(read_shards(path.parent, alone), path.parent, asked)
    root = existing_folder(path).absolute()
    index = table_in(root)
    if index is not None:
        return _of_table(read_cells(index), root, asked)
    if is_saved(root):
        frame, unpacked = unpack(root)
        return _of_table(of_frame(frame, str(root)), unpacked, asked)
    shards = shards_in(root)
    if shards:
        return _of_table(read_shards(root, shards), root, asked)
    found = _image_folder(root, asked)
    if found is not None:
        return (*found[:2], [*found[2], *passed_over(root)])
    if asked.options:
        raise DataError(
            f"{path} has no {TABLE}, so there is no column {next(iter(asked.options.values()))!r} to use; classes come from the"
            f" folders' names. Leave {listed(asked.options)} out, or add an {TABLE} with the columns path and label."
        )
    entries, notes = read_folder(root)
    return root, entries, [*notes, *passed_over(root)]


def _of_table(table: Table, root: Path, asked: Asked) -> Found:
    root = root.absolute()
    return (root, *read_table(table, root, asked))


def _is_hub(root: Path) -> bool:
    """Whether Hugging Face's `datasets` would read the folder."""
    return is_saved(root) or bool(_metadata_in(root))


def _metadata_in(root: Path) -> list[tuple[Path, str | None]]:
    """(folder with metadata, its part): of the root itself, or of its `train`, `val` and `test`."""
    folders = [(root, None), *((one, PARTS[one.name.lower()]) for one in subfolders(root) if one.name.lower() in PARTS)]
    return [(folder, part) for folder, part in folders if any((folder / name).is_file() for name in METADATA)]


def _image_folder(root: Path, asked: Asked) -> Found | None:
    """An image folder of Hugging Face's: beside the images lies a table `metadata` with the column file_name."""
    entries, notes = [], []
    for folder, part in _metadata_in(root):
        file = next(folder / name for name in METADATA if (folder / name).is_file())
        table = read_cells(file)
        if not has_files(table) or not (has_labels(table) or asked.label):
            continue  # the table says nothing of classes: the folders' names may
        found, said = read_table(table, folder, asked)
        entries += [_below(folder.relative_to(root), entry, part) for entry in found]
        notes += said if part is None else [behind(f"{part}: ", note) for note in said]
    return (root, entries, notes) if entries else None


def _below(folder: Path, entry: Entry, part: str | None) -> Entry:
    return replace(entry, path=(folder / entry.path).as_posix(), part=part or entry.part)


def _unreadable(found: dict[str, str], root: Path, allowed: bool) -> str:
    names = listed(f"{path}: {why}" for path, why in sorted(found.items()))
    if allowed:
        return f"{len(found):,} files cannot be read and were left out{WITHOUT_NAMES}"
    raise DataError(
        f"{len(found):,} files in {root} cannot be read ({names}). Repair or remove them,"
        " or leave them out with --allow-unreadable."
    )
