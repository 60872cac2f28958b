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
class RecipeFinished:
    """A recipe has all the results that it gets for now.

    Attributes:
        score: mean over the folds of its best configuration, in the run's metric; None when it has none.
        folds: how many; 0: it was screened only, on smaller or fewer images.
        seconds: of all its trials; 0 when they were found in the run folder.
    """

    recipe: str
    family: str
    backbone: str
    score: float | None
    folds: int
    seconds: float


@dataclass(frozen=True)
class RankedRow:
    """A recipe with its mean score over so many folds."""

    recipe: str
    family: str
    backbone: str
    score: float
    folds: int


@dataclass(frozen=True)
class Ranked:
    """The ranking so far, best first."""

    rows: tuple[RankedRow, ...]


@dataclass(frozen=True)
class MetricChosen:
    """What every score that follows measures."""

    metric: str


@dataclass(frozen=True)
class BackboneLoaded:
    """A backbone with the stages that its recipes name."""

    backbone: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Shared:
    """One sentence about work that several recipes share."""

    sentence: str


@dataclass(frozen=True)
class Warned:
    """One sentence that nobody should miss: scores may be flattered, or the time is too short."""

    sentence: str


@dataclass(frozen=True)
class Sharing:
    """Activations that are there now, and who does not compute them again.

    Attributes:
        what: which, such as `pre-trained resnet18 at 224 px`.
        cuts: after how many cuts they were kept; images: of how many images.
        trials: how many trials are served by them; recipes: of how many recipes.
        stored_bytes: that they take.
    """

    what: str
    cuts: int
    images: int
    trials: int
    recipes: int
    stored_bytes: int


@dataclass(frozen=True)
class Remaining:
    """The estimate of what is left until the report is written."""

    seconds: float


Event: TypeAlias = (
    PhaseStarted
    | Progressed
    | PhaseEnded
    | TrialFinished
    | RecipeFinished
    | Ranked
    | MetricChosen
    | BackboneLoaded
    | Shared
    | Warned
    | Sharing
    | Remaining
)
