"""`read`: from a path to a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from frostline.data.assemble import check_classes, describe, make_dataset, make_samples
from frostline.data.entries import WITHOUT_NAMES, Entry, listed
from frostline.data.external import joined
from frostline.data.folder import existing_folder, read_folder
from frostline.data.limit import stratified
from frostline.data.lookalikes import Progress, find_lookalikes, lookalike_notes
from frostline.data.oddities import oddities
from frostline.data.patients import grouped_by_patient
from frostline.data.table import read_table
from frostline.errors import DataError
from frostline.terms.data import Dataset

TABLE = "index.csv"


def read(
    path: str | Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    allow_unreadable: bool = False,
    label: str | None = None,
    group: str | None = None,
    subgroups: Sequence[str] = (),
    test: str | Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The data set in a folder, ordered by path whatever the file system says; of every image a thumbnail is looked at.

    Args:
        path: a folder a class; `train`, `val` (or `valid`, `validation`) and `test` folders of these; a folder with an
            `index.csv`, which then alone counts; or such a table itself.
        limit: at most so many images: a stratified subset of whole groups that keeps the parts in proportion.
        seed: which subset.
        allow_unreadable: leave out files that cannot be read, with a note. Damaged pictures are found when decoding.
        label, group: columns of the table, instead of `label` and of patient, group or subject.
        subgroups: columns of the table by which scores will also be shown; they change neither fingerprint nor splits.
        test: an external test set, as a folder a class or a table; its paths are then relative to the data's root too.
        progress: called as progress(done, total) from this thread, while the images are compared with each other.

    Raises:
        DataError: says what was given, what was expected, the nearest choice and what to do.
    """
    root, entries, notes = _entries(Path(path), label, group, subgroups)
    check_classes(entries, root)
    if test is not None:
        beside, tested, said = _entries_of_test(Path(test), label, group, subgroups)
        entries = joined(root, entries, beside, tested)
        notes += [f"Test set {test}: {note}" for note in said]
    entries, said = grouped_by_patient(root, entries)
    notes += said
    if limit is not None and limit < len(entries):
        notes.append(f"Limited to {limit:,} of {len(entries):,} images, stratified by class (seed {seed}).")
        entries = stratified(entries, limit, seed)
    classes = check_classes(entries, root)
    samples, unreadable = make_samples(entries, classes, root)
    if unreadable:
        notes.append(_unreadable(unreadable, root, allow_unreadable))
        check_classes([entry for entry in entries if entry.path not in unreadable], root)
    found = find_lookalikes(root, samples, progress)
    notes += [*describe(samples, classes), *lookalike_notes(samples, classes, found)]
    notes += [finding.sentence for finding in oddities(samples, classes, found.looks)]
    return make_dataset(str(root), samples, classes, notes, found.pairs, found.looks)


def _entries_of_test(
    test: Path, label: str | None, group: str | None, subgroups: Sequence[str]
) -> tuple[Path, list[Entry], list[str]]:
    """As `_entries`; columns are named for tables alone, and data with a table may be tested on a folder a class."""
    if test.is_file() or (test / TABLE).is_file():
        return _entries(test, label, group, subgroups)
    root, entries, notes = _entries(test, None, None, ())
    if subgroups:
        notes.append(
            f"it has no {TABLE}, so its images have nothing in {listed(subgroups)}: on the opened test set no score is shown by"
            f" subgroup. Add an {TABLE} with the columns path, label and {listed(subgroups)} to see them."
        )
    return root, entries, notes


def _entries(path: Path, label: str | None, group: str | None, subgroups: Sequence[str]) -> tuple[Path, list[Entry], list[str]]:
    table = path if path.suffix.lower() == ".csv" and path.is_file() else path / TABLE
    root = (table.parent if table is path else existing_folder(path)).absolute()
    if table.is_file():
        return (root, *read_table(table.absolute(), root, label=label, group=group, subgroups=subgroups))
    asked = {"--label": label, "--group": group, "--subgroup": next(iter(subgroups), None)}
    named = {option: column for option, column in asked.items() if column}
    if named:
        raise DataError(
            f"{path} has no {TABLE}, so there is no column {next(iter(named.values()))!r} to use; classes come from the"
            f" folders' names. Leave {listed(named)} out, or add an {TABLE} with the columns path and label."
        )
    return (root, *read_folder(root))


def _unreadable(found: dict[str, str], root: Path, allowed: bool) -> str:
    names = listed(f"{path}: {why}" for path, why in sorted(found.items()))
    if allowed:
        return f"{len(found):,} files cannot be read and were left out{WITHOUT_NAMES}"
    raise DataError(
        f"{len(found):,} files in {root} cannot be read ({names}). Repair or remove them,"
        " or leave them out with --allow-unreadable."
    )
