"""Whether the user's own parts differ: in how common the classes are, and in how the images look."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from frostline.terms.data import UNKNOWN, Dataset
from frostline.terms.finding import Note

if TYPE_CHECKING:
    from frostline.data.pixels import PixelStore

Floats = npt.NDArray[np.float64]

SURE = 3.29  # standard errors: two-sided p of .001, since several parts and classes are looked at
LEAST_SHIFT = 0.03  # of prevalence: smaller ones are of no consequence, however certain
LEAST_AUC = 0.6  # of telling the parts apart; .5 is chance
_FEWEST_IMAGES = 20  # of a class in a part
_MOST_IMAGES = 500
_THUMBNAIL = 10  # pixels: less detail than a diagnosis needs, enough for exposure, framing and borders
_PARTS = ("train", "val", "test")


def prevalence_notes(dataset: Dataset) -> list[Note]:
    """Sentences about classes whose share differs between train and another part of the user's own.

    A two-proportion z-test with pooled variance for each class; images are taken as independent, which grouped images
    are not, so that with groups a difference is said somewhat too easily. It does not say which part is the wrong one.
    """
    counts = {part: _Counts.of(dataset, part) for part in _PARTS}
    notes = []
    for part in ("val", "test"):
        shift = _largest_shift(counts["train"], counts[part], len(dataset.classes))
        if shift:
            label, here, there = shift
            said = (
                f"{dataset.classes[label]} is {here:.1%} of train and {there:.1%} of {part}: the parts were not drawn"
                " alike, so accuracy and calibration measured on one do not carry over to the other."
            )
            notes.append(Note(said))
    return notes


@dataclass(frozen=True)
class _Counts:
    """Of one part: images that have each class, and images of which it is known whether they do."""

    has: Counter[int]
    known: Counter[int]

    @classmethod
    def of(cls, dataset: Dataset, part: str) -> _Counts:
        samples = [sample for sample in dataset.samples if sample.part == part]
        has = Counter(label for sample in samples for label in sample.has)
        if not dataset.several:
            return cls(has, Counter(dict.fromkeys(range(len(dataset.classes)), len(samples))))
        known = (label for sample in samples for label, answer in enumerate(sample.answers) if answer != UNKNOWN)
        return cls(has, Counter(known))


def _largest_shift(train: _Counts, other: _Counts, classes: int) -> tuple[int, float, float] | None:
    """(label, share in train, share in the other part) of the class that moved most, if any moved."""
    moved = []
    for label in range(classes):
        if not train.known[label] or not other.known[label]:
            continue
        here, there, z = _shares(train, other, label)
        if abs(z) > SURE and abs(here - there) >= LEAST_SHIFT:
            moved.append((label, here, there))
    return max(moved, key=lambda item: abs(item[1] - item[2]), default=None)


def _shares(first: _Counts, second: _Counts, label: int) -> tuple[float, float, float]:
    """The class's share in both, and z of their difference."""
    n, m = first.known[label], second.known[label]
    a, b = first.has[label] / n, second.has[label] / m
    pooled = (first.has[label] + second.has[label]) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return a, b, (a - b) / error if error else 0.0


def appearance_notes(dataset: Dataset, store: PixelStore) -> list[Note]:
    """Sentences about parts whose images look unlike the training images of the same class.

    Within each class (over all images where each may have several labels) a ridge classifier learns to tell the two parts
    apart from thumbnails of 10 pixels and is scored (AUROC) on images that it has not seen; above .6, and surely above chance,
    it is said. Images are taken as independent. It sees gross differences (another exposure, framing or scanner); its silence
    does not mean that the parts are alike.
    """
    notes = []
    for part in ("val", "test"):
        among = [(None, "")] if dataset.several else [(label, f" of {name}") for label, name in enumerate(dataset.classes)]
        auc, which = max(((_separation(dataset, store, label, part), name) for label, name in among), default=(0.0, ""))
        if auc:
            said = (
                f"Images{which} in {part} look unlike those in train: a simple classifier of thumbnails tells the two"
                f" apart (AUROC {auc:.2f}; .50 is chance). Scores on {part} need not resemble those in cross-validation."
            )
            notes.append(Note(said))
    return notes


def _separation(dataset: Dataset, store: PixelStore, label: int | None, part: str) -> float:
    """AUROC of telling `part` from train in a class, or in all; 0 where it is not surely above chance, or images are few."""
    ours, theirs = _rows(dataset, label, "train"), _rows(dataset, label, part)
    if min(len(ours), len(theirs)) < _FEWEST_IMAGES:
        return 0.0
    auc = _held_out_auc(_thumbnails(store, ours), _thumbnails(store, theirs))
    # the rank-sum statistic's standard error when nothing separates the two
    error = math.sqrt((len(ours) + len(theirs) + 1) / (12 * len(ours) * len(theirs)))
    return auc if auc >= LEAST_AUC and (auc - 0.5) / error > SURE else 0.0


def _rows(dataset: Dataset, label: int | None, part: str) -> list[int]:
    """Up to 500 images of a class (or all) in a part, evenly spread."""
    rows = [index for index, sample in enumerate(dataset.samples) if label in (sample.label, None) and sample.part == part]
    return rows[:: max(1, -(-len(rows) // _MOST_IMAGES))]


def _thumbnails(store: PixelStore, rows: list[int]) -> Floats:
    from frostline.data.images import pixel_features  # torch is loaded only when pictures are looked at

    return pixel_features(store, rows, _THUMBNAIL).astype(np.float64)


def _held_out_auc(ours: Floats, theirs: Floats) -> float:
    """Mean AUROC over two halves, each scored by a ridge fitted on the other; features (n, pixels)."""
    found = []
    for half in (0, 1):
        weights = _ridge(ours[half::2], theirs[half::2])
        scores = np.concatenate([ours[1 - half :: 2] @ weights, theirs[1 - half :: 2] @ weights])
        found.append(auc(scores, len(ours[1 - half :: 2])))
    return float(np.mean(found))


def _ridge(ours: Floats, theirs: Floats) -> Floats:
    """(pixels,) weights of the least-squares discriminant; the ridge is a hundredth of the pixels' mean variance."""
    centred = np.concatenate([ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)])
    covariance = centred.T @ centred / len(centred)
    strength = 0.01 * float(np.trace(covariance)) / len(covariance) + 1e-9
    return np.linalg.solve(covariance + strength * np.eye(len(covariance)), theirs.mean(axis=0) - ours.mean(axis=0))


def auc(scores: Floats, firsts: int) -> float:
    """Probability that a score after the first `firsts` is above one of these; ties count half."""
    below, above = np.sort(scores[:firsts]), scores[firsts:]
    wins = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(wins.sum()) / (2 * firsts * len(above))
