"""How the error falls with the number of training images, and what that says of more images than there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from frostline.terms.verdict import Interval

CURVE = "curve"  # the rung of its trials: they take no part in the verdict
DIVISORS = (8, 4, 2, 1)  # of the training images of one fold
DRAWS = 3


class Overtaking(StrEnum):
    """Whether one recipe is better than another from some number of images on; nothing is said beyond twice the images."""

    ALWAYS = "ahead-at-every-size"
    WITHIN = "overtakes"
    BEYOND = "beyond-your-data"
    UNTOLD = "cannot-be-told"


@dataclass(frozen=True)
class SizePoint:
    """What was measured at one size.

    Attributes:
        images: trained on, the mean over the draws; error: the metric's best value minus the score.
    """

    images: float
    error: Interval
    draws: int


@dataclass(frozen=True)
class Law:
    """error = a + b images^-c: a is what no number of images removes."""

    a: float
    b: float
    c: float


@dataclass(frozen=True)
class BandPoint:
    """The fitted error at so many images."""

    images: float
    error: Interval


@dataclass(frozen=True)
class RecipeCurve:
    """One recipe over the sizes.

    Attributes:
        role: `frozen` (softmax-only), `scratch`, and `chosen`, or where one of these is chosen `tuned`, the best that tunes.
        points: smallest size first.
        law, band: None and empty where the points allow no fit; `reason` says why. The band ends at twice the images.
        doubling: what twice the images would add to the score, None without a fit.
        fall: error at the smallest size minus error at the largest, None with a single size.
    """

    role: str
    recipe: str
    family: str
    backbone: str
    configuration: str
    points: tuple[SizePoint, ...]
    law: Law | None = None
    band: tuple[BandPoint, ...] = ()
    doubling: Interval | None = None
    fall: Interval | None = None
    reason: str = ""


@dataclass(frozen=True)
class Crossing:
    """From how many images on the recipe of role `first` is better than that of role `second`.

    Attributes:
        images: only where `answer` is `overtakes`; never above twice the images.
    """

    first: str
    second: str
    answer: Overtaking
    images: Interval | None = None


@dataclass(frozen=True)
class LearningCurve:
    """Curves of some recipes, all scored on the same validation images, which no training part contains.

    Attributes:
        images: n, the training images of the fold; `validation` its validation images.
        unit: what the bootstrap drew of these, as `Comparison.unit`; units: how many.
        draws: of nested parts.
        notes: what did not fit into the time, how long parts were trained.
    """

    metric: str
    images: int
    validation: int
    unit: str
    units: int
    draws: int
    curves: tuple[RecipeCurve, ...]
    crossings: tuple[Crossing, ...] = ()
    notes: tuple[str, ...] = ()
