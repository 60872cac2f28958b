"""The same predictions seen by patient, and by what the user's table says about the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import Units, units_of
from frostline.stats.measures import Quantity, Rows, estimate
from frostline.stats.pool import Truth
from frostline.stats.strata import holding
from frostline.terms.detail import Subgroup, Subgroups
from frostline.terms.quantities import plural, plural_of

Array = npt.NDArray[Any]

FEWEST = 10  # units of every class, or a subgroup gets no number


@dataclass(frozen=True, eq=False)
class ByGroup:
    """Predictions of groups: `repeats` and `truth` name groups instead of images.

    Attributes:
        mixed: groups with several labels, left out.
    """

    repeats: tuple[Rows, ...]
    truth: Truth
    mixed: int


def by_group(repeats: Sequence[Rows], truth: Truth) -> ByGroup:
    """Every group with the mean probability of its images, which all have the group's one label.

    Args:
        truth: with patients, as integers from 0 on (`Truth.numbered`).

    Patients whose images are drawn together stay together.
    A group is never split over the folds of a repeat; where a user's own parts do so, it counts for the fold of its first
    image. A threshold for single images is used for their mean as well.
    """
    assert truth.patients is not None
    patients, shown = truth.patients, np.unique(np.concatenate([rows.images for rows in repeats]))
    lowest, highest = np.full(int(patients.max()) + 1, len(truth.classes)), np.full(int(patients.max()) + 1, -1)
    np.minimum.at(lowest, patients[shown], truth.labels[shown])
    np.maximum.at(highest, patients[shown], truth.labels[shown])
    mixed = (highest >= 0) & (lowest != highest)
    drawn = np.zeros(len(highest), dtype=int)
    drawn[patients] = truth.groups
    known = Truth(np.maximum(highest, 0), drawn, truth.classes, np.arange(len(highest)))
    grouped = tuple(_mean_of_groups(rows.where(~mixed[patients[rows.images]]), patients) for rows in repeats)
    return ByGroup(tuple(rows for rows in grouped if len(rows.images)), known, int(mixed.sum()))


def _mean_of_groups(rows: Rows, patients: Array) -> Rows:
    groups, first, inverse = np.unique(patients[rows.images], return_index=True, return_inverse=True)
    sums = np.zeros((len(groups), rows.probabilities.shape[1]))
    np.add.at(sums, inverse, rows.probabilities)
    means = sums / np.bincount(inverse, minlength=len(groups))[:, None]
    return Rows(groups, rows.labels[first], means, rows.fold[first], rows.majority[first], rows.thresholds[first])


def subgroups(
    repeats: Sequence[Rows],
    truth: Truth,
    columns: Mapping[str, Array],
    quantities: Sequence[Quantity],
    replicates: int = 1000,
    seed: int = 0,
) -> tuple[Subgroups, ...]:
    """The quantities for every value of every column, values sorted.

    Args:
        columns: name -> (N,) text for every image of the data set, empty where nothing is said.

    Descriptive: nothing is corrected for the number of looks, and two values whose intervals do not overlap are not compared.
    """
    return tuple(_column(name, cells, repeats, truth, quantities, replicates, seed) for name, cells in columns.items())


def _column(
    name: str, cells: Array, repeats: Sequence[Rows], truth: Truth, quantities: Sequence[Quantity], replicates: int, seed: int
) -> Subgroups:
    shown = np.unique(np.concatenate([rows.images for rows in repeats]))
    here = cells[shown]
    found = [
        _value(value, shown[here == value], repeats, truth, quantities, replicates, seed)
        for value in sorted(set(here.tolist()) - {""})
    ]
    return Subgroups(name, tuple(found), int((here == "").sum()))


def _value(
    value: str,
    images: Array,
    repeats: Sequence[Rows],
    truth: Truth,
    quantities: Sequence[Quantity],
    replicates: int,
    seed: int,
) -> Subgroup:
    units, own = units_of(images, truth), [rows.where(np.isin(rows.images, images)) for rows in repeats]
    if truth.several:
        return _of_labels(value, units, [rows for rows in own if len(rows.images)], truth, quantities, replicates, seed)
    counts = np.bincount(units.strata, minlength=len(truth.classes))
    few = [f"{plural(int(n), units.name)} of {truth.classes[one]}" for one, n in enumerate(counts) if n < FEWEST]
    if few:
        return Subgroup(value, len(images), units.count, (), f"too few: {', '.join(few)}; at least {FEWEST} are needed")
    measures = estimate([rows for rows in own if len(rows.images)], truth, quantities, replicates, seed)
    return Subgroup(value, len(images), units.count, measures)


def _of_labels(
    value: str,
    units: Units,
    repeats: Sequence[Rows],
    truth: Truth,
    quantities: Sequence[Quantity],
    replicates: int,
    seed: int,
) -> Subgroup:
    """Over those of several labels an image that enough units of the subgroup have, and have not."""
    targets = truth.labels[units.images]
    held = [holding(mask, units.of_image, units.count).sum(axis=0) for mask in (targets == 1, targets == 0)]
    enough = np.min(held, axis=0) >= FEWEST
    if not enough.any():
        few = f"too few: no label with at least {FEWEST} {plural_of(units.name)} that have it and that do not"
        return Subgroup(value, len(units.images), units.count, (), few)
    own = [dataclasses.replace(rows, labels=np.where(enough, rows.labels, np.nan)) for rows in repeats]
    note = f"mean over {int(enough.sum())} of {len(enough)} labels, the others are too rare here"
    return Subgroup(
        value,
        len(units.images),
        units.count,
        estimate(own, truth, quantities, replicates, seed),
        "" if enough.all() else note,
    )
