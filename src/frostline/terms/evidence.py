"""Why the verdict is what it is: values that the report draws."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.terms.curve import LearningCurve
from frostline.terms.verdict import Interval


@dataclass(frozen=True)
class Probe:
    """How well a linear head does on the pooled features of one cut.

    Attributes:
        weights: `pretrained` or `random`.
        cut: its name; `depth` the share of the backbone's FLOPs up to it, 0..1; `stage` the stage it ends, or None inside one.
        score: mean over folds, of the best strength, with the interval from the folds.
    """

    backbone: str
    weights: str
    cut: str
    stage: str | None
    depth: float
    score: Interval


@dataclass(frozen=True)
class Fate:
    """What became of one stage (or of the head) in the exported model.

    Attributes:
        origin: `transferred` (then `source` is the digest of the weights it came from) or `random` (then `source` is the seed).
        trained: whether training changed it.
        moved: |w - w0| / |w0| over all its parameters, or None where nothing was there before.
        statistics_moved: the same for normalisation statistics, None where there are none.
    """

    name: str
    origin: str
    source: str
    trained: bool
    parameters: int
    moved: float | None = None
    statistics_moved: float | None = None


@dataclass(frozen=True)
class Rewind:
    """The final model with one stage put back to other weights, normalisation statistics estimated again.

    Attributes:
        to: `pretrained` or `random`.
        change: score after minus score before, in the metric's unit: negative means that the model got worse.
    """

    stage: str
    to: str
    change: Interval


@dataclass(frozen=True)
class Evidence:
    """All that the report needs beyond the verdict.

    Attributes:
        pixels: the best score of raw pixels, None where they were not run.
        rewinds: empty where nothing was put back.
        curve: None where none was asked for, or nothing could be trained on parts of the images.
    """

    metric: str
    probes: tuple[Probe, ...]
    pixels: Interval | None
    fates: tuple[Fate, ...]
    rewinds: tuple[Rewind, ...] = ()
    curve: LearningCurve | None = None
