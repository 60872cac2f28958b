"""Whether the user's own parts differ: in how common the classes are, and in how the images look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from frostline.terms.data import Dataset

if TYPE_CHECKING:
    from frostline.data.pixels import PixelStore

SURE = 3.29  # standard errors: two-sided p of .001, since several parts and classes are looked at
LEAST_SHIFT = 0.03  # of prevalence: smaller ones are of no consequence, however certain
LEAST_LOOKS = 0.5  # standard deviations between the parts' mean brightness or contrast, within a class
_LOOKED_AT = 500
_PARTS = ("train", "val", "test")


def prevalence_notes(dataset: Dataset) -> list[str]:
    """Sentences about classes whose share differs between train and another part of the user's own.

    A two-proportion z-test with pooled variance for each class; images are taken as independent, which grouped images
    are not, so that with groups a difference is said somewhat too easily. It does not say which part is the wrong one.
    """
    counts = {part: Counter(s.label for s in dataset.samples if s.part == part) for part in _PARTS}
    notes = []
    for part in ("val", "test"):
        shifts = [
            (label, *_shares(counts["train"], counts[part], label)) for label in range(len(dataset.classes))
        ] if counts["train"] and counts[part] else []  # fmt: skip
        told = [(label, a, b) for label, a, b, z in shifts if abs(z) > SURE and abs(a - b) >= LEAST_SHIFT]
        if told:
            label, here, there = max(told, key=lambda item: abs(item[1] - item[2]))
            notes.append(
                f"{dataset.classes[label]} is {here:.1%} of train and {there:.1%} of {part}: the parts were not drawn alike,"
                f" so accuracy and calibration measured on one do not carry over to the other."
            )
    return notes


def _shares(first: Counter[int], second: Counter[int], label: int) -> tuple[float, float, float]:
    """The class's share in both, and z of their difference."""
    n, m = first.total(), second.total()
    a, b = first[label] / n, second[label] / m
    pooled = (first[label] + second[label]) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return a, b, (a - b) / error if error else 0.0


def appearance_notes(dataset: Dataset, store: PixelStore) -> list[str]:
    """Sentences about parts whose images look unlike the training images of the same class.

    Compares the mean over images of brightness and of contrast (standard deviation of the pixels), class by class, in
    standard deviations of the training images; at most 500 images a class and part. It sees gross differences
    (another scanner, another exposure), and its silence does not mean that the parts are alike.
    """
    notes = []
    for part in ("val", "test"):
        worst: tuple[float, str, str] | None = None
        for label, name in enumerate(dataset.classes):
            ours, theirs = _looks(dataset, store, label, "train"), _looks(dataset, store, label, part)
            if min(len(ours), len(theirs)) < 2:
                continue
            for column, what in enumerate(("brightness", "contrast")):
                effect, z = _effect(ours[:, column], theirs[:, column])
                if abs(effect) >= LEAST_LOOKS and abs(z) > SURE and (worst is None or abs(effect) > abs(worst[0])):
                    worst = (effect, what, name)
        if worst:
            effect, what, name = worst
            notes.append(
                f"Images of {name} in {part} look unlike those in train: their {what} differs by {abs(effect):.1f} standard"
                " deviations. Scores there need not resemble scores in cross-validation."
            )
    return notes


def _looks(dataset: Dataset, store: PixelStore, label: int, part: str) -> npt.NDArray[np.float64]:
    """(n, 2): brightness and contrast of up to 500 evenly spread images of a class in a part."""
    rows = [i for i, sample in enumerate(dataset.samples) if sample.label == label and sample.part == part]
    return _measure(store, rows[:: max(1, -(-len(rows) // _LOOKED_AT))])


def _measure(store: PixelStore, rows: Sequence[int]) -> npt.NDArray[np.float64]:
    measured = [(store.pixels[row].mean(), store.pixels[row].std()) for row in rows]
    return np.array(measured, dtype=np.float64).reshape(-1, 2)


def _effect(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Difference of means in standard deviations of the first, and Welch's z."""
    difference = float(theirs.mean() - ours.mean())
    spread = float(ours.std(ddof=1))
    error = math.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs))
    return (difference / spread if spread else 0.0), (difference / error if error else 0.0)
