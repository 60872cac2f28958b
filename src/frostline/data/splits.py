"""Folds and the sealed test set: de-duplicated and grouped first, stratified, and the same for the same data and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from frostline.data.draws import ENOUGH_TO_VALIDATE, HOLD_OUTS, LEAST_AFTER_SEAL, draws_at
from frostline.data.entries import listed, placed, table_rows
from frostline.data.shift import prevalence_notes
from frostline.data.units import FOLDS, left_apart, units_of
from frostline.errors import DataError
from frostline.stats.strata import holding, image_strata, several
from frostline.terms.data import Dataset, Split, SplitPlan, Targets
from frostline.terms.finding import Note, Weight
from frostline.terms.identity import digest
from frostline.terms.schedule import SCREENED_ON

LEAST_OF_A_CLASS = 2  # images in a part of the training images
LEAST_TO_JUDGE = 5  # images of a class
_ATTEMPTS = 20
_MANY_UNITS = 10_000  # units even out by their number alone

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Pool:
    """What is split.

    Attributes:
        indices: (n,) of the samples. units: (n,) what no split may break.
        targets: (n,) their classes, or (n, classes) answers where an image may have several labels.
        classes: names; scored: (classes,) those that must be on both sides of a split: all classes, and labels that are not rare.
    """

    indices: Indices
    targets: Targets
    units: Indices
    classes: tuple[str, ...]
    scored: npt.NDArray[np.bool_]

    def at(self, rows: Indices) -> _Pool:
        return replace(self, indices=self.indices[rows], targets=self.targets[rows], units=self.units[rows])

    @property
    def answers(self) -> tuple[npt.NDArray[np.bool_], ...]:
        """(n, classes) masks, each with an image of every scored class in every fold: of yes, and for labels also of no."""
        if several(self.targets):
            return self.targets == 1, self.targets == 0
        return (self.targets[:, None] == np.arange(len(self.classes)),)

    @property
    def held(self) -> Indices:
        """(classes,) units that have an image of it; of a label the fewer of those with it and those without."""
        place, count = np.unique(self.units, return_inverse=True)[1], len(np.unique(self.units))
        return np.asarray(np.min([holding(mask, place, count).sum(axis=0) for mask in self.answers], axis=0))

    @property
    def rarest(self) -> int:
        """Images of the rarest class (or answer) that is scored."""
        return int(min(mask.sum(axis=0)[self.scored].min() for mask in self.answers))

    @cached_property
    def strata(self) -> Indices:
        """(n,) the class of each image, or the rarest label that it has; labels that are too rare for a stratum count as none."""
        if not several(self.targets):
            return self.targets
        found = image_strata(self.targets)
        return np.where(np.bincount(found)[found] >= FOLDS, found, 0)


def scored_labels(dataset: Dataset) -> npt.NDArray[np.bool_]:
    """(classes,) which ones a metric counts: every class; labels with enough units with and without them for all folds.

    Others are learned and predicted too. Where no label has enough for five folds: those with as many as the best one has.
    """
    return _pool(dataset).scored


def plan_splits(dataset: Dataset, seed: int, pool_val: bool = False) -> SplitPlan:
    """What is trained on, validated on and sealed.

    The user's own `test` is sealed; else a fifth, if at least 100 images of the rarest class remain; it depends on the
    data alone, so that every run seals the same images. The user's own `val` is the one hold-out, and nothing is sealed
    beside it, unless `pool_val`. Otherwise five stratified folds, repeated three times below 500 images; three hold-outs
    with different seeds where a fold would hold 2,000 or more. Units (see `units_of`) are never broken. Where images may have
    several labels, each counts for the rarest one that it has; labels too rare to be scored are not looked at.

    Raises:
        DataError: a class comes from one group only, so that it cannot be both trained on and validated on.
    """
    notes: list[str] = [*prevalence_notes(dataset)]
    whole = _pool(dataset)
    notes += [*_apart_notes(dataset, whole.units), *_rare_notes(whole)]
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

    Where the training part is too small for that, `split` itself: then what is chosen is also judged there. Of very many
    images a part is held out, enough to choose by, with the classes in proportion.
    """
    whole = _pool(dataset)
    pool = whole.at(_rows(np.isin(whole.indices, split.train)))
    seed = _seed(split.seed, "inner")
    try:
        folds = _folds_or_fewer(pool, seed)
    except DataError:
        return split
    found = _split(pool, "inner", split.repeat, split.fold, seed, folds == 0)
    return replace(found, validation=_some(pool.at(_rows(folds == 0)), SCREENED_ON, seed))


def _some(pool: _Pool, most: int, seed: int) -> tuple[int, ...]:
    """At most about so many images of each stratum in proportion, drawn at random: single ones, because none is trained on."""
    if len(pool.indices) <= most:
        return _plain(pool.indices)
    generator, found = np.random.default_rng(seed), []
    for stratum in np.unique(pool.strata):
        members = generator.permutation(_rows(pool.strata == stratum))
        found.append(members[: max(1, round(len(members) * most / len(pool.indices)))])
    return _plain(pool.indices[np.sort(np.concatenate(found))])


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


def first_part(dataset: Dataset, plan: SplitPlan, share: float) -> tuple[int, ...]:
    """About a `share` of the images that are not sealed: whole units (see `units_of`), the classes in proportion.

    Returns:
        ascending indices; none where a split would have fewer than `LEAST_TO_JUDGE` images of some class to be judged by.
    """
    whole = _pool(dataset)
    pool = whole.at(_rows(np.isin(whole.indices, plan.pool)))
    part = pool.at(_rows(_places(pool, _seed(plan.seed, "first rung")) <= share))
    judged = (part.at(_rows(np.isin(part.indices, split.validation))) for split in plan.splits)
    enough = all(len(one.indices) and one.rarest >= LEAST_TO_JUDGE for one in judged)
    return _plain(part.indices) if enough else ()


def within(split: Split, indices: Sequence[int]) -> Split:
    """The part of `split` that lies in `indices`, under its own name."""
    kept = frozenset(indices)
    train, validation = (tuple(one for one in part if one in kept) for part in (split.train, split.validation))
    return replace(split, train=train, validation=validation)


def _places(pool: _Pool, seed: int) -> npt.NDArray[np.float64]:
    """(n,) 0..1: where the middle of each image's unit lies among all images of its class, units in random order."""
    of_image = np.unique(pool.units, return_inverse=True)[1]
    counts = np.zeros((int(of_image.max()) + 1, int(pool.strata.max()) + 1), dtype=np.int64)
    np.add.at(counts, (of_image, pool.strata), 1)
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


def _crossed(count: int, part: str) -> Note:
    return Note(
        f"{count:,} training images share a patient (the same name in the patient column of both), equal bytes or nearly the same"
        f" picture with your own {part}: scores there are flattered, and are no evidence for new images. Remove these images from"
        " one side, or give different patients different names.",
        Weight.SPOILS,
    )


def _apart_notes(dataset: Dataset, units: Indices) -> list[str]:
    """A sentence about lookalikes that may lie on two sides of a split, where there are any."""
    apart = left_apart(dataset, units)
    if not apart:
        return []
    after = (
        " may lie on two sides of a split, where scores are then flattered: kept together they would be more than a fifth of a"
        " class outside the test set. If images come in series, such as the frames of a video, name the series in a table's"
        " column: --group COLUMN."
    )
    return [placed(f"{len(apart):,} pairs of near-duplicates", f"such as {table_rows(*apart[0])}", after, Weight.SPOILS)]


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
    """(n,) each image's fold: five, or as many as give every fold images of every class (of labels: of every scored one).

    Raises:
        DataError: not even two folds do.
    """
    units = dict(enumerate(pool.held.tolist()))
    fewest = min(units[label] for label in _plain(_rows(pool.scored)))
    if several(pool.targets) and max(units.values()) > 1:
        fewest = max(2, fewest)  # one label is no reason to give up all others: it counts in the folds that have it
    for count in range(min(FOLDS, fewest), 1, -1):
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
    """(n,) folds 0..count-1 with every class in each, or None when no attempt gave such folds.

    Of several labels: every scored one with its yes and its no, as far as any attempt gave that.
    """
    best, least = None, None
    if len(np.unique(pool.units)) < count:
        return None
    for attempt in range(_ATTEMPTS):
        folds = _assign(pool, count, _seed(seed, f"attempt/{attempt}"))
        lacking = sum(int((~holding(mask, folds, count)[:, pool.scored]).sum()) for mask in pool.answers)
        if not lacking:
            return folds
        if several(pool.targets) and (least is None or lacking < least):
            best, least = folds, lacking
    return best


def _assign(pool: _Pool, count: int, seed: int) -> Indices:
    """One draw. Units of about one image, or very many small ones, are dealt like images, by the class of their first;
    others need the way that balances groups, which takes time in proportion to their number and is exact."""
    first, sizes = np.unique(pool.units, return_index=True, return_counts=True)[1:]
    folds = np.empty(len(pool.units), dtype=np.int64)
    single = sizes.mean() < 1.05 and sizes.max() <= max(2, len(pool.units) // 200)
    if single or (len(sizes) > _MANY_UNITS and sizes.max() <= len(pool.units) // 500):
        by_unit = np.empty(int(pool.units.max()) + 1, dtype=np.int64)
        strata = pool.strata[first]
        dealt = min(count, int(np.bincount(strata).max()))
        for fold, (_, rows) in enumerate(_kfold(dealt, seed).split(first, strata)):
            by_unit[pool.units[first[rows]]] = fold
        return by_unit[pool.units]
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(pool.strata, pool.strata, pool.units)):
        folds[rows] = fold
    return folds


def _kfold(count: int, seed: int) -> StratifiedKFold:
    return StratifiedKFold(count, shuffle=True, random_state=seed)


# Units ---------------------------------------------------------------------------------------------------------------


def _pool(dataset: Dataset) -> _Pool:
    targets, count = dataset.targets(), len(dataset.classes)
    whole = _Pool(np.arange(len(targets)), targets, units_of(dataset), dataset.classes, np.ones(count, dtype=bool))
    if not dataset.several:
        return whole
    held = whole.at(_rows(np.array([sample.part != "test" for sample in dataset.samples]))).held
    return replace(whole, scored=held >= max(1, min(FOLDS, held.max())))


def _rare_notes(pool: _Pool) -> list[str]:
    """A sentence about labels that no metric counts, where there are any."""
    rare = [f"{name} ({held})" for name, held, scored in zip(pool.classes, pool.held, pool.scored, strict=True) if not scored]
    if not rare:
        return []
    return [
        Note(
            f"Too rare to be scored: {listed(rare)}: fewer than {FOLDS} images or groups with the label, or without it. They"
            " are learned and predicted, but no metric counts them."
        )
    ]


def _rows(mask: npt.NDArray[np.bool_]) -> Indices:
    return np.flatnonzero(mask).astype(np.int64)


def _plain(indices: Indices) -> tuple[int, ...]:
    return tuple(int(index) for index in indices)


def _seed(*parts: object) -> int:
    """A 31-bit seed that depends on every part, in order."""
    return int(digest([str(part) for part in parts], 8), 16) & 0x7FFFFFFF
