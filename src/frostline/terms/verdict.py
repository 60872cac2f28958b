"""What is claimed, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from html import escape

from frostline.terms.detail import Detail
from frostline.terms.interval import Interval as Interval  # `detail` needs it too: it is the same name from both homes

SCHEMA_VERSION = 1
IMAGE, GROUP, LIKE_IMAGES = "image", "group", "set of like images"

# What sentences of `Verdict.not_run` say of a recipe in quotes.
NOT_AT_FULL_SIZE, STOPPED_ON = "was not run at full size", "was stopped on fold"
STOPPED_IN_SCREENING = "was stopped while it was screened"


class Word(StrEnum):
    """The four things a claim can say."""

    HELPS = "helps"
    NO_DIFFERENCE = "no-practical-difference"
    HARMS = "harms"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Comparison:
    """Two recipes (or two rules for choosing one) on the same validation samples.

    Attributes:
        first, second: what is compared; the difference is first minus second.
        difference: with its interval, from the bootstrap over units.
        probability: that the difference is above zero.
        within: probability that it is within +-delta.
        unit: what the bootstrap drew: `image`, `group` (such as a patient), or `set of like images` (copies and near-duplicates).
        units: how many of them.
        folds: names of the splits that both were run on.
        assumptions: sentences.
    """

    first: str
    second: str
    difference: Interval
    probability: float
    within: float
    unit: str
    units: int
    folds: tuple[str, ...]
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One of the closed list `pretraining-helps`, `tuning-beats-freezing`, `stage-NAME-worth-transferring`, `source-A-beats-B`.

    Attributes:
        needed_images: validated ones, with which four of five runs would decide an undetermined claim if the true difference
            were the measured one; or None: then `reason` says why.
    """

    claim: str
    verdict: Word
    comparison: Comparison | None
    needed_images: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A recipe's line in the ranked table and in `results.csv`.

    Attributes:
        score: mean over the folds it was run on, of its best configuration, corrected for having chosen that configuration;
            None when it has no finished full trial.
        folds: how many folds at full size; `screened` the score on the screening rungs, not comparable with `score`.
        seconds: of all its trials.
        status: `chosen`, `tied`, `control`, `screened`, `not-run`, `failed` or `done`.
        note: one sentence: why it was not run, what failed.
    """

    recipe: str
    family: str
    backbone: str
    metric: str
    score: Interval | None
    trials: int
    folds: int
    seconds: float
    trained_parameters: int
    status: str
    configuration: str = ""
    flops: int = 0
    screened: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Score:
    """The score that is reported for the chosen recipe.

    Attributes:
        how: `sealed-test`, `hold-out-corrected` or `cross-validation`.
        images: how many it was measured on.
    """

    metric: str
    interval: Interval
    how: str
    images: int


@dataclass(frozen=True)
class Verdict:
    """The decision and its claims.

    Attributes:
        chosen: the row of the recipe to use.
        control: the row of the best control, None when no control finished.
        tied: recipes (as lines) that the evidence does not distinguish from the chosen one.
        delta: differences up to this are of no practical interest, in the metric's unit.
        first_words: what must be said before all else: *raw pixels do as well*; usually empty.
        seconds: of all starts of the run, as far as they were written down.
        not_run: sentences about what time or memory did not allow.
        test: name -> score of refitted models on the sealed test set (`chosen`, `control`, `softmax-only`).
        interim: the search is not finished; the test set is sealed still.
        detail: what stands beside the primary metric; None in an interim verdict.
    """

    metric: str
    delta: float
    chosen: Row
    control: Row | None
    score: Score
    claims: tuple[Claim, ...]
    tied: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)
    smallest_detectable_difference: float | None
    seconds: float
    test_opened_at: str | None = None
    first_words: str = ""
    not_run: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    test: dict[str, Score] = field(default_factory=dict)
    interim: bool = False
    detail: Detail | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """How it shows itself in a notebook."""
        value, low, high = (
            f"{one:.3f}" for one in (self.score.interval.value, self.score.interval.low, self.score.interval.high)
        )
        rows = "".join(_claim_row(claim) for claim in self.claims)
        return (
            f"<p><b>{escape(self.chosen.recipe)}</b> on {escape(self.chosen.backbone)}: {escape(self.score.metric)} {value}"
            f" (95 % interval {low} to {high}, {escape(self.score.how)}, {self.score.images:,} images)</p>"
            f"<table><tr><th>claim</th><th>verdict</th><th>difference</th><th>95 % interval</th></tr>{rows}</table>"
        )


def _claim_row(claim: Claim) -> str:
    found = claim.comparison and claim.comparison.difference
    numbers = (f"{found.value:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}") if found else ("", escape(claim.reason))
    cells = (escape(claim.claim), claim.verdict.value, *numbers)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
