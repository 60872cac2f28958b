"""What a report knows about the run itself: counts, splits, versions, times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from frostline.terms.data import Dataset, SplitPlan


@dataclass(frozen=True)
class ClassCount:
    """Images of one class, as (part, count) pairs in the order of `RunFacts.parts`."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class FoldSize:
    """How many images a split trains on and validates on."""

    name: str
    train: int
    validation: int


@dataclass(frozen=True)
class StageFacts:
    """One stage: parameters, multiply-accumulates for one image, and the shape of what leaves it."""

    name: str
    parameters: int
    flops: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class NetworkFacts:
    """One backbone at the run's size.

    Attributes:
        forward_s: seconds an image of the whole trunk, as measured on this machine.
    """

    backbone: str
    forward_s: float
    stages: tuple[StageFacts, ...]


@dataclass(frozen=True)
class RunFacts:
    """All that the report shows beyond verdict, evidence and settings.

    Attributes:
        parts: the columns of the class table: `train`, `val`, `test` as the user gave them, or `search` and `sealed`.
        classes: one count for each of `parts`.
        groups: how many groups (patients) there are; None where nothing was said.
        notes: sentences about the data; `split_notes` about the splits.
        sealed: images in the sealed test set; `sealed_by`: `user`, `rule` or `none`.
        versions: (package, version) pairs.
        phases: (name, seconds) in order.
        command: what repeats this run, as typed in a shell.
        kernels: (what, choice) pairs: dtype, memory format, threads.
        cores: of the host.
        stages: (backbone, its stage names) pairs.
        networks: the backbones' anatomy; empty in runs of old.
        registered: (SHA-256 of plan.json, when it was written, before the first result); empty in runs of old.
        warnings: those of all notes that must be looked at before a score is believed, the worst first.
        counted: how many images there are, where each may have several labels or none; else None: as many as in all classes.
    """

    parts: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    groups: int | None
    notes: tuple[str, ...]
    split_kind: str
    folds: tuple[FoldSize, ...]
    sealed: int
    sealed_by: str
    split_notes: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]
    phases: tuple[tuple[str, float], ...]
    command: str
    kernels: tuple[tuple[str, str], ...]
    cores: int
    stages: tuple[tuple[str, tuple[str, ...]], ...] = ()
    registered: tuple[str, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    counted: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        return sum(item.total for item in self.classes) if self.counted is None else self.counted


def run_facts(
    dataset: Dataset,
    plan: SplitPlan,
    *,
    versions: tuple[tuple[str, str], ...],
    phases: tuple[tuple[str, float], ...],
    command: str,
    kernels: tuple[tuple[str, str], ...],
    cores: int,
    stages: tuple[tuple[str, tuple[str, ...]], ...] = (),
    registered: tuple[str, ...] = (),
    networks: tuple[NetworkFacts, ...] = (),
    warnings: tuple[str, ...] = (),
) -> RunFacts:
    """The facts of a run on `dataset`, split by `plan`; the rest is passed through."""
    parts, counts = class_counts(dataset, plan)
    groups = {sample.group for sample in dataset.samples if sample.group is not None}
    folds = tuple(FoldSize(split.name, len(split.train), len(split.validation)) for split in plan.splits)
    return RunFacts(
        parts=parts,
        classes=counts,
        groups=len(groups) if dataset.grouped else None,
        notes=dataset.notes,
        split_kind=plan.kind,
        folds=folds,
        sealed=len(plan.sealed),
        sealed_by=plan.sealed_by,
        split_notes=plan.notes,
        versions=versions,
        phases=phases,
        command=command,
        kernels=kernels,
        cores=cores,
        stages=stages,
        registered=registered,
        networks=networks,
        counted=len(dataset.samples) if dataset.several else None,
        warnings=warnings,
    )


def class_counts(dataset: Dataset, plan: SplitPlan) -> tuple[tuple[str, ...], tuple[ClassCount, ...]]:
    """(parts, a count for each class and part): the user's own parts where there are any, else search and sealed."""
    sealed = set(plan.sealed)
    own = any(sample.part is not None for sample in dataset.samples)
    found = [
        (label, (sample.part or "other") if own else ("sealed" if index in sealed else "search"))
        for index, sample in enumerate(dataset.samples)
        for label in sample.has
    ]
    order = ("train", "val", "test", "search", "sealed", "other")
    parts = tuple(part for part in order if any(part == name for _, name in found))
    table = Counter(found)
    counts = (ClassCount(name, tuple(table[(label, part)] for part in parts)) for label, name in enumerate(dataset.classes))
    return parts, tuple(counts)
