"""`check`: what is wrong with a set of images, before anything is learned from it. Nothing is dropped, nothing is replaced."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from frostline.data.assemble import duplicate_notes, equal_files
from frostline.data.decoding import Geometry
from frostline.data.entries import listed
from frostline.data.lookalikes import pair_notes
from frostline.data.oddities import oddities
from frostline.data.reading import read
from frostline.data.shift import appearance_notes, prevalence_notes
from frostline.errors import DataError
from frostline.terms.data import Dataset, Sample
from frostline.terms.finding import Checkup, Finding, Kind, Weight, weight_of
from frostline.terms.look import Look
from frostline.terms.quantities import plural

Progress = Callable[[int, int], None]

_SIDE = 32  # pixels: enough to see that two parts look unlike
_ORDER = tuple(Weight)


def check(path: Any, *, progress: Progress | None = None, **how: Any) -> Checkup:
    """What was found.

    Args:
        path, how: as `read` takes them.
        progress: called as progress(done, total) from this thread.
    """
    stopping: list[Finding] = []
    try:
        dataset = read(path, progress=progress, **how)
    except DataError as error:
        stopping.append(Finding("refused", Weight.STOPS, str(error)))
        try:
            dataset = read(path, progress=progress, **{**how, "allow_unreadable": True})
        except DataError:
            return Checkup(None, (), tuple(stopping))
    found = [*stopping, *_undecodable(dataset), *_copies(dataset), *_apart(dataset)]
    seen = oddities(dataset.samples, dataset.classes, dataset.looks)
    told = {finding.sentence for finding in seen}
    told |= {*duplicate_notes(dataset.samples), *pair_notes(dataset.samples, dataset.classes, dataset.lookalikes)}  # in `_copies`
    found += [*seen, *(_noted(note) for note in dataset.notes if note not in told)]
    found.sort(key=lambda finding: _ORDER.index(finding.weight))
    return Checkup(dataset, tuple(_kinds(dataset)), tuple(found))


def _noted(note: str) -> Finding:
    """A sentence of `read` with the weight that it has."""
    return Finding("data", weight_of(note), note)


def _undecodable(dataset: Dataset) -> list[Finding]:
    bad = [(index, look) for index, look in enumerate(dataset.looks) if isinstance(look, str)]
    if not bad:
        return []
    named = listed((f"{dataset.samples[index].path}: {why}" for index, why in bad), 5)
    sentence = (
        f"{plural(len(bad), 'image')} cannot be decoded ({named}). Repair or remove them, or let a search leave them out with"
        " --allow-unreadable."
    )
    return [Finding("unreadable", Weight.STOPS, sentence, tuple(index for index, _ in bad))]


# Copies --------------------------------------------------------------------------------------------------------------


def _copies(dataset: Dataset) -> list[Finding]:
    """Equal files and near-duplicates; those with different labels, and those in several of the user's parts, by themselves."""
    samples = dataset.samples
    return [
        *_of_copies("equal files", equal_files(samples), samples),
        *_of_copies("near-duplicates", list(dataset.lookalikes), samples),
    ]


def _of_copies(what: str, found: Sequence[tuple[int, ...]], samples: Sequence[Sample]) -> list[Finding]:
    disputed = [one for one in found if len({samples[index].has for index in one}) > 1]
    crossing = [one for one in found if len({samples[index].part for index in one}) > 1]
    known = {*disputed, *crossing}
    rest = [one for one in found if one not in known]

    def told(kind: str, weight: Weight, which: Sequence[tuple[int, ...]], says: str) -> list[Finding]:
        counted = plural(len(which), f"set of {what}")
        images = tuple(index for one in which for index in one)
        return [Finding(kind, weight, f"{counted} {says}", images)] if which else []

    return [
        *told(f"{what}, different labels", Weight.LOOK, disputed, "with different labels: one of these is probably wrong."),
        *told(
            f"{what} across splits",
            Weight.SPOILS,
            crossing,
            "in more than one of train, val and test: scores there are flattered.",
        ),
        *told(what, Weight.NOTE, rest, "on one side of every split that is drawn."),
    ]


# Parts ---------------------------------------------------------------------------------------------------------------


def _apart(dataset: Dataset) -> list[Finding]:
    """How the user's own parts differ, in how common classes are and in how images look."""
    if not any(sample.part in ("val", "test") for sample in dataset.samples):
        return []
    from frostline.data.pixels import build_store

    notes = prevalence_notes(dataset)
    with tempfile.TemporaryDirectory(prefix="frostline-check-") as folder:
        try:
            readable, store = build_store(dataset, Geometry(_SIDE, _SIDE), folder, allow_unreadable=True)
            notes += appearance_notes(readable, store)
        except DataError as error:
            return [Finding("parts", Weight.NOTE, f"Whether the parts look alike was not found out: {error}")]
    return [Finding("parts differ", weight_of(note), note) for note in notes]


def _kinds(dataset: Dataset) -> Iterable[Kind]:
    parts = [part for part in ("train", "val", "test", None) if any(sample.part == part for sample in dataset.samples)]
    for part in parts:
        inside = [index for index, sample in enumerate(dataset.samples) if sample.part == part]
        for label, name in enumerate(dataset.classes):
            rows = [index for index in inside if label in dataset.samples[index].has]
            if rows:
                yield _kind(part or "", name, rows, len(rows) / len(inside), dataset)


def _kind(part: str, name: str, rows: Sequence[int], share: float, dataset: Dataset) -> Kind:
    looks = [look for look in (dataset.looks[index] for index in rows) if isinstance(look, Look)]
    means = np.array([look.mean for look in looks] or [0.0])
    return Kind(
        part=part,
        name=name,
        images=len(rows),
        groups=len({dataset.samples[index].group for index in rows} - {None}),
        share=share,
        width=int(np.median([look.width for look in looks] or [0])),
        height=int(np.median([look.height for look in looks] or [0])),
        files=tuple(Counter(look.kind for look in looks).most_common()),
        bits=tuple(sorted({look.bits for look in looks})),
        channels=tuple(sorted({look.channels for look in looks})),
        mean=float(means.mean()),
        mean_sd=float(means.std()),
        spread=float(np.mean([look.spread for look in looks] or [0.0])),
    )
