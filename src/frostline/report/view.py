"""Everything on the page as values; the template only displays them."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.errors import RecipeError
from frostline.report import answers
from frostline.report.charts import ClaimMark, claims_picture, cost_picture, depth_picture
from frostline.report.costs import FrontLine, cost_answer, costed, front_lines
from frostline.report.details import DetailSection, detail_section, which_number
from frostline.report.drawing import legend, recipe_drawing
from frostline.report.facts import RunFacts
from frostline.report.figures import (
    NARROW_LABEL,
    Mark,
    Picture,
    ProbeLine,
    ProbePanel,
    curve_picture,
    help_picture,
    probe_picture,
    ranked_picture,
)
from frostline.report.methods import methods
from frostline.report.more_images import curve_answer, curve_lines
from frostline.report.numbers import UNBOUNDED, big, metric_name, points, score, score_range, signed_points
from frostline.report.ranking import MARKS, is_control, meanings, ranked
from frostline.report.short import short_backbones, short_recipes, short_stages
from frostline.report.stages import StageLine, stage_lines
from frostline.report.tables import (
    COLUMNS,
    SHOWN_ROWS,
    ClaimLine,
    Line,
    asked,
    claim_basis,
    claim_line,
    claim_subject,
    line_of,
    several_backbones,
    split_pairs,
    test_cells,
)
from frostline.report.words import HOW_SHORT, OVER_FOLDS, recipe_words, row_name, summary
from frostline.terms.curve import LearningCurve
from frostline.terms.evidence import Evidence, Fate, Filters, Mistake
from frostline.terms.quantities import duration
from frostline.terms.recipe import Action, Recipe
from frostline.terms.settings import Settings, name_of
from frostline.terms.verdict import Interval, Row, Verdict

BAR_LABEL = 58  # characters beside a bar of the ranking


@dataclass(frozen=True)
class Number:
    """A key figure with its unit or remark."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Question:
    """One of the four, with its picture and its answer; `picture` is None where there is nothing to draw."""

    number: int
    title: str
    lead: str
    rest: tuple[str, ...]
    picture: Picture | None
    caption: str


@dataclass(frozen=True)
class More:
    """What more images would buy."""

    lead: str
    rest: tuple[str, ...]
    picture: Picture
    caption: str


@dataclass(frozen=True)
class Costs:
    """Cost against score: the picture and the models on the fronts."""

    lead: tuple[str, ...]
    picture: Picture
    lines: tuple[FrontLine, ...]
    left_out: int


@dataclass(frozen=True)
class Claims:
    """The claims as a picture and as a table, and what they rest on; `picture` is None where none has a difference."""

    picture: Picture | None
    lines: tuple[ClaimLine, ...]
    basis: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A stage or the head in the drawing of the network.

    Attributes:
        origin: `transferred`, `random` or `dropped`.
        state: `frozen`, `trained` or empty.
        moved: share in words; `reach` the same as a per cent of the bar, 0..100.
    """

    name: str
    origin: str
    state: str
    parameters: str
    moved: str
    reach: float


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    name: str
    metric: str
    unit: str
    verdict: Verdict
    settings: Settings
    facts: RunFacts
    sentences: tuple[str, ...]
    chosen_words: str
    numbers: tuple[Number, ...]
    which_number: str
    questions: tuple[Question, ...]
    more: More | None
    blocks: tuple[Block, ...]
    drawing: str
    legend: str
    stages: tuple[StageLine, ...]
    some_trained: bool
    depth: Picture | None
    depth_words: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    shown_rows: int
    marks: str
    costs: Costs | None
    claims: Claims | None
    tests: tuple[tuple[str, str, str, str], ...]
    filters: tuple[Filters, ...]
    mistakes: tuple[Mistake, ...]
    evidence: Evidence
    notes: tuple[str, ...]
    phases: tuple[tuple[str, str], ...]
    split_pairs: tuple[tuple[str, str], ...]
    asked: tuple[tuple[str, str], ...]
    machine: tuple[tuple[str, str], ...]
    methods: str
    detail: DetailSection | None = None


def page(verdict: Verdict, evidence: Evidence, settings: Settings, facts: RunFacts) -> Page:
    """The page's values."""
    rows, stages = ranked(verdict.rows), dict(facts.stages)
    return Page(
        name=name_of(settings.data),
        metric=metric_name(verdict.metric),
        unit="" if verdict.metric in UNBOUNDED else f" in points of {metric_name(verdict.metric)}",
        verdict=verdict,
        settings=settings,
        facts=facts,
        sentences=tuple(summary(verdict)),
        chosen_words=recipe_words(verdict.chosen.recipe, verdict.chosen.family),
        numbers=_numbers(verdict),
        which_number=which_number(verdict),
        questions=_questions(verdict, evidence, rows),
        more=None if evidence.curve is None else _more(evidence.curve),
        blocks=_blocks(verdict, evidence, stages.get(verdict.chosen.backbone, ())),
        drawing=recipe_drawing(verdict.chosen.recipe, stages.get(verdict.chosen.backbone, ())),
        legend=legend(),
        stages=stage_lines(verdict, evidence),
        depth=depth_picture(evidence.depth, verdict.metric) if evidence.depth else None,
        depth_words=tuple(answers.depth_answer(evidence)),
        some_trained=any(fate.trained for fate in evidence.fates if fate.name != "head"),
        columns=COLUMNS,
        lines=tuple(line_of(row, stages, several_backbones(verdict), max(row.folds for row in rows)) for row in rows),
        shown_rows=SHOWN_ROWS,
        marks="\N{EM SPACE}".join(meanings(MARKS)),
        costs=_costs(rows, facts, verdict),
        claims=_claims(verdict),
        tests=tuple(test_cells(name, value, verdict) for name, value in verdict.test.items()),
        filters=evidence.filters,
        mistakes=evidence.mistakes,
        evidence=evidence,
        notes=tuple(note for note in (*verdict.notes, *evidence.notes) if note not in (*facts.notes, *facts.split_notes)),
        phases=tuple((name, duration(seconds)) for name, seconds in facts.phases),
        split_pairs=split_pairs(facts),
        asked=asked(settings),
        machine=(*facts.kernels, ("host cores", str(facts.cores)), *facts.versions),
        methods=methods(verdict, settings, facts),
        detail=detail_section(verdict),
    )


def _numbers(verdict: Verdict) -> tuple[Number, ...]:
    value, metric = verdict.score.interval, verdict.metric
    found = [
        Number(
            metric_name(metric),
            score(value.value, metric),
            f"{score_range(value, metric)}, {HOW_SHORT.get(verdict.score.how, '')}",
        )
    ]
    claim = next((item for item in verdict.claims if item.claim == "pretraining-helps" and item.comparison), None)
    if claim is not None and claim.comparison is not None:
        gap = claim.comparison.difference
        remark = f"{signed_points(gap.low, metric)} to {signed_points(gap.high, metric)} points"
        found.append(Number("over the best control", signed_points(gap.value, metric), remark))
    if verdict.smallest_detectable_difference is not None:
        smallest = points(verdict.smallest_detectable_difference, metric)
        found.append(Number("smallest detectable", smallest.split()[0], "points, with these images"))
    return (*found, Number("whole run", duration(verdict.seconds), f"{len(verdict.rows)} recipes"))


def _costs(rows: tuple[Row, ...], facts: RunFacts, verdict: Verdict) -> Costs | None:
    found = costed(rows, facts)
    if len(found) < 2:
        return None
    networks = [row for row in rows if row.score is not None and row.flops]
    return Costs(
        tuple(cost_answer(found, verdict.delta)),
        cost_picture([mark for _, mark in found], verdict.metric),
        front_lines(found, dict(facts.stages)),
        len(networks) - len(found),
    )


def _claims(verdict: Verdict) -> Claims | None:
    if not verdict.claims:
        return None
    short = short_stages([answers.stage_of(claim.claim) for claim in verdict.claims if claim.claim.startswith("stage-")])
    marks = [
        ClaimMark(claim_subject(claim, short), claim.comparison.difference, claim.verdict.value)
        for claim in verdict.claims
        if claim.comparison is not None
    ]
    drawn = claims_picture(marks, verdict.delta, verdict.metric) if marks else None
    return Claims(drawn, tuple(claim_line(claim, verdict) for claim in verdict.claims), claim_basis(verdict))


# --- the four questions ----------------------------------------------------------------------------------------------


def _questions(verdict: Verdict, evidence: Evidence, rows: tuple[Row, ...]) -> tuple[Question, ...]:
    parts: tuple[tuple[list[str], Picture | None, str], ...] = (
        (answers.help_answer(verdict), _help_picture(verdict), _help_caption(verdict)),
        (
            answers.layers_answer(verdict, evidence),
            _probe_picture(evidence),
            _probe_caption(evidence),
        ),
        (answers.random_answer(evidence), None, ""),
        (
            answers.recipe_answer(verdict),
            _ranked_picture(rows, verdict),
            f"Cross-validated, {OVER_FOLDS}, with 95 % intervals; filled blue: the chosen recipe; open: not told apart from it;"
            " grey: told apart; orange: controls.",
        ),
    )
    return tuple(
        Question(number, title, said[0], tuple(said[1:]), drawn, caption if drawn else "")
        for number, (title, (said, drawn, caption)) in enumerate(zip(answers.QUESTIONS, parts, strict=True), start=1)
    )


def _help_sides(verdict: Verdict) -> tuple[Interval, Interval] | None:
    """Chosen and best control measured in the same way: on the sealed test, else over the folds."""
    if "chosen" in verdict.test and "control" in verdict.test:
        return verdict.test["chosen"].interval, verdict.test["control"].interval
    if verdict.control is None or verdict.control.score is None or verdict.chosen.score is None:
        return None
    return verdict.chosen.score, verdict.control.score


def _help_picture(verdict: Verdict) -> Picture | None:
    sides = _help_sides(verdict)
    if sides is None or verdict.control is None:
        return None
    claim = next((item for item in verdict.claims if item.claim == "pretraining-helps"), None)
    difference = claim.comparison.difference if claim and claim.comparison else None
    marks = [
        Mark(f"{verdict.chosen.family} (chosen)", sides[0], "chosen"),
        Mark(f"{row_name(verdict.control)} (best control)", sides[1], "control"),
    ]
    sealed = "chosen" in verdict.test and "control" in verdict.test
    return help_picture(marks, difference, verdict.delta, verdict.metric, "sealed test set" if sealed else "over the folds")


def _help_caption(verdict: Verdict) -> str:
    sealed = "chosen" in verdict.test and "control" in verdict.test
    above = (
        "Above: both refitted models, each once on the sealed test set."
        if sealed
        else f"Above: the chosen recipe and the best control, cross-validated, {OVER_FOLDS}."
    )
    below = (
        "Below: what the claim rests on, not the gap between the two above: best transfer recipe against best control, paired"
        " on the same validation images, what choosing them adds included; left of 0 the control is ahead"
    )
    return f"{above} {below}, grey is no practical difference."


def _probe_caption(evidence: Evidence) -> str:
    widths = {probe.score.low < probe.score.high for probe in evidence.probes}
    folds = (
        "mean over the folds, with the interval from the folds" if widths != {False} else "on one fold, which gives no interval"
    )
    return f"Cross-validated, {folds}; of each cut the best strength, not corrected for choosing it."


def _probe_picture(evidence: Evidence) -> Picture | None:
    names = tuple(dict.fromkeys(probe.backbone for probe in evidence.probes))
    panels = [_panel(name, evidence) for name in names]
    return probe_picture(panels, evidence.metric) if panels else None


def _panel(backbone: str, evidence: Evidence) -> ProbePanel:
    own = sorted((probe for probe in evidence.probes if probe.backbone == backbone), key=lambda probe: probe.depth)
    cuts = dict.fromkeys(probe.cut for probe in own)
    stages = {probe.cut: probe.stage or "" for probe in own}
    found = {(probe.weights, probe.cut): probe.score for probe in own}
    lines = tuple(ProbeLine(kind, tuple(found.get((kind, cut)) for cut in cuts)) for kind in ("pretrained", "random"))
    present = tuple(line for line in lines if any(value is not None for value in line.scores))
    return ProbePanel(backbone, tuple(stages[cut] for cut in cuts), present, evidence.pixels)


def _ranked_picture(rows: tuple[Row, ...], verdict: Verdict) -> Picture | None:
    names = short_backbones(tuple(dict.fromkeys(row.backbone for row in rows if row.backbone)))
    where = {name: f" ({short})" if len(names) > 1 else "" for name, short in names.items()}
    taken = max(map(len, where.values()), default=0)
    labels, briefs = (short_recipes([row.recipe for row in rows], room - taken) for room in (BAR_LABEL, NARROW_LABEL))
    marks = [
        Mark(
            label + where.get(row.backbone, ""),
            row.score,
            "control" if is_control(row) else row.status if row.status in ("chosen", "tied") else "done",
            brief=brief + where.get(row.backbone, ""),
        )
        for row, label, brief in zip(rows, labels, briefs, strict=True)
        if row.score is not None
    ]
    return ranked_picture(marks, verdict.metric) if marks else None


def _more(curve: LearningCurve) -> More:
    lead, *rest = curve_answer(curve)
    caption = (
        "Points: mean over the draws, with 95 % intervals over draws and validation images. Lines: error = a + b n^-c with its"
        " band; a recipe without a line allowed no fit. Beyond the last point nothing was measured."
    )
    return More(lead, tuple(rest), curve_picture(curve_lines(curve), curve.images, curve.metric), caption)


# --- the drawing of the network --------------------------------------------------------------------------------------


def _blocks(verdict: Verdict, evidence: Evidence, stages: tuple[str, ...]) -> tuple[Block, ...]:
    """The exported model's blocks with dropped stages in their places; from the recipe alone before there is a model."""
    fates = {fate.name: fate for fate in evidence.fates}
    if not fates:
        return ()
    names = [*(stages or [name for name in fates if name != "head"])]
    names += [name for name in fates if name not in names]
    dropped = _dropped(verdict, stages)
    blocks = (
        _block(fates[name]) if name in fates else Block(name, "dropped", "", "", "", 0.0)
        for name in names
        if name in fates or name in dropped
    )
    return tuple(blocks)


def _dropped(verdict: Verdict, stages: tuple[str, ...]) -> set[str]:
    try:
        actions = Recipe.parse(verdict.chosen.recipe).actions(stages)
    except RecipeError:
        return set()
    return {name for name, action in zip(stages, actions, strict=False) if action is Action.DROP}


def _block(fate: Fate) -> Block:
    moved = f"moved {answers.moved(fate.moved)}" if fate.moved is not None else "new"
    moved = "unchanged" if not fate.trained else moved
    return Block(
        name=fate.name,
        origin=fate.origin,
        state="trained" if fate.trained else "frozen",
        parameters=big(fate.parameters),
        moved=moved,
        reach=min(100.0, 100 * (fate.moved or 0.0)),
    )
