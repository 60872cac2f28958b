"""What was decided before the first result: so that nobody, the user included, can fit the question to the answer."""

from __future__ import annotations

from dataclasses import dataclass

RULE = (
    "the simplest recipe whose mean, on the folds of the best one, is at most delta below it; where the best one is a control, on"
    " the folds of the best that may be handed over; simplest by family, then trained parameters, then inference FLOPs, then the"
    " order in which backbones were given; no control but scratch; where a control leads by more than delta, the best that may be"
    " handed over"
)
FIRST_LOOK = (
    "when all frozen-trunk recipes have run on a part of the images that comes first: an interim look, after which a recipe is"
    " left out whose 95 % interval lies more than delta below another one of its family that trains no fewer parameters"
)
CHECKPOINTS = ("when all frozen-trunk recipes have run on all folds", "when the finalists have run")


@dataclass(frozen=True)
class Registration:
    """The plan of a run, written to `plan.json` before its first trial.

    Attributes:
        fingerprint: of the data; `images`, `sealed`: how many there are, and how many of them no decision looks at.
        backbones: `NAME DIGEST` of each.
        recipes: lines, each with its backbone's name behind it where it has one.
        delta: None: .01 in the metric's unit, at most a quarter of what the best still lacks.
        specificity, subgroups: of what is described beside the primary metric.
        sure: probability that a claim needs; claims on stages share their risk of error by Holm's procedure.
        splits: SHA-256 of `splits.csv`.
        checkpoints: when claims are looked at; the sealed test set is opened once, after the last.
    """

    frostline: str
    fingerprint: str
    images: int
    sealed: int
    backbones: tuple[str, ...]
    recipes: tuple[str, ...]
    metric: str
    delta: float | None
    sure: float
    seed: int
    splits: str
    specificity: float
    subgroups: tuple[str, ...] = ()
    rule: str = RULE
    checkpoints: tuple[str, ...] = CHECKPOINTS
