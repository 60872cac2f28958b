"""Samples, labels, groups and the folds made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from frostline.terms.look import Look


@dataclass(frozen=True)
class Sample:
    """One image.

    Attributes:
        path: relative to the data set's root, with forward slashes.
        label: index into `Dataset.classes`.
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


@dataclass(frozen=True)
class Dataset:
    """Ordered samples; decoding is lazy and happens elsewhere.

    Attributes:
        root: the folder that sample paths are relative to.
        samples: ordered by path: the order of the folder listing never matters.
        classes: names, sorted.
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
