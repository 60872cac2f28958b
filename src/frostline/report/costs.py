"""What the models cost in use: their size and their time an image, against their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from frostline.errors import RecipeError
from frostline.report.charts import CostMark
from frostline.report.drawing import recipe_drawing
from frostline.report.facts import NetworkFacts, RunFacts
from frostline.report.numbers import big, points, score, score_range
from frostline.report.ranking import is_control
from frostline.terms.recipe import Action, Family, Recipe
from frostline.terms.verdict import Row


@dataclass(frozen=True)
class FrontLine:
    """A model that may be handed over and that no other such beats in cost and in mean score; `drawing` is an SVG element."""

    size_rank: str
    speed_rank: str
    drawing: str
    family: str
    recipe: str
    score: str
    interval: str
    parameters: str
    milliseconds: str


def costed(rows: Sequence[Row], facts: RunFacts) -> tuple[tuple[Row, CostMark], ...]:
    """Rows measured in full that are networks, with what they cost and their places on the two fronts."""
    networks = {network.backbone: network for network in facts.networks}
    found = []
    for row in rows:
        network = networks.get(row.backbone)
        if row.score is None or network is None or not row.flops:
            continue
        size = parameters_of(row, network)
        if size is not None:
            total = sum(stage.flops for stage in network.stages) or 1
            found.append((row, CostMark(row.score, float(size), 1000 * network.forward_s * row.flops / total, _kind(row))))
    by_size, by_speed = (_front(found, name) for name in ("parameters", "milliseconds"))
    return tuple(
        (row, replace(mark, size_rank=by_size.get(place, 0), speed_rank=by_speed.get(place, 0)))
        for place, (row, mark) in enumerate(found)
    )


def parameters_of(row: Row, network: NetworkFacts) -> int | None:
    """Of the model that would be handed over: what the recipe keeps frozen and what it trained, its head included.

    None where the recipe names cuts that are no stages: what lies between is not known here.
    """
    try:
        actions = Recipe.parse(row.recipe).actions([stage.name for stage in network.stages])
    except RecipeError:
        return None
    frozen = sum(stage.parameters for stage, action in zip(network.stages, actions, strict=False) if action is Action.FREEZE)
    return frozen + row.trained_parameters


def _kind(row: Row) -> str:
    return "control" if is_control(row) else row.status if row.status in ("chosen", "tied") else "done"


def _front(found: Sequence[tuple[Row, CostMark]], cost: str) -> dict[int, int]:
    """Place in `found` -> place on the front, from 1, cheapest first; controls that nobody would hand over are no part of it."""
    useful = [
        (getattr(mark, cost), -mark.value.value, place)
        for place, (row, mark) in enumerate(found)
        if not is_control(row) or row.family == Family.SCRATCH
    ]
    ranks: dict[int, int] = {}
    best = float("-inf")
    for _, negative, place in sorted(useful):
        if -negative > best:
            best = -negative
            ranks[place] = len(ranks) + 1
    return ranks


def front_lines(costs: Sequence[tuple[Row, CostMark]], stages: dict[str, tuple[str, ...]]) -> tuple[FrontLine, ...]:
    """The models on either front, smallest first."""
    on = [(row, mark) for row, mark in costs if mark.size_rank or mark.speed_rank]
    return tuple(
        FrontLine(
            str(mark.size_rank or ""),
            str(mark.speed_rank or ""),
            recipe_drawing(row.recipe, stages.get(row.backbone, ())),
            row.family,
            row.recipe,
            score(mark.value.value, row.metric),
            score_range(mark.value, row.metric),
            big(mark.parameters),
            f"{float(f'{mark.milliseconds:.2g}'):g}",
        )
        for row, mark in sorted(on, key=lambda one: one[1].parameters)
    )


def cost_answer(costs: Sequence[tuple[Row, CostMark]], delta: float) -> list[str]:
    """Where something smaller does as well, in words."""
    chosen = next(((row, mark) for row, mark in costs if row.status == "chosen"), None)
    if chosen is None:
        return []
    row, mark = chosen
    smaller = [
        (other, one)
        for other, one in costs
        if (one.size_rank or one.speed_rank) and one.parameters < mark.parameters and one.value.value >= mark.value.value - delta
    ]
    if not smaller:
        larger = max((one.parameters for _, one in costs), default=mark.parameters)
        against = f", against {big(larger)} of the largest" if larger > mark.parameters else ""
        alone = "no smaller one that may be handed over comes as close"
        return [f"The chosen model has {big(mark.parameters)} parameters{against}; {alone}."]
    other, one = min(smaller, key=lambda pair: pair[1].parameters)
    return [
        f"A smaller model is less than {points(delta, row.metric)}, which count as no difference, below the chosen one:"
        f" {other.family} has {big(one.parameters)} parameters instead of {big(mark.parameters)}, with"
        f" {score(one.value.value, row.metric)} against {score(mark.value.value, row.metric)}.",
        f"Its recipe is '{other.recipe}'. {_why_not(other, row)}",
    ]


def _why_not(smaller: Row, chosen: Row) -> str:
    """The rule asks for the simplest recipe that is close to the best one; simple is not small."""
    families = list(Family)
    order = [(families.index(Family(row.family)), row.trained_parameters) for row in (smaller, chosen)]
    if order[0] < order[1]:
        return "It was not chosen because it is further than that below the best recipe, though not below the chosen one."
    return "The rule chooses the simplest family, not the smallest model."
