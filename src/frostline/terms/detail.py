"""What stands beside the primary metric: further measures, operating points, calibration, patients and subgroups."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.terms.interval import Interval

SEALED, OUT_OF_FOLD = "sealed-test", "out-of-fold"


@dataclass(frozen=True)
class Measure:
    """One number of one model.

    Attributes:
        name: `auroc`, `balanced-accuracy`, `accuracy`, `majority` (accuracy of always saying the training side's most
            frequent class), `log-loss`, `brier`, `calibration-error`, `auprc`, `recall`, `precision`, `sensitivity`,
            `specificity` or, of several labels an image, `average-precision` (the mean over labels). Of log-loss, Brier and
            calibration error lower is better.
        interval: None where it is not defined; then `note` says why.
        over: `folds`: computed in every fold and averaged; `images`: over all images together (averaged over repeats).
        of: the class it is about; empty for all.
    """

    name: str
    interval: Interval | None
    over: str
    of: str = ""
    note: str = ""


@dataclass(frozen=True)
class OperatingPoint:
    """Two classes told apart at a threshold that was fixed without the images it is measured on.

    Attributes:
        rule: `youden` (largest sum of sensitivity and specificity) or `specificity` (most sensitive at `target` or above).
        target: the specificity that was aimed at on the training side.
        thresholds: of the positive class's probability; one for the sealed test, else one for each fold that has one.
        sensitivity, specificity: really reached.
        note: why there is none, or in how many folds.
    """

    rule: str
    target: float | None
    thresholds: tuple[float, ...]
    sensitivity: Interval | None
    specificity: Interval | None
    note: str = ""


@dataclass(frozen=True)
class ModelDetail:
    """One model's numbers.

    Attributes:
        name: `chosen`, `control` or `softmax-only`.
        units: whatever the bootstrap draws; `folds` is 1 on the sealed test.
        operating: empty unless there are two classes.
    """

    name: str
    recipe: str
    backbone: str
    images: int
    units: int
    folds: int
    measures: tuple[Measure, ...]
    operating: tuple[OperatingPoint, ...] = ()


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence.

    Attributes:
        low, high: the bin's edges.
        predictions: how many; an image counts once a repeat.
        confidence: their mean.
        observed: the share that came true.
    """

    low: float
    high: float
    predictions: int
    confidence: float
    observed: Interval


@dataclass(frozen=True)
class Reliability:
    """Bins of the probability of class `of`; of the most probable class, whichever it is, where `of` is empty."""

    of: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class PatientDetail:
    """The chosen recipe on groups (patients): the mean probability of a group's images against the group's label.

    Attributes:
        groups: how many were scored; `mixed`: how many were left out because their images have several labels.
    """

    groups: int
    mixed: int
    measures: tuple[Measure, ...]
    operating: tuple[OperatingPoint, ...] = ()


@dataclass(frozen=True)
class ClassDetail:
    """One class as the chosen recipe sees it: recall, precision, and AUROC against the rest.

    Where an image may have several labels, one of these: AUROC, average precision (`auprc`) and calibration error, its own
    operating points, its calibration, and its scores by patient.

    Attributes:
        images: that have it. known: images of which it is known whether they do, None for all.
        reliability: of its probability; None where there are no several labels, or it was not scored.
        patients: of the label; None where the user named no groups of several images.
    """

    name: str
    images: int
    measures: tuple[Measure, ...]
    known: int | None = None
    operating: tuple[OperatingPoint, ...] = ()
    reliability: Reliability | None = None
    patients: PatientDetail | None = None


@dataclass(frozen=True)
class Subgroup:
    """One value of a column; `measures` is empty where the images are too few, which `note` says."""

    value: str
    images: int
    units: int
    measures: tuple[Measure, ...]
    note: str = ""


@dataclass(frozen=True)
class Subgroups:
    """All values of one column of the user's table; `missing`: images whose cell is empty."""

    column: str
    values: tuple[Subgroup, ...]
    missing: int = 0


@dataclass(frozen=True)
class RankingCurve:
    """How one model ranks one class against the rest; on several folds the mean of the folds' curves, never pooled ones.

    Attributes:
        model: as `ModelDetail.name`.
        of: the class.
        roc: (false positive rate, true positive rate) pairs; precision: (recall, precision) pairs.
        share: of the class among the images: what precision is without any skill.
    """

    model: str
    of: str
    roc: tuple[tuple[float, float], ...]
    precision: tuple[tuple[float, float], ...]
    share: float


@dataclass(frozen=True)
class Detail:
    """All of it, for one verdict.

    Attributes:
        how: `sealed-test` or `out-of-fold`.
        unit: what the bootstrap drew, as `Comparison.unit`.
        positive: the class that sensitivity is about; empty unless there are two classes.
        models: the chosen recipe first.
        confusion: (true class, said class) -> images of the chosen recipe, averaged over repeats.
        patients: None where the user named no groups of several images.
        several: an image may have several labels: `per_class` holds these, each with its calibration and its patients; there is
            no confusion and no reliability of all together.
    """

    how: str
    unit: str
    classes: tuple[str, ...]
    positive: str
    models: tuple[ModelDetail, ...]
    per_class: tuple[ClassDetail, ...]
    confusion: tuple[tuple[float, ...], ...]
    reliability: Reliability
    patients: PatientDetail | None = None
    subgroups: tuple[Subgroups, ...] = ()
    notes: tuple[str, ...] = ()
    rankings: tuple[RankingCurve, ...] = ()
    several: bool = False
