"""From entries to a data set: checks, file digests, the fingerprint, and notes about what was seen."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from frostline.data.entries import Entry, listed, placed, row_of, table_rows
from frostline.data.lookalikes import pair_notes
from frostline.data.oddities import oddities
from frostline.data.picture import check_regular
from frostline.data.source import opened
from frostline.errors import DataError, nearest
from frostline.terms.data import NO, SEVERAL, UNKNOWN, Dataset, Sample
from frostline.terms.finding import Note, Weight
from frostline.terms.look import Look
from frostline.terms.quantities import plural

FEWEST = 2  # one image to learn from and one to validate on
FOLDS = 5


def check_classes(entries: Iterable[Entry], root: Path) -> tuple[str, ...]:
    """The names of the classes or labels, sorted.

    Raises:
        DataError: one class only, a class that training cannot see, or a class with fewer than two images; a label that every
            training image has, or none.
    """
    entries = list(entries)
    counts = Counter(name for entry in entries if entry.trains for name in entry.names)
    _refuse_unseen(entries, counts)
    if any(not entry.label for entry in entries):
        return _check_labels(entries, counts, root)
    if len(counts) < 2:
        name = next(iter(counts), "none")
        raise DataError(
            f"{root} holds one class only ({name}); expected at least two.{_inner_layout(root / name)}"
            " Expected a folder a class, or a table with a column label."
        )
    small = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < FEWEST]
    if small:
        raise DataError(
            f"{root}: too few images to train on and to validate on in {listed(small)}; expected at least {FEWEST} a class,"
            f" and {FOLDS} or more for {FOLDS} folds. Add images, or move these folders away."
        )
    return tuple(sorted(counts))


def in_order(classes: tuple[str, ...], positive: str | None, several: bool) -> tuple[str, ...]:
    """The classes with the positive one second; as they are where none is named.

    Raises:
        DataError: no such class, or not two classes.
    """
    if positive is None:
        return classes
    if several or len(classes) != 2:
        kind = "labels, each a question of its own" if several else "classes"
        raise DataError(f"a positive class is named ({positive!r}), but these data have {len(classes)} {kind}; leave it out.")
    if positive not in classes:
        raise DataError(
            f"the positive class {positive!r} is not one of {listed(classes)}.{nearest(positive, classes)} Name one of these."
        )
    return (*(name for name in classes if name != positive), positive)


def _check_labels(entries: list[Entry], counts: Counter[str], root: Path) -> tuple[str, ...]:
    """The labels' names; a few images of one are few, but no reason to refuse all others."""
    training = [entry for entry in entries if entry.trains]
    asked = sorted({name for entry in training for name, _ in entry.answers})
    without = Counter(name for entry in training for name in asked if answer_of(entry, name) == NO)
    empty = [f"{name} ({counts[name]:,} yes, {without[name]:,} no)" for name in asked if not counts[name] or not without[name]]
    if empty or not asked:
        raise DataError(
            f"{root}: {listed(empty) or 'no label'}: expected for every label some training images that have it and some that do"
            " not. Leave such a label out (name the others: --label A,B,C), or add images."
        )
    return tuple(asked)


def answer_of(entry: Entry, name: str) -> int:
    """Whether the image has the label: `YES`, `NO` or `UNKNOWN`."""
    return dict(entry.answers).get(name, entry.others)


def _refuse_unseen(entries: list[Entry], counts: Counter[str]) -> None:
    unseen = Counter((entry.part, name) for entry in entries if not entry.trains for name in entry.names if name not in counts)
    if not unseen:
        return
    (part, label), count = sorted(unseen.items(), key=str)[0]
    raise DataError(
        f"The class {label!r} has {count:,} images in {part} and none in train;"
        f" train has {listed(sorted(counts)) or 'no images'}."
        f"{nearest(label, counts)} Every class must be in train: rename the class, add training images, or remove it."
    )


def _inner_layout(folder: Path) -> str:
    """Names the folder inside when the given one merely wraps a data set."""
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return f" {folder} itself holds the folders {listed(inner, 4)}: is it the one that was meant?" if len(inner) > 1 else ""


def make_samples(entries: Sequence[Entry], classes: Sequence[str], root: Path) -> tuple[list[Sample], dict[str, str]]:
    """Samples ordered by path, and for every file that cannot be read its path and the reason."""
    number = {name: index for index, name in enumerate(classes)}
    ordered = sorted(entries, key=lambda entry: entry.path)
    with ThreadPoolExecutor(min(8, max(2, os.cpu_count() or 2))) as pool:
        digests = list(pool.map(lambda entry: _file_digest(root / entry.path), ordered, chunksize=64))
    bad = {entry.path: said for entry, (digest, said) in zip(ordered, digests, strict=True) if not digest}
    samples = [_sample(entry, number, digest) for entry, (digest, _) in zip(ordered, digests, strict=True) if digest]
    return samples, bad


def _sample(entry: Entry, number: dict[str, int], digest: str) -> Sample:
    label = number[entry.label] if entry.label else SEVERAL
    said = dict(entry.answers)
    answers = () if entry.label else tuple(said.get(name, entry.others) for name in number)
    return Sample(entry.path, label, entry.group, entry.part, digest, entry.subgroups, answers)


def _file_digest(path: Path) -> tuple[str, str]:
    """(digest, "") or ("", why not)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "", "its name is no UTF-8 text; rename it"
    try:
        check_regular(path)
        with opened(path) as file:
            found = hashlib.file_digest(file, "sha256")
            return (found.hexdigest()[:32], "") if file.seek(0, os.SEEK_END) else ("", "the file is empty")
    except OSError as error:
        return "", error.strerror or str(error)


def fingerprint(samples: Iterable[Sample], classes: Sequence[str]) -> str:
    """Of paths, file digests, labels, groups, parts and class names; not of the folder's place, nor of subgroups."""
    whole = hashlib.sha256(json.dumps(list(classes)).encode())
    for sample in samples:
        fields = (sample.path, sample.answers or sample.label, sample.group, sample.part, sample.digest)
        whole.update(json.dumps(fields).encode() + b"\n")
    return whole.hexdigest()[:32]


def make_dataset(
    root: str,
    samples: Sequence[Sample],
    classes: Sequence[str],
    notes: Sequence[str],
    lookalikes: Iterable[tuple[int, int]] = (),
    looks: Iterable[Look | str] = (),
) -> Dataset:
    whole = fingerprint(samples, classes)
    return Dataset(root, tuple(samples), tuple(classes), whole, tuple(notes), tuple(lookalikes), tuple(looks))


def subset(dataset: Dataset, indices: Iterable[int], note: str = "") -> Dataset:
    """The data set of these samples alone, in the old order, with its own fingerprint and its own counts in the notes.

    Raises:
        DataError: a class would be left with fewer than two images to train on.
    """
    place = {index: place for place, index in enumerate(sorted(set(indices)))}
    samples = [dataset.samples[index] for index in place]
    check_classes((_entry(sample, dataset.classes) for sample in samples), Path(dataset.root))
    kept = {label for sample in samples for label in sample.has}
    if len(kept) < len(dataset.classes):
        gone = listed(name for index, name in enumerate(dataset.classes) if index not in kept)
        raise DataError(f"{dataset.root}: no readable image is left of {gone}; add images of this class or remove it.")
    pairs = [(place[one], place[other]) for one, other in dataset.lookalikes if one in place and other in place]
    looks = [dataset.looks[index] for index in place] if dataset.looks else []
    before = {*_told(dataset.samples, dataset.classes, dataset.lookalikes, dataset.looks)}
    notes = [*(said for said in dataset.notes if said not in before), *_told(samples, dataset.classes, pairs, looks)]
    return make_dataset(dataset.root, samples, dataset.classes, [*notes, *([note] if note else [])], pairs, looks)


def _entry(sample: Sample, classes: Sequence[str]) -> Entry:
    """What a folder or a table would say of it."""
    label = "" if sample.answers else classes[sample.label]
    answers = tuple(zip(classes, sample.answers, strict=True)) if sample.answers else ()
    return Entry(sample.path, label, answers, group=sample.group, part=sample.part)


def _told(
    samples: Sequence[Sample], classes: Sequence[str], pairs: Sequence[tuple[int, int]], looks: Sequence[Look | str]
) -> list[str]:
    seen = [finding.note for finding in oddities(samples, classes, looks)]
    return [*describe(samples, classes), *pair_notes(samples, classes, pairs), *seen]


# Notes ---------------------------------------------------------------------------------------------------------------


def describe(samples: Sequence[Sample], classes: Sequence[str]) -> list[str]:
    """Sentences: images a class and part, groups, exact duplicates, classes with few images."""
    several = any(sample.answers for sample in samples)
    kind = f"with {len(classes)} labels" if several else f"in {len(classes)} classes"
    notes = [f"{len(samples):,} images {kind}: {_per_class(samples, classes)}."]
    notes += _answer_notes(samples, classes) if several else []
    parts = [part for part in ("train", "val", "test") if any(s.part == part for s in samples)]
    for part in parts:
        inside = [s for s in samples if s.part == part]
        notes.append(f"{part}: {len(inside):,} images: {_per_class(inside, classes)}.")
        present = {label for s in inside for label in s.has}
        absent = [name for index, name in enumerate(classes) if index not in present]
        if absent:
            said = f"{part} holds no image of {listed(absent)}; scores on it say nothing about this class."
            notes.append(Note(said, Weight.SPOILS))
    notes += _group_notes(samples) + duplicate_notes(samples)
    trained = Counter(label for s in samples if s.part in (None, "train") for label in s.has)
    few = [f"{classes[label]} ({count})" for label, count in sorted(trained.items()) if count < FOLDS]
    if few and not several:
        notes.append(Note(f"Very few images of {listed(few)}: folds are fewer than {FOLDS}, and little can be claimed."))
    return notes


def _per_class(samples: Sequence[Sample], classes: Sequence[str]) -> str:
    counts = Counter(label for sample in samples for label in sample.has)
    return listed((f"{name} {counts[index]:,}" for index, name in enumerate(classes)), 20)


def _answer_notes(samples: Sequence[Sample], classes: Sequence[str]) -> list[str]:
    """How many labels an image has, and how many answers are not known."""
    sizes = Counter(len(sample.has) for sample in samples)
    spread = ", ".join(f"{count:,} with {size or 'none'}" for size, count in sorted(sizes.items()))
    notes = [f"Labels an image: {spread}."]
    unknown = Counter(label for sample in samples for label, answer in enumerate(sample.answers) if answer == UNKNOWN)
    if unknown:
        names = listed(f"{classes[label]} {count:,}" for label, count in sorted(unknown.items()))
        notes.append(f"Not known, and left out of loss and metric of that label alone: {names}.")
    return notes


def _group_notes(samples: Sequence[Sample]) -> list[str]:
    sizes = Counter(sample.group for sample in samples if sample.group is not None)
    if not sizes:
        return []
    notes: list[str] = [f"{plural(len(sizes), 'group')}; the largest has {plural(max(sizes.values()), 'image')}."]
    parts: defaultdict[str, set[str | None]] = defaultdict(set)
    for sample in samples:
        if sample.group is not None:
            parts[sample.group].add(sample.part)
    crossing = sum(len(found) > 1 for found in parts.values())
    if crossing:
        said = (
            f"{crossing:,} groups are in more than one of train, val and test, by the same name in the patient column of both:"
            " scores there are flattered. Leave each in one of them, or, where one name stands for different patients, as in two"
            " clinics' tables, give them different names."
        )
        notes.append(Note(said, Weight.SPOILS))
    return notes


def equal_files(samples: Sequence[Sample]) -> list[tuple[int, ...]]:
    """Sets of indices of samples whose files are equal to the byte."""
    sets: defaultdict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        sets[sample.digest].append(index)
    return [tuple(found) for digest, found in sets.items() if digest and len(found) > 1]


def duplicate_notes(samples: Sequence[Sample]) -> list[str]:
    """Sentences about equal files: how many, and those across parts or with different labels."""
    several = equal_files(samples)
    if not several:
        return []
    extra = sum(len(found) - 1 for found in several)
    example = f"such as {table_rows(*several[0][:2])}"
    notes: list[str] = [placed(f"{extra:,} exact duplicates of other images", example, ".", Weight.NOTE)]
    crossing = [found for found in several if len({samples[index].part for index in found}) > 1]
    if crossing:
        said = f"{len(crossing):,} images are in more than one of train, val and test: scores there are flattered."
        notes.append(Note(said, Weight.SPOILS))
    disputed = [found for found in several if len({samples[index].has for index in found}) > 1]
    if disputed:
        rows = listed(" = ".join(f"row {row_of(index)}" for index in found) for found in disputed[:3])
        said = f"{len(disputed):,} images have several files with different labels"
        notes.append(placed(said, f"in splits.csv {rows}", ": correct or remove them.", Weight.LOOK))
    return notes
