"""Samples, labels, groups and the folds made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.terms.look import Look

YES, NO, UNKNOWN = 1, 0, -1  # the answers to "does this image have this label?"
SEVERAL = -1  # `Sample.label` where an image may have several labels

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """One image.

    Attributes:
        path: relative to the data set's root, with forward slashes.
        label: index into `Dataset.classes`; `SEVERAL` where an image may have several of them.
        answers: then `YES`, `NO` or `UNKNOWN` for each of the classes; else empty.
        group: what must not be broken by a split (a patient); None where nothing was said.
        part: the user's own split: `train`, `val`, `test`, or None.
        digest: SHA-256 of the file's bytes, shortened.
        subgroups: (column, value) pairs of the table, by which scores are also shown; no part of the fingerprint, because
            nothing is split or trained by them.
    """

    path: str
    label: int
    group: str | None = None
    part: str | None = None
    digest: str = ""
    subgroups: tuple[tuple[str, str], ...] = ()
    answers: tuple[int, ...] = ()

    @property
    def has(self) -> tuple[int, ...]:
        """Indices of the classes that it has: one, or where it may have several any number of them."""
        return tuple(one for one, answer in enumerate(self.answers) if answer == YES) if self.answers else (self.label,)


@dataclass(frozen=True)
class Dataset:
    """Ordered samples; decoding is lazy and happens elsewhere.

    Attributes:
        root: the folder that sample paths are relative to.
        samples: ordered by path: the order of the folder listing never matters.
        classes: names, sorted, of two a named positive one last; where an image may have several of them they are its labels.
        fingerprint: of paths, file digests, labels, groups, parts and class names.
        lookalikes: pairs of samples with different bytes and nearly the same picture, the most alike first.
        notes: what a user should know (duplicates, groups found, files left out).
        looks: what was seen of each sample, or why it cannot be decoded; empty where nobody looked.
    """

    root: str
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    lookalikes: tuple[tuple[int, int], ...] = ()
    looks: tuple[Look | str, ...] = field(default=(), compare=False, repr=False)

    @property
    def grouped(self) -> bool:
        return any(sample.group is not None for sample in self.samples)

    @property
    def several(self) -> bool:
        """Whether an image may have several labels: each is then a question of its own."""
        return any(sample.answers for sample in self.samples)

    def targets(self) -> Targets:
        """(N,) the class of each sample; or (N, classes) 1, 0 and NaN for not known, where it may have several.

        Everything between here and a loss or a metric treats both alike: rows are images.
        """
        if not self.several:
            return np.asarray([sample.label for sample in self.samples], np.int64)
        answers = np.asarray([sample.answers for sample in self.samples], np.float32)
        return np.where(answers == UNKNOWN, np.nan, answers)


def in_words(sample: Sample, classes: Sequence[str]) -> str:
    """Its class, or its labels with bars between them; `none` where it has none of them."""
    return "|".join(classes[one] for one in sample.has) or "none"


@dataclass(frozen=True)
class Split:
    """Indices into `Dataset.samples` for training and for validation: disjoint, no group in both.

    Attributes:
        name: unique in its run: `r0f3` is fold 3 of repeat 0, `val` the user's own hold-out, `h1` hold-out 1.
    """

    name: str
    repeat: int
    fold: int
    seed: int
    train: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class SplitPlan:
    """All folds of a run and what is sealed.

    Attributes:
        kind: `folds`, `repeated-folds`, `hold-outs`, `own-validation`.
        splits: in the order in which a search uses them; the first is the common fold of the screening.
        sealed: the test set's indices; empty where the data are too few for one.
        sealed_by: `user` (an own test folder), `rule` or `none`.
        seed: derived from the data's fingerprint and the run's seed for the folds; from the fingerprint alone for the seal.
        notes: sentences for the report: why no test set was sealed, which shift was seen.
    """

    kind: str
    splits: tuple[Split, ...]
    sealed: tuple[int, ...]
    sealed_by: str
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def pool(self) -> tuple[int, ...]:
        """Everything that is not sealed, ordered."""
        return tuple(sorted({i for split in self.splits for part in (split.train, split.validation) for i in part}))
