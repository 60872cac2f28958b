"""The rows of the page's tables as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from frostline.report.answers import backbone_of, stage_of
from frostline.report.drawing import recipe_drawing
from frostline.report.facts import RunFacts
from frostline.report.numbers import big, clock, metric_name, score, score_range, signed_points
from frostline.report.ranking import mark, status
from frostline.report.words import claim_sentence, recipe_words
from frostline.terms.quantities import count, duration, plural
from frostline.terms.settings import Settings
from frostline.terms.verdict import Claim, Row, Score, Verdict, Word

COLUMNS = ("", "recipe", "score", "interval", "folds", "time", "trained", "MACs", "status")
SHOWN_ROWS = 12  # of the ranked table, before the reader asks for all; the style sheet hides the others


@dataclass(frozen=True)
class Cell:
    """A cell of the ranked table: what is shown, what it is sorted by, and smaller words under it."""

    text: str
    key: str
    kind: str = ""
    below: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the ranked table.

    Attributes:
        words: the recipe said in words; `drawing` an SVG element.
    """

    status: str
    family: str
    words: str
    drawing: str
    cells: tuple[Cell, ...]


def several_backbones(verdict: Verdict) -> bool:
    return len({row.backbone for row in verdict.rows if row.backbone}) > 1


def line_of(row: Row, stages: dict[str, tuple[str, ...]], several: bool, folds: int = 0) -> Line:
    """The row of the table; `stages` are the stage names of each backbone, `folds` the most that any recipe was run on."""
    value = row.score
    recipe = f"{row.recipe}  [{row.backbone}]" if several and row.backbone else row.recipe
    shown = (
        score(value.value, row.metric) if value else f"({score(row.screened, row.metric)})" if row.screened is not None else ""
    )
    extra = "; ".join(text for text in (row.configuration, row.note) if text)
    cells = (
        Cell(mark(row), row.status, "mark"),
        Cell(recipe, recipe, "recipe"),
        Cell(shown, _key(value.value if value else None), "number"),
        Cell(score_range(value, row.metric) if value else "", _key(value.low if value else None), "number"),
        Cell(_folds(row.folds, folds), _key(row.folds), "number"),
        Cell(clock(row.seconds) if row.seconds else "", _key(row.seconds), "number"),
        Cell(big(row.trained_parameters) if row.trials else "", _key(row.trained_parameters), "number"),
        Cell(big(row.flops) if row.flops else "", _key(row.flops), "number"),
        Cell(status(row), row.status, "status", extra),
    )
    drawing = recipe_drawing(row.recipe, stages.get(row.backbone, ()))
    return Line(row.status, row.family, recipe_words(row.recipe, row.family), drawing, cells)


def _folds(own: int, most: int) -> str:
    """`15`, or `1 of 15`: an interval from fewer folds is wide, and tells little apart."""
    return "" if not own else f"{own} of {most}" if own < most else str(own)


def _key(value: float | None) -> str:
    """What a number is sorted by; empty sorts last."""
    return "" if value is None or value != value else repr(float(value))


@dataclass(frozen=True)
class ClaimLine:
    """A claim in cells: what it is about, the verdict's word, the numbers, and the whole sentence."""

    about: str
    word: str
    difference: str
    interval: str
    above: str
    within: str
    decide: str
    sentence: str


def claim_line(claim: Claim, verdict: Verdict) -> ClaimLine:
    compared, metric = claim.comparison, verdict.metric
    sentence = claim_sentence(claim, metric, verdict.delta)
    open_ = claim.verdict is Word.UNDETERMINED
    decide = (
        f"{count(claim.needed_images)} validated images" if claim.needed_images is not None else "cannot be said" if open_ else ""
    )
    if compared is None:
        return ClaimLine(claim_subject(claim), claim.verdict.value, "", "", "", "", decide, sentence)
    gap = compared.difference
    ends = f"{signed_points(gap.low, metric)} to {signed_points(gap.high, metric)}"
    above, within = f"{compared.probability:.3f}", f"{compared.within:.3f}"
    return ClaimLine(
        claim_subject(claim), claim.verdict.value, signed_points(gap.value, metric), ends, above, within, decide, sentence
    )


def claim_subject(claim: Claim, short: Mapping[str, str] = MappingProxyType({})) -> str:
    """`pre-training`, `tuning, not freezing`, `stage layer2`, `A, not B`: what the difference is the effect of.

    Args:
        short: names of stages for where there is little room.
    """
    plain = {"pretraining-helps": "pre-training", "tuning-beats-freezing": "tuning, not freezing"}
    if claim.claim in plain:
        return plain[claim.claim]
    if claim.claim.startswith("stage-"):
        backbone, stage = backbone_of(claim.claim), stage_of(claim.claim)
        stage = short.get(stage, stage)
        return f"{backbone.rpartition('/')[2]}: {stage}" if backbone else f"stage {stage}"
    first, _, second = claim.claim.removeprefix("source-").partition("-beats-")
    return f"{first}, not {second}" if second else claim.claim


def claim_basis(verdict: Verdict) -> tuple[str, ...]:
    """On what the claims rest, each said once."""
    compared = [claim.comparison for claim in verdict.claims if claim.comparison is not None]
    units = [f"{plural(one.units, one.unit)} in {plural(len(one.folds), 'fold')}" for one in compared if one.units]
    assumed = [sentence for one in compared for sentence in one.assumptions]
    return tuple(dict.fromkeys([*units, *assumed]))


def test_cells(name: str, value: Score, verdict: Verdict) -> tuple[str, str, str, str]:
    """(which model, score, interval, images)."""
    named = {"chosen": "the chosen recipe", "control": "the best control", "softmax-only": "softmax only"}
    return (
        named.get(name, name),
        score(value.interval.value, value.metric),
        score_range(value.interval, value.metric),
        count(value.images),
    )


def asked(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The settings that shaped the run, as (what, value)."""
    return (
        ("data", settings.data),
        *((("test set", settings.test),) if settings.test is not None else ()),
        ("fingerprint", settings.fingerprint),
        ("backbones", ", ".join(settings.backbones)),
        ("image size", f"{settings.size} x {settings.size}"),
        ("metric", metric_name(settings.metric)),
        ("seed", str(settings.seed)),
        ("delta", "default" if settings.delta is None else str(settings.delta)),
        ("mirrored views", settings.flip),
        ("device", settings.device),
        ("learning curve", "yes" if settings.learning_curve else "no"),
        ("time limit", duration(settings.time_s) if settings.time_s else "none"),
        ("backend", settings.backend if settings.workers == 1 else f"{settings.backend}, {settings.workers} trials at a time"),
        *((("devices a trial", str(settings.devices_per_trial)),) if settings.devices_per_trial > 1 else ()),
    )


def split_pairs(facts: RunFacts) -> tuple[tuple[str, str], ...]:
    """The splits in a few pairs: their kind, their sizes, the sealed test set, the groups."""
    trains = sorted({fold.train for fold in facts.folds})
    held = sorted({fold.validation for fold in facts.folds})
    by = {"user": ", the user's own", "rule": ", set aside by rule"}.get(facts.sealed_by, "")
    return (
        ("images", count(facts.images)),
        ("groups", count(facts.groups) if facts.groups is not None else "none given"),
        ("splits", f"{len(facts.folds)}, {facts.split_kind.replace('-', ' ')}"),
        ("trained on, each", _span(trains)),
        ("validated on, each", _span(held)),
        ("sealed", f"{count(facts.sealed)} images{by}" if facts.sealed else "none"),
    )


def _span(sizes: list[int]) -> str:
    """`942 images` or `941 to 942 images`."""
    if not sizes:
        return "none"
    return f"{count(sizes[0])} images" if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])} images"
