"""Folds and the sealed test set: de-duplicated and grouped first, stratified, and the same for the same data and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from frostline.data.entries import listed, table_rows
from frostline.data.shift import prevalence_notes
from frostline.data.units import FOLDS, left_apart, units_of
from frostline.errors import DataError
from frostline.terms.data import Dataset, Split, SplitPlan
from frostline.terms.identity import digest

LEAST_AFTER_SEAL = 100  # images of the rarest class that must remain for cross-validation
REPEATED_BELOW = 500  # images in the pool: repeats are needed to tell recipes apart, and are cheap
REPEATS = 3
ENOUGH_TO_VALIDATE = 2_000  # images in one validation fold: more folds add cost and hardly any precision
HOLD_OUTS = 3
LEAST_OF_A_CLASS = 2  # images in a part of the training images
_ATTEMPTS = 20
_MANY_UNITS = 10_000  # units even out by their number alone

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Pool:
    """What is split: sample indices with labels, and units that no split may break; all (n,)."""

    indices: Indices
    labels: Indices
    units: Indices
    classes: tuple[str, ...]

    def at(self, rows: Indices) -> _Pool:
        return _Pool(self.indices[rows], self.labels[rows], self.units[rows], self.classes)

    @property
    def rarest(self) -> int:
        """Images of the rarest class."""
        return int(np.bincount(self.labels, minlength=len(self.classes)).min())


def plan_splits(dataset: Dataset, seed: int, pool_val: bool = False) -> SplitPlan:
    """What is trained on, validated on and sealed.

    The user's own `test` is sealed; else a fifth, if at least 100 images of the rarest class remain; it depends on the
    data alone, so that every run seals the same images. The user's own `val` is the one hold-out, and nothing is sealed
    beside it, unless `pool_val`. Otherwise five stratified folds, repeated three times below 500 images; three hold-outs
    with different seeds where a fold would hold 2,000 or more. Units (see `units_of`) are never broken.

    Raises:
        DataError: a class comes from one group only, so that it cannot be both trained on and validated on.
    """
    notes = prevalence_notes(dataset)
    whole = _pool(dataset)
    notes += _apart_notes(dataset, whole.units)
    parts = np.array([sample.part or "train" for sample in dataset.samples])
    sealed, rest = _rows(parts == "test"), _rows(parts != "test")
    fold_seed = _seed(dataset.fingerprint, f"folds/{seed}")
    if "val" in parts and not pool_val:
        return _own_validation(whole, parts, sealed, fold_seed, notes)
    sealed_by = "user" if len(sealed) else "none"
    if not len(sealed):
        sealed, rest, said = _seal(whole, dataset.fingerprint)
        sealed_by = "rule" if len(sealed) else "none"
        notes.append(said)
    elif crossing := _crossing(whole, sealed, rest):
        notes.append(_crossed(crossing, "test"))
    if "val" in parts:
        notes.append("Your own train and val are drawn from together.")
    kind, splits, said = _folds(whole.at(rest), fold_seed)
    return SplitPlan(kind, splits, _plain(whole.indices[sealed]), sealed_by, fold_seed, (*notes, said))


def inner_split(dataset: Dataset, split: Split) -> Split:
    """A fifth of `split.train`, by units and stratified, held out of it: for choices that `split` itself shall judge.

    Where the training part is too small for that, `split` itself: then what is chosen is also judged there.
    """
    whole = _pool(dataset)
    pool = whole.at(_rows(np.isin(whole.indices, split.train)))
    seed = _seed(split.seed, "inner")
    try:
        folds = _folds_or_fewer(pool, seed)
    except DataError:
        return split
    return _split(pool, "inner", split.repeat, split.fold, seed, folds == 0)


def draws_at(images: int) -> tuple[str, int, float]:
    """How a pool of so many images is split unless the user did: kind, how often it is drawn, share that one draw validates."""
    if images >= FOLDS * ENOUGH_TO_VALIDATE:
        return "hold-outs", HOLD_OUTS, 1 / FOLDS
    return ("repeated-folds", REPEATS, 1.0) if images < REPEATED_BELOW else ("folds", 1, 1.0)


def nested_parts(dataset: Dataset, split: Split, divisors: Sequence[int], draws: int) -> tuple[Split, ...]:
    """Parts of `split.train` of about a `divisor`-th of its images, all validated on `split.validation`.

    In each draw the units of each class come in a random order, and a part takes the first of them until it has its share of the
    class's images. So smaller parts lie in larger ones, and no unit (see `units_of`) is broken; one of several classes
    counts for its most frequent one. A part where some class has fewer than two images is left out.

    Returns:
        splits named `curve0-8` (draw, divisor), the smallest part of a draw first; `repeat` is the draw, each with a seed.
    """
    whole = _pool(dataset)
    pool = whole.at(_rows(np.isin(whole.indices, split.train)))
    found = []
    for draw in range(draws):
        seed = _seed(split.seed, f"curve/{draw}")
        places = _places(pool, seed)
        for divisor in sorted(divisors, reverse=True):
            part = pool.at(_rows(places <= 1 / divisor))
            if part.rarest >= LEAST_OF_A_CLASS:
                found.append(Split(f"curve{draw}-{divisor}", draw, 0, seed, _plain(part.indices), split.validation))
    return tuple(found)


def _places(pool: _Pool, seed: int) -> npt.NDArray[np.float64]:
    """(n,) 0..1: where the middle of each image's unit lies among all images of its class, units in random order."""
    of_image = np.unique(pool.units, return_inverse=True)[1]
    counts = np.zeros((int(of_image.max()) + 1, len(pool.classes)), dtype=np.int64)
    np.add.at(counts, (of_image, pool.labels), 1)
    sizes, strata = counts.sum(axis=1), counts.argmax(axis=1)
    places, generator = np.empty(len(sizes)), np.random.default_rng(seed)
    for stratum in np.unique(strata):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        places[members] = (np.cumsum(sizes[members]) - sizes[members] / 2) / sizes[members].sum()
    return places[of_image]


# The sealed test set -------------------------------------------------------------------------------------------------


def _seal(whole: _Pool, fingerprint: str) -> tuple[Indices, Indices, str]:
    """Rows of the sealed set, rows of the rest, and the sentence about it."""
    none, every = np.empty(0, dtype=np.int64), np.arange(len(whole.indices))
    # no fold is drawn when it is already clear: four fifths of the rarest class are too few
    folds = _draw(whole, FOLDS, _seed(fingerprint, "seal")) if whole.rarest * 0.85 >= LEAST_AFTER_SEAL else None
    if folds is not None:
        sealed, rest = _rows(folds == 0), _rows(folds != 0)
        if whole.at(rest).rarest >= LEAST_AFTER_SEAL:
            return sealed, rest, f"{len(sealed):,} images ({len(sealed) / len(every):.0%}) are sealed as a test set."
    return (
        none,
        every,
        (
            f"No test set was sealed: fewer than {LEAST_AFTER_SEAL} images of the rarest class ({whole.rarest:,} in all)"
            " would remain for cross-validation. Scores are cross-validated and corrected for the choice."
        ),
    )


def _own_validation(whole: _Pool, parts: npt.NDArray[Any], sealed: Indices, seed: int, notes: list[str]) -> SplitPlan:
    train, val = whole.indices[parts == "train"], whole.indices[parts == "val"]
    split = Split("val", 0, 0, seed, _plain(train), _plain(val))
    said = [f"Your own val ({len(val):,} images) is the one hold-out; --pool-val draws folds from train and val together."]
    for name, scored in (("val", _rows(parts == "val")), ("test", sealed)):
        if crossing := _crossing(whole, scored, _rows(parts == "train")):
            said.append(_crossed(crossing, name))
    if not len(sealed):
        said.append("No test set was sealed beside your own val; the score is corrected for the choice.")
    return SplitPlan(
        "own-validation", (split,), _plain(whole.indices[sealed]), "user" if len(sealed) else "none", seed, (*notes, *said)
    )


def _crossing(whole: _Pool, scored: Indices, trained: Indices) -> int:
    """Images that are trained on and share a unit with one that is scored."""
    return int(np.isin(whole.units[trained], whole.units[scored]).sum())


def _crossed(count: int, part: str) -> str:
    return (
        f"{count:,} training images share a patient (the same name in the patient column of both), equal bytes or nearly the same"
        f" picture with your own {part}: scores there are flattered, and are no evidence for new images. Remove these images from"
        " one side, or give different patients different names."
    )


def _apart_notes(dataset: Dataset, units: Indices) -> list[str]:
    """A sentence about lookalikes that may lie on two sides of a split, where there are any."""
    apart = left_apart(dataset, units)
    if not apart:
        return []
    return [
        f"{len(apart):,} pairs of near-duplicates (such as {table_rows(*apart[0])}) may lie on two sides of a split, where scores"
        " are then flattered: kept together they would be more than a fifth of a class outside the test set. If images come in"
        " series, such as the frames of a video, name the series in a table's column: --group COLUMN."
    ]


# Folds ---------------------------------------------------------------------------------------------------------------


def _folds(pool: _Pool, seed: int) -> tuple[str, tuple[Split, ...], str]:
    kind, repeats, _ = draws_at(len(pool.indices))
    if kind == "hold-outs":
        drawn = [_folds_or_fewer(pool, _seed(seed, repeat)) for repeat in range(HOLD_OUTS)]
        splits = tuple(_split(pool, f"h{i}", i, 0, _seed(seed, i), folds == 0) for i, folds in enumerate(drawn))
        said = f"{HOLD_OUTS} hold-outs of a fifth each, with different seeds: one fold alone has {ENOUGH_TO_VALIDATE:,} images."
        return kind, splits, said
    splits = tuple(split for repeat in range(repeats) for split in _one_repeat(pool, repeat, _seed(seed, repeat)))
    count = 1 + max(split.fold for split in splits)
    said = f"{count} stratified folds" + (f", {repeats} times with new seeds" if repeats > 1 else "") + "."
    if count < FOLDS:
        said += f" Fewer than {FOLDS}, because the rarest class is small or comes from few groups."
    return kind, splits, said


def _one_repeat(pool: _Pool, repeat: int, seed: int) -> list[Split]:
    folds = _folds_or_fewer(pool, seed)
    return [_split(pool, f"r{repeat}f{fold}", repeat, fold, seed, folds == fold) for fold in range(int(folds.max()) + 1)]


def _split(pool: _Pool, name: str, repeat: int, fold: int, seed: int, validates: npt.NDArray[np.bool_]) -> Split:
    return Split(name, repeat, fold, seed, _plain(pool.indices[~validates]), _plain(pool.indices[validates]))


def _folds_or_fewer(pool: _Pool, seed: int) -> Indices:
    """(n,) each image's fold: five, or as many as give every fold images of every class.

    Raises:
        DataError: not even two folds do.
    """
    units = {label: len(np.unique(pool.units[pool.labels == label])) for label in range(len(pool.classes))}
    for count in range(min(FOLDS, min(units.values())), 1, -1):
        folds = _draw(pool, count, seed)
        if folds is not None:
            return folds
    poorest = sorted(units, key=lambda label: (units[label], label))
    names = listed(f"{pool.classes[label]} ({units[label]})" for label in poorest if units[label] <= max(2, units[poorest[0]]))
    raise DataError(
        f"No split has every class on both sides without breaking a group; groups (patients, equal files or near-duplicates)"
        f" a class:"
        f" {names}. Expected at least two groups with images of each class. Add images from others, or merge classes."
    )


def _draw(pool: _Pool, count: int, seed: int) -> Indices | None:
    """(n,) folds 0..count-1 with every class in each, or None when no attempt gave such folds."""
    for attempt in range(_ATTEMPTS):
        folds = _assign(pool, count, _seed(seed, f"attempt/{attempt}"))
        seen = np.zeros((count, len(pool.classes)), dtype=bool)
        seen[folds, pool.labels] = True
        if seen.all():
            return folds
    return None


def _assign(pool: _Pool, count: int, seed: int) -> Indices:
    """One draw. Units of about one image, or very many small ones, are dealt like images, by the class of their first;
    others need the way that balances groups, which takes time in proportion to their number and is exact."""
    first, sizes = np.unique(pool.units, return_index=True, return_counts=True)[1:]
    folds = np.empty(len(pool.units), dtype=np.int64)
    single = sizes.mean() < 1.05 and sizes.max() <= max(2, len(pool.units) // 200)
    if single or (len(sizes) > _MANY_UNITS and sizes.max() <= len(pool.units) // 500):
        by_unit = np.empty(int(pool.units.max()) + 1, dtype=np.int64)
        labels = pool.labels[first]
        dealt = min(count, int(np.bincount(labels, minlength=len(pool.classes)).max()))
        for fold, (_, rows) in enumerate(_kfold(dealt, seed).split(first, labels)):
            by_unit[pool.units[first[rows]]] = fold
        return by_unit[pool.units]
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(pool.labels, pool.labels, pool.units)):
        folds[rows] = fold
    return folds


def _kfold(count: int, seed: int) -> StratifiedKFold:
    return StratifiedKFold(count, shuffle=True, random_state=seed)


# Units ---------------------------------------------------------------------------------------------------------------


def _pool(dataset: Dataset) -> _Pool:
    labels = np.array([sample.label for sample in dataset.samples], dtype=np.int64)
    return _Pool(np.arange(len(labels)), labels, units_of(dataset), dataset.classes)


def _rows(mask: npt.NDArray[np.bool_]) -> Indices:
    return np.flatnonzero(mask).astype(np.int64)


def _plain(indices: Indices) -> tuple[int, ...]:
    return tuple(int(index) for index in indices)


def _seed(*parts: object) -> int:
    """A 31-bit seed that depends on every part, in order."""
    return int(digest([str(part) for part in parts], 8), 16) & 0x7FFFFFFF
