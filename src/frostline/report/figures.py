"""Figures: values in, SVG text out. Colours are CSS variables of the page, so that a figure reads in light and in dark."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frostline.report.numbers import UNBOUNDED, metric_name, score, signed_points
from frostline.report.short import middle, short_stages
from frostline.terms.detail import Reliability
from frostline.terms.quantities import plural
from frostline.terms.verdict import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that matplotlib accepts as colours; each becomes a variable of the page's style sheet.
INK, MUTED, LINE = "#010101", "#010102", "#010103"
FROST, EMBER, STONE, PAPER, GOOD = "#010104", "#010105", "#010106", "#010107", "#010108"
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    FROST: "frost",
    EMBER: "ember",
    STONE: "stone",
    PAPER: "paper",
    GOOD: "good",
}

WIDE, NARROW = 880, 360
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 12.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.left": False,
    "figure.facecolor": "none",
    "grid.color": LINE,
}


NARROW_LABEL = 36  # characters above a bar on a phone


@dataclass(frozen=True)
class Mark:
    """One line of a figure: a dot with its interval.

    Attributes:
        kind: `chosen`, `tied`, `control` or `done`.
        detail: smaller words under the label. brief: in place of the label where there is little room.
    """

    label: str
    value: Interval
    kind: str
    detail: str = ""
    brief: str = ""


@dataclass(frozen=True)
class ProbeLine:
    """Scores along the depth for one kind of weights, in the order of the panel's cuts."""

    weights: str
    scores: tuple[Interval | None, ...]


@dataclass(frozen=True)
class ProbePanel:
    """One backbone: its cuts from the input on (stage names where a stage ends, else empty) and the lines over them."""

    backbone: str
    ticks: tuple[str, ...]
    lines: tuple[ProbeLine, ...]
    pixels: Interval | None


@dataclass(frozen=True)
class Picture:
    """The same figure for a wide and for a narrow page, and what it shows in words."""

    wide: str
    narrow: str
    alt: str


def picture(draw: Callable[[int], Figure], name: str, alt: str) -> Picture:
    """Draws at both widths; `name` keeps the identifiers inside the two apart from those of other figures."""
    import matplotlib

    drawn = []
    for width in (WIDE, NARROW):
        settings: Any = {**SETTINGS, "svg.hashsalt": f"{name}-{width}"}
        with matplotlib.rc_context(settings):
            drawn.append(_svg(draw(width), alt))
    return Picture(drawn[0], drawn[1], alt)


def blank(width: int, height: float) -> Figure:
    """An empty figure of so many CSS pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def _svg(figure: Figure, alt: str) -> str:
    """The figure as an element to put into a page: no prologue, no metadata, colours by variable."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    label = html.escape(alt, quote=True)
    opening = f'<svg viewBox="{box[1]}" role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return opening + text[text.index(">") + 1 :].strip()


# --- 1. does it help -------------------------------------------------------------------------------------------------


def help_picture(marks: Sequence[Mark], difference: Interval | None, delta: float, metric: str, where: str) -> Picture:
    """Scores of the chosen recipe and of the best control above their difference, with what counts as no difference.

    Args:
        where: what the scores were measured on; the difference always is over the folds.
    """
    said = [f"{mark.label} {score(mark.value.value, metric)}" for mark in marks]
    gap = f"; difference over the folds {signed_points(difference.value, metric)}" if difference else ""
    return picture(
        lambda width: _help(width, marks, difference, delta, metric, where), "help", f"{', '.join(said)} ({where}){gap}."
    )


def _help(width: int, marks: Sequence[Mark], difference: Interval | None, delta: float, metric: str, where: str) -> Figure:
    rows = 52 * len(marks)
    height = rows + 46 + (150 if difference else 0)
    figure = blank(width, height)
    left = 14 / width
    top = figure.add_axes((left, 1 - (rows + 4) / height, 1 - 2 * left, rows / height))
    _dots(top, marks, metric, 52, labels_above=True)
    top.set_xlabel(f"{metric_name(metric)}, {where}", fontsize=12)
    if difference is not None:
        bottom = figure.add_axes((left, 42 / height, 1 - 2 * left, 56 / height))
        _difference(bottom, difference, delta, metric)
    return figure


def _difference(axes: Axes, difference: Interval, delta: float, metric: str) -> None:
    scale = 1.0 if metric in UNBOUNDED else 100.0
    low, at, high = (scale * end for end in (difference.low, difference.value, difference.high))
    axes.axvspan(-scale * delta, scale * delta, color=STONE, alpha=0.18, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.plot([low, high], [0, 0], color=FROST, linewidth=7, alpha=0.3, solid_capstyle="round")
    axes.plot([at], [0], "o", color=FROST, markersize=9)
    said = signed_points(difference.value, metric).replace("-", "−")
    axes.annotate(said, (at, 0), (0, 12), textcoords="offset points", ha="center", color=INK)
    reach = max(abs(low), abs(high), 2.5 * scale * delta) * 1.15
    axes.set(xlim=(min(-2.5 * scale * delta, low * 1.15), reach), ylim=(-1, 1.4), yticks=[])
    unit = "" if metric in UNBOUNDED else " in points"
    axes.set_xlabel(f"difference{unit}, paired over the folds", fontsize=12)


# --- 4. which recipe -------------------------------------------------------------------------------------------------


def ranked_picture(marks: Sequence[Mark], metric: str) -> Picture:
    """Every recipe measured in full, best first, with its interval; controls in another hue."""
    alt = f"{len(marks)} recipes ranked by {metric_name(metric)}; the same numbers stand in the table below."
    return picture(lambda width: _ranked(width, marks, metric), "ranked", alt)


def _ranked(width: int, marks: Sequence[Mark], metric: str) -> Figure:
    narrow = width < 500
    each = 44 if narrow else 30
    height = each * len(marks) + 44
    figure = blank(width, height)
    left = 14 / width if narrow else 400 / width
    axes = figure.add_axes((left, 40 / height, 1 - left - 60 / width, (height - 44) / height))
    _dots(axes, marks, metric, each, labels_above=narrow)
    axes.set_xlabel(metric_name(metric), fontsize=12)
    return figure


COLOURS = {"chosen": FROST, "tied": FROST, "done": STONE, "control": EMBER}


def _dots(axes: Axes, marks: Sequence[Mark], metric: str, each: int, labels_above: bool) -> None:
    """Dots with intervals, one a row of `each` pixels; the first on top."""
    low, high = limits_of([mark.value for mark in marks])
    axes.set(xlim=(low, high), ylim=(len(marks) - 0.5, -0.5), yticks=[])
    axes.grid(axis="x", linewidth=0.7, alpha=0.8)
    axes.set_axisbelow(True)
    drop = 0.22 if labels_above else 0.0
    for row, mark in enumerate(marks):
        colour = COLOURS[mark.kind]
        axes.plot(
            [mark.value.low, mark.value.high], [row + drop] * 2, color=colour, linewidth=7, alpha=0.3, solid_capstyle="round"
        )
        face = PAPER if mark.kind == "tied" else colour
        axes.plot([mark.value.value], [row + drop], "o", color=colour, markerfacecolor=face, markeredgewidth=1.8, markersize=8)
        _label(axes, mark, row, drop, labels_above)
        value = score(mark.value.value, metric)
        if labels_above:
            annotate(axes, value, (1, row - drop), (0, 0), "right", "normal")
        else:
            annotate(axes, value, (1, row), (10, 0), "left", "normal")
    _score_ticks(axes, metric)


def _label(axes: Axes, mark: Mark, row: int, drop: float, above: bool) -> None:
    weight = "bold" if mark.kind == "chosen" else "normal"
    if above:
        room, text = (NARROW_LABEL, mark.brief or mark.label) if axes.get_window_extent().width < 500 else (80, mark.label)
        annotate(axes, middle(text, room), (0, row - drop), (0, 0), "left", weight)
    else:
        annotate(axes, middle(mark.label, 58), (0, row), (-14, 0), "right", weight)


def annotate(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], align: str, weight: str) -> None:
    """Text beside a row: `at` is (share of the axes' width, row)."""
    axes.annotate(
        text,
        at,
        offset,
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        ha=align,
        color=INK,
        fontweight=weight,
        fontsize=12,
        annotation_clip=False,
    )


def limits_of(values: Sequence[Interval]) -> tuple[float, float]:
    """A little more than all ends of all intervals."""
    low, high = min(value.low for value in values), max(value.high for value in values)
    margin = max((high - low) * 0.06, 1e-3)
    return low - margin, high + margin


def _score_ticks(axes: Axes, metric: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value, metric)))


def tick_text(value: float, metric: str) -> str:
    text = score(value, metric)
    return text[:-1] if text.endswith("0") and len(text) > 3 else text


# --- 2. which layers carry over --------------------------------------------------------------------------------------

LINES = {"pretrained": (FROST, "o", "-", "pre-trained"), "random": (EMBER, "s", "--", "random weights")}


def probe_picture(panels: Sequence[ProbePanel], metric: str) -> Picture:
    """A linear probe at every cut, from the input to the last feature map: pre-trained, random weights, raw pixels."""
    said = " ".join(_panel_words(panel, metric) for panel in panels)
    return picture(lambda width: _probes(width, panels, metric), "probes", said)


def _panel_words(panel: ProbePanel, metric: str) -> str:
    parts = []
    for line in panel.lines:
        known = [value.value for value in line.scores if value is not None]
        if known:
            parts.append(f"{LINES[line.weights][3]} from {score(known[0], metric)} to {score(known[-1], metric)}")
    pixels = f", raw pixels {score(panel.pixels.value, metric)}" if panel.pixels else ""
    return f"{panel.backbone}, by depth: {', '.join(parts)}{pixels}."


def _probes(width: int, panels: Sequence[ProbePanel], metric: str) -> Figure:
    each = 300
    stacked = width < 500 or len(panels) > 2
    columns, rows = (1, len(panels)) if stacked else (len(panels), 1)
    height = rows * (each + 70)
    figure = blank(width, height)
    low, high = limits_of([value for panel in panels for value in _panel_values(panel)])
    limits = (low, high if metric in UNBOUNDED else min(high, 1.01))  # an interval from few folds may end above what is possible
    for index, panel in enumerate(panels):
        column, row = (0, index) if stacked else (index, 0)
        share = 1 / columns
        left, right = 44 / width, (16 if width < 500 or columns > 1 else 120) / width
        box = (column * share + left, 1 - (row * (each + 70) + each) / height, share - left - right, (each - 34) / height)
        _probe_panel(figure.add_axes(box), panel, metric, limits, titled=len(panels) > 1, legend=right < 100 / width)
    return figure


def _panel_values(panel: ProbePanel) -> list[Interval]:
    values = [value for line in panel.lines for value in line.scores if value is not None]
    return values + ([panel.pixels] if panel.pixels else [])


def _probe_panel(axes: Axes, panel: ProbePanel, metric: str, limits: tuple[float, float], titled: bool, legend: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ends = []
    if panel.pixels is not None:
        axes.axhspan(panel.pixels.low, panel.pixels.high, color=STONE, alpha=0.13, linewidth=0)
        axes.axhline(panel.pixels.value, color=STONE, linewidth=1.6, linestyle=":", label="raw pixels")
        ends.append((panel.pixels.value, "raw pixels", STONE))
    for line in panel.lines:
        ends += _probe_line(axes, line)
    named, short = [(x, name) for x, name in enumerate(panel.ticks) if name], short_stages(panel.ticks)
    axes.set_xticks([x for x, _ in named], [short[name] for _, name in named], rotation=38, ha="right", rotation_mode="anchor")
    axes.set(ylim=limits, xlim=(-0.3, len(panel.ticks) - 0.7))
    axes.grid(axis="y", linewidth=0.7, alpha=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value, metric)))
    title = f"{panel.backbone}\n{metric_name(metric)}" if titled else metric_name(metric)
    axes.set_title(title, loc="left", fontsize=12, color=MUTED)
    if legend:
        axes.legend(frameon=False, fontsize=11, loc="best", labelcolor=MUTED)
    else:
        _end_labels(axes, ends, limits)


def _probe_line(axes: Axes, line: ProbeLine) -> list[tuple[float, str, str]]:
    colour, marker, style, name = LINES[line.weights]
    known = [(x, value) for x, value in enumerate(line.scores) if value is not None]
    if not known:
        return []
    places = [x for x, _ in known]
    axes.fill_between(places, [v.low for _, v in known], [v.high for _, v in known], color=colour, alpha=0.16, linewidth=0)
    axes.plot(places, [v.value for _, v in known], style, color=colour, linewidth=2.2, marker=marker, markersize=6, label=name)
    return [(known[-1][1].value, name, colour)]


def _end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]], limits: tuple[float, float]) -> None:
    """The lines' names beside the axes, pushed apart where they would touch."""
    apart = (limits[1] - limits[0]) * 0.065
    floor = float("-inf")
    for value, name, colour in sorted(ends):
        floor = max(value, floor + apart)
        axes.annotate(
            name,
            (1, floor),
            (10, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )


# --- calibration -----------------------------------------------------------------------------------------------------


def reliability_picture(found: Reliability) -> Picture:
    """What was predicted against what came true, with intervals, and how many predictions each bin holds."""
    said = ", ".join(f"{score(one.confidence, '')} came true {score(one.observed.value, '')}" for one in found.bins)
    return picture(lambda width: _reliability(width, found), "reliability", f"Predicted probability and observed share: {said}.")


def reliabilities_picture(found: Sequence[Reliability]) -> Picture:
    """As `reliability_picture`, a small panel for each label, without the numbers of predictions."""
    said = "; ".join(f"{one.of}: {plural(len(one.bins), 'bin')}, {_gap(one)}" for one in found)
    return picture(lambda width: _panels(width, found), "reliabilities", f"Predicted probability and observed share. {said}.")


def _gap(found: Reliability) -> str:
    """How far what was said lies from what came true, over all predictions."""
    total = sum(one.predictions for one in found.bins) or 1
    said, came = (
        sum(one.predictions * value for one, value in zip(found.bins, values, strict=True)) / total
        for values in ([one.confidence for one in found.bins], [one.observed.value for one in found.bins])
    )
    return f"{score(said, '')} said on average and {score(came, '')} observed"


def _farthest(found: Sequence[Reliability]) -> float:
    """The end of all axes: what rare labels are called lies near 0, and would be a dot in the corner of the whole square."""
    solid = [one for of in found for one in of.bins if one.predictions >= ENOUGH]
    reach = max((max(one.confidence, one.observed.value) for one in solid), default=1.0)
    return next((end for end in (0.2, 0.4, 0.6, 0.8) if 1.2 * reach <= end), 1.0)


def _panels(width: int, found: Sequence[Reliability]) -> Figure:
    columns, most = min(len(found), 2 if width < 500 else 4), _farthest(found)
    rows = -(-len(found) // columns)
    side = (width - 40 * columns) / columns
    height = rows * (side + 62)
    figure = blank(width, height)
    for place, one in enumerate(found):
        row, column = divmod(place, columns)
        left, top = column * (side + 40) + 34, row * (side + 62) + 26
        axes = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
        _against_diagonal(axes, one, "")
        axes.set(ylabel="", xlim=(-0.02 * most, 1.02 * most), ylim=(-0.02 * most, 1.02 * most))
        for ticks in (axes.set_xticks, axes.set_yticks):
            ticks([0.0, most / 2, most], ["0", tick_text(most / 2, ""), tick_text(most, "")])
        axes.set_title(middle(one.of, 20), loc="left", fontsize=12, color=INK)
    return figure


ENOUGH = 5  # predictions of a bin that the line goes through: with fewer it would jump between 0 and 1


def _reliability(width: int, found: Reliability) -> Figure:
    narrow = width < 500
    side, low = (width - 70, 150) if narrow else (360, 360)
    height = side + low + 130 if narrow else side + 60
    figure = blank(width, height)
    above = (52 / width, 1 - (side + 10) / height, side / width, side / height)
    beside = (above[0], 46 / height, above[2], low / height) if narrow else (480 / width, above[1], 370 / width, above[3])
    spoken = f"probability of {middle(found.of, 24)}" if found.of else "probability of the most probable class"
    _against_diagonal(figure.add_axes(above), found, spoken)
    _counts(figure.add_axes(beside), found, spoken)
    return figure


def _against_diagonal(axes: Axes, found: Reliability, spoken: str) -> None:
    axes.plot([0, 1], [0, 1], color=STONE, linewidth=1.4, linestyle=":")
    for one in found.bins:
        ends = [one.observed.low, one.observed.high]
        axes.plot([one.confidence] * 2, ends, color=FROST, linewidth=6, alpha=0.3, solid_capstyle="round")
    full = [one for one in found.bins if one.predictions >= ENOUGH]
    few = [one for one in found.bins if one.predictions < ENOUGH]
    axes.plot(
        [one.confidence for one in full], [one.observed.value for one in full], "o-", color=FROST, linewidth=1.6, markersize=7
    )
    places, shares = [one.confidence for one in few], [one.observed.value for one in few]
    axes.plot(places, shares, "o", color=FROST, markerfacecolor=PAPER, markersize=5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(linewidth=0.7, alpha=0.8)
    share_ticks(axes, both=True)
    axes.set_xlabel(spoken, fontsize=12)
    axes.set_ylabel("observed share" if found.of else "share that was right", fontsize=12)


def _counts(axes: Axes, found: Reliability, spoken: str) -> None:
    widths = [0.92 * (one.high - one.low) for one in found.bins]
    places = [(one.low + one.high) / 2 for one in found.bins]
    axes.bar(places, [one.predictions for one in found.bins], widths, color=FROST, alpha=0.55, linewidth=0)
    for place, one in zip(places, found.bins, strict=True):
        axes.annotate(
            f"{one.predictions:,}",
            (place, one.predictions),
            (0, 4),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize=11,
        )
    axes.set(xlim=(-0.02, 1.02), yticks=[], ylim=(0, 1.12 * max(one.predictions for one in found.bins)))
    share_ticks(axes, both=False)
    axes.set_xlabel(spoken, fontsize=12)
    axes.set_title("predictions a bin", loc="left", fontsize=12, color=MUTED)


def share_ticks(axes: Axes, both: bool) -> None:
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    names = ["0", ".2", ".4", ".6", ".8", "1"]
    axes.set_xticks(ticks, names)
    if both:
        axes.set_yticks(ticks, names)


# --- what more images would buy ----------------------------------------------------------------------------------------

# A hue, a marker and a dash each: told apart in grey, too.
CURVES = {
    "frozen": (INK, "s", (0, (5, 2))),
    "chosen": (FROST, "o", "-"),
    "tuned": (FROST, "o", "-"),
    "scratch": (EMBER, "^", (0, (1.5, 1.5))),
}
APART = {"frozen": 0.97, "scratch": 1.03}  # times the images: intervals at one size lie side by side


@dataclass(frozen=True)
class CurveLine:
    """One recipe over the number of training images: (images, score) as measured, and as fitted up to twice the images."""

    role: str
    label: str
    points: tuple[tuple[float, Interval], ...]
    band: tuple[tuple[float, Interval], ...]


def curve_picture(lines: Sequence[CurveLine], images: int, metric: str) -> Picture:
    """Scores against the number of training images, with bands; what lies beyond the data is shaded."""
    said = [
        f"{line.label} from {score(line.points[0][1].value, metric)} with {line.points[0][0]:,.0f} images"
        f" to {score(line.points[-1][1].value, metric)} with {line.points[-1][0]:,.0f}"
        for line in lines
    ]
    alt = f"{metric_name(metric)} by the number of training images: {'; '.join(said)}."
    return picture(lambda width: _curves(width, lines, images, metric), "curve", alt)


def _curves(width: int, lines: Sequence[CurveLine], images: int, metric: str) -> Figure:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    narrow, height = width < 500, 330
    figure = blank(width, height)
    left, right = 44 / width, (14 if narrow else 150) / width
    axes = figure.add_axes((left, 52 / height, 1 - left - right, (height - 52 - 34) / height))
    limits = limits_of([value for line in lines for _, value in (*line.points, *line.band)])
    sizes = sorted({round(size) for line in lines for size, _ in line.points})
    axes.set_xscale("log")
    axes.set(xlim=(0.88 * sizes[0], 2 * images * 1.04), ylim=limits)
    axes.axvspan(images * 1.08, 2 * images * 1.04, color=STONE, alpha=0.13, linewidth=0)
    axes.annotate(
        "not measured",
        (1, 0),
        (-4, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        color=MUTED,
        fontsize=11,
    )
    ends = [_curve_line(axes, line) for line in lines]
    ticks = _apart(sizes, images)
    axes.xaxis.set_major_locator(FixedLocator([*ticks, 2 * images]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value, metric)))
    axes.grid(axis="y", linewidth=0.7, alpha=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("training images", fontsize=12)
    axes.set_title(metric_name(metric), loc="left", fontsize=12, color=MUTED)
    if narrow:
        axes.legend(frameon=False, fontsize=11, loc="best", labelcolor=MUTED)
    else:
        _end_labels(axes, ends, limits)
    return figure


def _curve_line(axes: Axes, line: CurveLine) -> tuple[float, str, str]:
    """Points with their intervals, the fitted line and its band; what stands beside its end."""
    colour, marker, dash = CURVES[line.role]
    if line.band:
        sizes = [size for size, _ in line.band]
        low, high = [value.low for _, value in line.band], [value.high for _, value in line.band]
        axes.fill_between(sizes, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(sizes, [value.value for _, value in line.band], linestyle=dash, color=colour, linewidth=2)
    for size, value in line.points:
        place = size * APART.get(line.role, 1.0)
        axes.plot([place, place], [value.low, value.high], color=colour, linewidth=1.6, alpha=0.75)
    places = [size * APART.get(line.role, 1.0) for size, _ in line.points]
    style = dash if line.band else "none"
    axes.plot(places, [v.value for _, v in line.points], marker, color=colour, markersize=7, markeredgecolor=PAPER)
    axes.plot([], [], marker=marker, linestyle=style, color=colour, linewidth=2, markersize=7, label=line.label)
    last = line.band[-1][1] if line.band else line.points[-1][1]
    return last.value, line.label, colour


def _apart(sizes: Sequence[int], images: int) -> list[int]:
    """Those of `sizes`, from the largest down, that leave room for their labels; n itself stands for all near it."""
    kept = [images]
    for size in sorted(sizes, reverse=True):
        if size < 0.75 * kept[-1]:
            kept.append(size)
    return kept
