"""The verdict, the ranked table, stages and names, as rich renderables that fit 80 columns and use 120."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from frostline.report.answers import short_answers
from frostline.report.details import label_cells
from frostline.report.live import LiveView
from frostline.report.more_images import equality_sentence
from frostline.report.numbers import big, clock, half_width, metric_name, points, score
from frostline.report.ranking import is_control, lettered, mark, meanings, ranked, status
from frostline.report.short import middle, short_backbones, short_recipes
from frostline.report.words import summary
from frostline.terms.backbone import Backbone, Cut
from frostline.terms.detail import Detail
from frostline.terms.evidence import Evidence
from frostline.terms.plan import Fit, Plan
from frostline.terms.quantities import duration, plural, plural_of
from frostline.terms.verdict import IMAGE, Interval, Row, Verdict

__all__ = [
    "LiveView", "answers_table", "backbones_table", "findings_table", "label_table", "plan_table", "ranked_table",
    "stages_table", "verdict_panel",
]  # fmt: skip

WIDE = 110
BAR = 18
STYLES = {"chosen": "bold bright_cyan", "tied": "cyan", "control": "yellow", "failed": "red", "not-run": "dim", "screened": "dim"}


def label_table(detail: Detail) -> RenderableType:
    """Of several labels an image, each: how many images have it, AUROC and average precision, sensitivity and specificity."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("label", no_wrap=True, overflow="ellipsis")
    for heading in ("images", "AUROC", "average precision", "sens. / spec."):
        table.add_column(heading, no_wrap=True, justify="right")
    for row in label_cells(detail):
        table.add_row(*(Text(cell) for cell in row))
    return table


def verdict_panel(verdict: Verdict) -> RenderableType:
    """The verdict's sentences in a frame, and the recipe as a line that can be typed."""
    lines: list[RenderableType] = []
    for index, sentence in enumerate(summary(verdict)):
        lines += [Text("")] if index else []
        lines.append(Text(sentence))
    recipe = Text(verdict.chosen.recipe, style="bold bright_cyan")
    title = Text("interim verdict" if verdict.interim else "verdict", style="bold")
    return Panel(Group(*lines, Text(""), recipe), title=title, title_align="left", border_style="cyan", padding=(1, 2))


def answers_table(verdict: Verdict, evidence: Evidence) -> RenderableType:
    """The four questions with their answers in a line, as on the page."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="bright_cyan")
    table.add_column(overflow="fold")
    for number, (question, answer) in enumerate(short_answers(verdict, evidence), start=1):
        table.add_row(Text(str(number)), Text.assemble((question, "bold"), " ", answer))
    return table


def findings_table(warnings: Sequence[str], most: int) -> RenderableType:
    """What is wrong with the images, the worst first, at most so many."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="yellow")
    table.add_column(overflow="fold")
    for warning in warnings[:most]:
        table.add_row(Text("!"), Text(warning, style="yellow"))
    return table


def ranked_table(rows: Sequence[Row] | Verdict, every: Sequence[Row] = ()) -> RenderableType:
    """The recipes, best first: mark, recipe, family, score with its interval, folds, time; status where there is room.

    Args:
        every: row of the run, where only some are shown: a backbone has the same letter in all of its tables.
    """
    shown = rows.rows if isinstance(rows, Verdict) else rows
    return _Ranked(ranked(shown), lettered([row.backbone for row in every or shown]))


@dataclass(frozen=True)
class _Ranked:
    """Builds the table for the width it is shown at."""

    rows: tuple[Row, ...]
    letters: dict[str, str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.rows:
            yield Text("No recipe has a result yet.")
            return
        yield _table(self.rows, options.max_width, self.letters)
        yield Padding(_legend(self.rows, self.letters), (0, 0, 0, 1))


def _table(rows: tuple[Row, ...], width: int, letters: dict[str, str]) -> Table:
    wide = width >= WIDE
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=1)
    if letters:
        table.add_column("", width=1)
    table.add_column("recipe", no_wrap=True, overflow="ellipsis")
    table.add_column("family", no_wrap=True, overflow="ellipsis")
    table.add_column(metric_name(rows[0].metric), no_wrap=True, justify="right")
    if wide:
        table.add_column("95 % interval", no_wrap=True, width=BAR)
    table.add_column("folds", no_wrap=True, justify="right")
    table.add_column("time", no_wrap=True, justify="right")
    if wide:
        table.add_column("status", no_wrap=True)
    room = _recipe_room(rows, width, letters)
    axis, names = _axis(rows), short_recipes([row.recipe for row in rows], room)
    for row, name in zip(rows, names, strict=True):
        table.add_row(*_cells(row, name, axis, letters, wide), style=STYLES.get(row.status, ""))
    return table


def _cells(row: Row, name: str, axis: tuple[float, float], letters: dict[str, str], wide: bool) -> list[Text]:
    cells = [Text(mark(row))]
    if letters:
        cells.append(Text(letters.get(row.backbone, "")))
    cells += [Text(name), Text(row.family), Text(_score_cell(row))]
    if wide:
        cells.append(Text(interval_bar(row.score, axis, BAR)))
    cells += [Text(str(row.folds or "")), Text(clock(row.seconds) if row.seconds else "")]
    return [*cells, Text(status(row))] if wide else cells


def _score_cell(row: Row) -> str:
    if row.score is not None:
        return f"{score(row.score.value, row.metric)} {half_width(row.score, row.metric)}"
    if row.screened is not None:
        return f"({score(row.screened, row.metric)})     "
    return row.status.replace("-", " ")


def _recipe_room(rows: tuple[Row, ...], width: int, letters: dict[str, str]) -> int:
    """Characters left for the recipe beside all other columns."""
    family = max(6, *(len(row.family) for row in rows))
    value = max(len(metric_name(rows[0].metric)), *(len(_score_cell(row)) for row in rows))
    seconds = max(4, *(len(clock(row.seconds)) for row in rows))
    others = 2 + (2 if letters else 0) + family + 1 + value + 1 + 6 + seconds + 2
    if width >= WIDE:
        others += BAR + 1 + max(6, *(len(status(row)) for row in rows)) + 1
    return max(16, width - others)


def _axis(rows: tuple[Row, ...]) -> tuple[float, float]:
    """The smallest and the largest end of an interval."""
    ends = [end for row in rows if row.score for end in (row.score.low, row.score.high) if math.isfinite(end)]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def interval_bar(value: Interval | None, axis: tuple[float, float], width: int) -> str:
    """`   ╺━●━╸    `: the interval on the common axis; blank where there is none."""
    if value is None or not all(math.isfinite(end) for end in (value.low, value.value, value.high)):
        return ""
    span = (axis[1] - axis[0]) or 1.0
    low, at, high = (round((end - axis[0]) / span * (width - 1)) for end in (value.low, value.value, value.high))
    line = [" "] * width
    line[low : high + 1] = "━" * (high + 1 - low)
    line[at] = "●"
    return "".join(line)


def _legend(rows: tuple[Row, ...], letters: dict[str, str]) -> RenderableType:
    present = {row.status for row in rows} | ({"control"} if any(is_control(row) for row in rows) else set())
    short = short_backbones(tuple(letters))
    keys = [f"{letter} {short[name]}" for name, letter in letters.items()]
    unbroken = ([item.replace(" ", "\N{NO-BREAK SPACE}") for item in part] for part in (keys, meanings(present)) if part)
    lines = [Text("   ".join(part), style="dim") for part in unbroken]
    return Group(*lines)


def plan_table(plan: Plan) -> RenderableType:
    """The recipes, the shared work with its cost beside that of doing it alone, and what can be detected."""
    lines = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    lines.add_column("family", no_wrap=True)
    lines.add_column("recipe", no_wrap=True, overflow="ellipsis", ratio=1)
    several = len({backbone for backbone, _, _ in plan.lines if backbone}) > 1
    for backbone, recipe, family in plan.lines:
        lines.add_row(Text(family), Text(f"{recipe} ({backbone})" if several and backbone else recipe))
    draws = f", drawn {plan.repeats} times" if plan.repeats > 1 else ""
    splits = f"{plural(plan.pool, 'image')} at {plan.size} px in {plural(plan.folds, 'fold')}{draws}; {plan.sealed:,} sealed"
    draw = "first draw" if plan.folds > 1 else "second draw"  # of single hold-outs two have to be compared
    settled = f", {duration(plan.seconds - plan.settled_s)} if the ranking settles on the {draw}" if plan.settled_s else ""
    saved = f"{duration(plan.seconds)} in all{settled}; alone, every recipe at full size on every fold: {duration(plan.alone_s)}."
    recipes, gap, notes = (
        Text(plural(len(plan.lines), "recipe"), style="bold"),
        Text(""),
        (Text(n, style="dim") for n in plan.notes),
    )
    fits = [] if plan.fit is None else [Text(_fit(plan.fit))]
    return Group(
        recipes,
        lines,
        gap,
        Text(splits),
        gap,
        _tasks(plan),
        gap,
        Text(saved),
        Text(_on_disk(plan)),
        *fits,
        gap,
        _reach(plan),
        Text(equality_sentence(plan)),
        gap,
        *notes,
    )


def _on_disk(plan: Plan) -> str:
    """What is stored, and what is computed again for want of room."""
    left_out = list(dict.fromkeys(name for task in plan.tasks for name in task.left_out))
    room = f"{big(plan.stored_bytes)}B on disk, of it activations in at most {big(plan.cache_bytes)}B (--cache-size)"
    if not left_out:
        return f"{room}: all of them are stored."
    shown = ", ".join(left_out[:6]) + (f" and {len(left_out) - 6} more" if len(left_out) > 6 else "")
    return f"{room}: no room for {shown}, computed again whenever they are needed."


def _reach(plan: Plan) -> Table:
    """The smallest true difference that is found in at least 80 % of runs, with these images and with more."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("images to search on", no_wrap=True, justify="right")
    if plan.unit != IMAGE:
        table.add_column(plural_of(plan.unit), no_wrap=True, justify="right")
    table.add_column(f"smallest difference of {metric_name(plan.metric)} that 80 % of such runs find", justify="right")
    for one in plan.reach:
        times = "" if one.times == 1 else f" ({one.times} times)"
        groups = [Text(f"{one.units:,}")] if plan.unit != IMAGE else []
        table.add_row(Text(f"{one.images:,}{times}"), *groups, Text(points(one.difference, plan.metric)))
    return table


def _fit(fit: Fit) -> str:
    """What a time limit leaves room for, in one sentence."""
    limit, least = duration(fit.time_s), duration(fit.least_s)
    if fit.least_s > fit.time_s:
        return f"{limit} is less than a verdict needs here, about {least}; that much is run all the same."
    if not fit.images:
        return f"Within {limit} all of this is run; it needs about {least}."
    again = ", the best third again three times as long" if fit.second_rung else ""
    screened = f"each tuned recipe is screened on {plural(fit.images, 'image')} for {plural(fit.epochs, 'epoch')}{again}"
    full = (
        f"the best is trained at full size for about {plural(fit.final_epochs, 'epoch')}"
        if fit.final_epochs
        else "none is trained at full size"
    )
    scratch = f", from scratch for {fit.scratch_epochs}" if fit.scratch_epochs else ""
    return f"Within {limit}: heads on frozen features (about {least} with closing); then {screened}; then {full}{scratch}."


def _tasks(plan: Plan) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("shared work", no_wrap=True, overflow="ellipsis", ratio=1, style="bright_cyan")
    for header in ("serves", "once", "alone", "on disk"):
        table.add_column(header, no_wrap=True, justify="right")
    for task in plan.tasks:
        stored = f"{big(task.stored_bytes)}B" if task.stored_bytes else ""
        table.add_row(Text(task.name), Text(str(task.serves)), Text(clock(task.seconds)), Text(clock(task.alone_s)), Text(stored))
    return table


def stages_table(backbone: Backbone, all_cuts: bool) -> RenderableType:
    """The backbone's stages, or every cut: modules, output shape, parameters, FLOPs, and KiB an image in half precision."""
    channels, height, width = backbone.spec.size
    title = Text(f"{backbone.name}   input {channels} x {height} x {width}", style="bold")
    parts: list[RenderableType] = [title, Text(""), _cuts(backbone) if all_cuts else _stages(backbone), Text("")]
    parts.append(
        Text("parameters and multiply-accumulates of one image; KiB an image as stored, two bytes a number", style="dim")
    )
    parts += [Text(note) for note in backbone.notes]
    return Group(*parts)


def _stages(backbone: Backbone) -> Table:
    table = _numbers_table("stage", "modules")
    for stage in backbone.stages:
        tied = f" (shares parameters with {', '.join(stage.tied_to)})" if stage.tied_to else ""
        _add_cut(table, stage.name, _modules(stage.modules) + tied, stage.cut, stage.parameters, stage.flops)
    return table


def _cuts(backbone: Backbone) -> Table:
    table = _numbers_table("cut", "stage")
    ends = {stage.cut.name: stage.name for stage in backbone.stages}
    before_parameters = before_flops = 0
    for cut in backbone.cuts or tuple(stage.cut for stage in backbone.stages):
        _add_cut(table, cut.name, ends.get(cut.name, ""), cut, cut.parameters - before_parameters, cut.flops - before_flops)
        before_parameters, before_flops = cut.parameters, cut.flops
    return table


def _numbers_table(name: str, second: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(name, no_wrap=True, overflow="ellipsis", style="bright_cyan")
    table.add_column(second, overflow="ellipsis", no_wrap=True, ratio=1)
    for header in ("output", "params", "MACs", "KiB"):
        table.add_column(header, no_wrap=True, justify="right")
    return table


def _add_cut(table: Table, name: str, second: str, cut: Cut, parameters: int, flops: int) -> None:
    shape = " x ".join(str(extent) for extent in cut.shape)
    kib = f"{cut.values * 2 / 1024:,.1f}"
    table.add_row(Text(name), Text(second), Text(shape), Text(big(parameters)), Text(big(flops)), Text(kib))


def _modules(paths: tuple[str, ...]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} .. {paths[-1]}" if paths else ""


def backbones_table(names: Sequence[str]) -> RenderableType:
    """The names in as many columns as fit, read downwards."""
    return _Names(tuple(names))


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.names:
            yield Text("No backbone has such a name.")
            return
        longest = min(max(len(name) for name in self.names), options.max_width)
        columns = max(1, (options.max_width + 2) // (longest + 2))
        height = math.ceil(len(self.names) / columns)
        for line in range(height):
            cells = self.names[line::height]
            yield Text("  ".join(middle(name, longest).ljust(longest) for name in cells).rstrip(), no_wrap=True)
