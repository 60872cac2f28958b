"""Further figures: claims, cost against score, and how well the classes are ranked. As `figures`: values in, SVG text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frostline.report.figures import (
    COLOURS,
    EMBER,
    FROST,
    GOOD,
    INK,
    MUTED,
    PAPER,
    STONE,
    Picture,
    annotate,
    blank,
    limits_of,
    picture,
    share_ticks,
    tick_text,
)
from frostline.report.numbers import UNBOUNDED, big, metric_name, score, signed_points
from frostline.report.short import middle, short_stages
from frostline.terms.detail import RankingCurve
from frostline.terms.evidence import DepthPoint
from frostline.terms.interval import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- claims ----------------------------------------------------------------------------------------------------------

VERDICT_COLOURS = {"helps": GOOD, "harms": EMBER, "no-practical-difference": FROST, "undetermined": STONE}
VERDICT_WORDS = {"no-practical-difference": "no practical difference"}


@dataclass(frozen=True)
class ClaimMark:
    """One claim: what is asked in a few words, the measured difference, and what may be said of it."""

    label: str
    difference: Interval
    verdict: str


def claims_picture(marks: Sequence[ClaimMark], delta: float, metric: str) -> Picture:
    """Each claim's difference with its interval; grey: differences that count as none."""
    said = [
        f"{mark.label}: {signed_points(mark.difference.value, metric)}, {VERDICT_WORDS.get(mark.verdict, mark.verdict)}"
        for mark in marks
    ]
    return picture(lambda width: _claims(width, marks, delta, metric), "claims", f"Claims. {'; '.join(said)}.")


def _claims(width: int, marks: Sequence[ClaimMark], delta: float, metric: str) -> Figure:
    narrow = width < 500
    each = 46 if narrow else 32
    height = each * len(marks) + 48
    figure = blank(width, height)
    left, right = (14, 14) if narrow else (230, 190)
    axes = figure.add_axes((left / width, 44 / height, 1 - (left + right) / width, (height - 48) / height))
    scale = 1.0 if metric in UNBOUNDED else 100.0
    axes.axvspan(-scale * delta, scale * delta, color=STONE, alpha=0.18, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    drop = 0.2 if narrow else 0.0
    for row, mark in enumerate(marks):
        colour = VERDICT_COLOURS.get(mark.verdict, STONE)
        ends = [scale * mark.difference.low, scale * mark.difference.high]
        axes.plot(ends, [row + drop] * 2, color=colour, linewidth=7, alpha=0.3, solid_capstyle="round")
        axes.plot([scale * mark.difference.value], [row + drop], _marker(mark.verdict), color=colour, markersize=8)
        word = VERDICT_WORDS.get(mark.verdict, mark.verdict)
        if narrow:
            annotate(axes, middle(mark.label, 24), (0, row - 0.2), (0, 0), "left", "normal")
            annotate(axes, word, (1, row - 0.2), (0, 0), "right", "normal")
        else:
            annotate(axes, middle(mark.label, 34), (0, row), (-14, 0), "right", "normal")
            number = signed_points(mark.difference.value, metric).replace("-", "−")
            annotate(axes, f"{number}  {word}", (1, row), (12, 0), "left", "normal")
    low, high = limits_of([mark.difference for mark in marks] + [Interval(0.0, -2 * delta, 2 * delta)])
    axes.set(xlim=(scale * low, scale * high), ylim=(len(marks) - 0.5, -0.5), yticks=[])
    axes.grid(axis="x", linewidth=0.7, alpha=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"difference in {'' if metric in UNBOUNDED else 'points of '}{metric_name(metric)}", fontsize=12)
    return figure


def _marker(verdict: str) -> str:
    """Told apart without colours, too."""
    return {"helps": ">", "harms": "<", "no-practical-difference": "s"}.get(verdict, "o")


# --- cost against score ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CostMark:
    """A recipe's model.

    Attributes:
        parameters: of the model that would be handed over; milliseconds: for an image's forward pass.
        kind: as `Mark.kind`.
        size_rank, speed_rank: place on the front by parameters and by time, counted from the cheapest; 0: not on it.
    """

    value: Interval
    parameters: float
    milliseconds: float
    kind: str
    size_rank: int = 0
    speed_rank: int = 0


def cost_picture(marks: Sequence[CostMark], metric: str) -> Picture:
    """Score against size and against time an image, with the models that no other beats in both."""
    front = [mark for mark in marks if mark.size_rank]
    said = ", ".join(
        f"{big(mark.parameters)} parameters: {score(mark.value.value, metric)}"
        for mark in sorted(front, key=lambda one: one.parameters)
    )
    alt = (
        f"{metric_name(metric)} against parameters and against milliseconds an image, {len(marks)} models. On the front: {said}."
    )
    return picture(lambda width: _cost(width, marks, metric), "cost", alt)


def _cost(width: int, marks: Sequence[CostMark], metric: str) -> Figure:
    narrow, each = width < 500, 300
    height = 2 * (each + 14) if narrow else each + 10
    figure = blank(width, height)
    for panel, (name, unit) in enumerate((("parameters", "parameters"), ("milliseconds", "milliseconds an image (estimated)"))):
        left = 50 / width + (0 if narrow else panel * 0.5)
        bottom = (height - each * (panel + 1) - 14 * panel + 52) / height if narrow else 52 / height
        wide = 1 - 66 / width if narrow else 0.5 - 70 / width
        axes = figure.add_axes((left, bottom, wide, (each - 52 - 24) / height))
        _cost_panel(axes, marks, name, unit, metric)
    return figure


def _cost_panel(axes: Axes, marks: Sequence[CostMark], name: str, unit: str, metric: str) -> None:
    rank = {"parameters": "size_rank", "milliseconds": "speed_rank"}[name]
    axes.set_xscale("log")
    for mark in sorted(marks, key=lambda one: one.kind == "chosen"):
        at, colour = getattr(mark, name), COLOURS[mark.kind]
        axes.plot([at, at], [mark.value.low, mark.value.high], color=colour, linewidth=1.2, alpha=0.35)
        face = PAPER if mark.kind == "tied" else colour
        size = 10 if mark.kind == "chosen" else 7
        shape = "s" if mark.kind == "control" else "o"
        axes.plot([at], [mark.value.value], shape, color=colour, markerfacecolor=face, markeredgewidth=1.6, markersize=size)
    front = sorted((mark for mark in marks if getattr(mark, rank)), key=lambda one: float(getattr(one, name)))
    places = [float(getattr(mark, name)) for mark in front]
    axes.plot(places, [mark.value.value for mark in front], color=INK, linewidth=1.2, linestyle="--", drawstyle="steps-post")
    for mark, at in zip(front, places, strict=True):
        axes.annotate(
            str(getattr(mark, rank)),
            (at, mark.value.value),
            (-7, 8),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize=12,
        )
    _cost_axes(axes, marks, [float(getattr(mark, name)) for mark in marks], metric)
    axes.set_xlabel(unit, fontsize=12)
    axes.set_title(metric_name(metric), loc="left", fontsize=12, color=MUTED)


def _cost_axes(axes: Axes, marks: Sequence[CostMark], costs: Sequence[float], metric: str) -> None:
    """Limits with room for the numbers on the front, and round ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    values = [mark.value.value for mark in marks]
    reach = 0.15 * (max(values) - min(values)) or 0.01
    top = max(values) + 1.4 * reach
    axes.set_ylim(min(values) - reach, top if metric in UNBOUNDED else min(top, 1.0 + 0.8 * reach))
    low, high = 0.7 * min(costs), 1.4 * max(costs)
    axes.set_xlim(low, high)
    ticks = _round_values(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value, metric)))
    axes.grid(axis="both", linewidth=0.7, alpha=0.8)
    axes.set_axisbelow(True)


def _round_values(low: float, high: float) -> list[float]:
    """At least three round numbers between the two where that is possible, and no more than it needs."""
    found: list[float] = []
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        found = [step * 10.0**power for power in range(-3, 11) for step in steps if low <= step * 10.0**power <= high]
        if len(found) >= 3:
            break
    return found


def _short(value: float) -> str:
    """`0.5`, `20 k`, `2 M`."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


# --- how well a class is ranked --------------------------------------------------------------------------------------

STYLES = ((FROST, "-"), (EMBER, (0, (5, 2))), (INK, (0, (1.5, 1.5))), (STONE, "-"), (FROST, (0, (3, 1, 1, 1))), (EMBER, "-"))


def rankings_picture(curves: Sequence[tuple[str, RankingCurve]]) -> Picture:
    """ROC curves beside precision and recall; (label, curve) pairs."""
    said = "; ".join(f"{label}: {_at(curve.roc, 0.1)} found at a false positive rate of .1" for label, curve in curves)
    return picture(lambda width: _rankings(width, curves), "rankings", f"ROC and precision-recall curves. {said}.")


def _at(pairs: Sequence[tuple[float, float]], place: float) -> str:
    return score(max((y for x, y in pairs if x <= place + 1e-9), default=0.0), "")


def _rankings(width: int, curves: Sequence[tuple[str, RankingCurve]]) -> Figure:
    narrow = width < 500
    side = width - 64 if narrow else 330
    height = 2 * (side + 74) if narrow else side + 74
    figure = blank(width, height)
    places = ((52, height - side - 26), (52, height - 2 * side - 100)) if narrow else ((52, 48), (width - side - 70, 48))
    panels = (("roc", "false positive rate", "true positive rate"), ("precision", "recall", "precision"))
    for (left, bottom), (name, across, up) in zip(places, panels, strict=True):
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        if name == "roc":
            axes.plot([0, 1], [0, 1], color=STONE, linewidth=1.2, linestyle=":")
        for (label, curve), (colour, dash) in zip(curves, STYLES, strict=False):
            pairs = getattr(curve, name)
            axes.plot([x for x, _ in pairs], [y for _, y in pairs], color=colour, linestyle=dash, linewidth=2, label=label)
            if name == "precision":
                axes.axhline(curve.share, color=STONE, linewidth=1.2, linestyle=":")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.grid(linewidth=0.7, alpha=0.8)
        share_ticks(axes, both=True)
        axes.set_xlabel(across, fontsize=12)
        axes.set_title(up, loc="left", fontsize=12, color=MUTED)
        if name == "roc":
            axes.legend(frameon=False, fontsize=11, loc="lower right", labelcolor=MUTED)
    return figure


# --- depth by depth --------------------------------------------------------------------------------------------------

DEPTHS = {"AnB": (FROST, "o", "-"), "AnB+": (GOOD, "^", (0, (5, 2))), "BnB": (STONE, "s", (0, (1.5, 1.5)))}


def depth_picture(points: Sequence[DepthPoint], metric: str) -> Picture:
    """Change against the target network from scratch by how many stages came from elsewhere; one line a kind."""
    kinds = [kind for kind in DEPTHS if any(point.kind == kind for point in points)]
    ends = {kind: [point for point in points if point.kind == kind] for kind in kinds}
    said = [f"{kind} from {_said(own[0], metric)} to {_said(own[-1], metric)}" for kind, own in ends.items()]
    return picture(lambda width: _depth(width, ends, metric), "depth", f"Change of {metric_name(metric)}: {'; '.join(said)}.")


def _said(point: DepthPoint, metric: str) -> str:
    return f"{signed_points(point.change.value, metric)} at {point.stage}"


def _depth(width: int, ends: dict[str, list[DepthPoint]], metric: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    height, right = 300, 14 if width < 500 else 90
    figure = blank(width, height)
    axes = figure.add_axes((48 / width, 76 / height, 1 - (48 + right) / width, (height - 110) / height))
    scale = 1.0 if metric in UNBOUNDED else 100.0
    stages = list(dict.fromkeys(point.stage for own in ends.values() for point in own))
    axes.axhline(0, color=MUTED, linewidth=1)
    for (kind, own), shift in zip(ends.items(), (-0.06, 0.0, 0.06), strict=False):
        colour, marker, dash = DEPTHS[kind]
        places = [stages.index(point.stage) + shift for point in own]
        for place, point in zip(places, own, strict=True):
            axes.plot(
                [place, place], [scale * point.change.low, scale * point.change.high], color=colour, linewidth=5, alpha=0.25
            )
        values = [scale * point.change.value for point in own]
        axes.plot(places, values, marker=marker, linestyle=dash, color=colour, linewidth=2, markersize=7, label=kind)
    axes.set_xticks(range(len(stages)), [*short_stages(stages).values()], rotation=38, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(stages) - 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y", linewidth=0.7, alpha=0.8)
    axes.set_axisbelow(True)
    unit = metric_name(metric) if metric in UNBOUNDED else f"points of {metric_name(metric)} against the network from scratch"
    axes.set_title(unit, loc="left", fontsize=12, color=MUTED)
    axes.legend(frameon=False, fontsize=11, loc="best", labelcolor=MUTED)
    return figure
