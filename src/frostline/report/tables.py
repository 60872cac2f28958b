"""The rows of the page's tables as values."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.report.facts import RunFacts
from frostline.report.numbers import big, clock, metric_name, points, score, score_range
from frostline.report.ranking import mark
from frostline.report.words import claim_lead, claim_sentence, recipe_words
from frostline.terms.quantities import count, duration, plural
from frostline.terms.settings import Settings
from frostline.terms.verdict import Claim, Row, Score, Verdict

COLUMNS = ("", "recipe", "score", "interval", "family", "folds", "time", "trained", "MACs", "status", "configuration, note")


@dataclass(frozen=True)
class Cell:
    """A cell of the ranked table: what is shown, and what it is sorted by."""

    text: str
    key: str
    kind: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the ranked table."""

    status: str
    words: str
    cells: tuple[Cell, ...]


def several_backbones(verdict: Verdict) -> bool:
    return len({row.backbone for row in verdict.rows if row.backbone}) > 1


def line_of(row: Row, several: bool) -> Line:
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
        Cell(row.family, row.family),
        Cell(str(row.folds or ""), _key(row.folds), "number"),
        Cell(clock(row.seconds) if row.seconds else "", _key(row.seconds), "number"),
        Cell(big(row.trained_parameters) if row.trials else "", _key(row.trained_parameters), "number"),
        Cell(big(row.flops) if row.flops else "", _key(row.flops), "number"),
        Cell(row.status.replace("-", " "), row.status),
        Cell(extra, extra, "small"),
    )
    return Line(row.status, recipe_words(row.recipe, row.family), cells)


def _key(value: float | None) -> str:
    """What a number is sorted by; empty sorts last."""
    return "" if value is None or value != value else repr(float(value))


def claim_cells(claim: Claim, verdict: Verdict) -> tuple[str, str, str, str]:
    """(verdict word, what is claimed, the sentence, the small print)."""
    compared = claim.comparison
    detail = ""
    if compared is not None:
        parts = [
            f"probability {compared.probability:.3f} that it is above zero",
            f"{compared.within:.3f} that it is within ±{points(verdict.delta, verdict.metric)}",
            plural(compared.units, compared.unit) if compared.units else "",
            plural(len(compared.folds), "fold") if compared.folds else "",
            *compared.assumptions,
        ]
        detail = "; ".join(part for part in parts if part)
    return claim.verdict.value, claim_lead(claim), claim_sentence(claim, verdict.metric, verdict.delta), detail


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
