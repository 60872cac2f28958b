"""What a running search says of itself: events, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class PhaseStarted:
    """A part of the search began.

    Attributes:
        total: how many units it will take, None where that is not known.
        unit: what is counted: `images`, `trials`, ...
    """

    name: str
    total: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class Progressed:
    """`done` units of a phase are finished, since its start."""

    name: str
    done: int


@dataclass(frozen=True)
class PhaseEnded:
    """A phase is over; `note` is one sentence or empty; not `finished` where it was stopped or failed."""

    name: str
    seconds: float
    note: str = ""
    finished: bool = True


@dataclass(frozen=True)
class TrialFinished:
    """One trial is finished.

    Attributes:
        score: of its best configuration, in the run's metric; None when it has none.
        seconds: that it alone took; 0 when its result was found in the run folder.
        rung: `full`, `screen-0`, ...
    """

    recipe: str
    family: str
    backbone: str
    score: float | None
    seconds: float
    configuration: str
    split: str
    rung: str


@dataclass(frozen=True)
class Ranked:
    """The ranking so far, best first: (recipe, family, mean score, folds) each."""

    rows: tuple[tuple[str, str, float, int], ...]


@dataclass(frozen=True)
class MetricChosen:
    """What every score that follows measures."""

    metric: str


@dataclass(frozen=True)
class Shared:
    """One sentence about work that several recipes share."""

    sentence: str


@dataclass(frozen=True)
class Remaining:
    """The estimate of what is left until the report is written."""

    seconds: float


Event: TypeAlias = PhaseStarted | Progressed | PhaseEnded | TrialFinished | Ranked | MetricChosen | Shared | Remaining
