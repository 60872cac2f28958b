"""What a running search shows: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from frostline.report.numbers import big, clock, metric_name, score
from frostline.report.ranking import lettered
from frostline.report.short import middle, short_backbones, short_recipe, short_recipes
from frostline.terms.progress import (
    BackboneLoaded,
    Event,
    MetricChosen,
    PhaseEnded,
    PhaseStarted,
    Progressed,
    Ranked,
    RankedRow,
    RecipeFinished,
    Remaining,
    Shared,
    Sharing,
    TrialFinished,
    Warned,
)
from frostline.terms.quantities import count, duration, plural

MOST_RANKED, MOST_SHARED = 10, 3  # lines of the live table, and of what is shared
AROUND = 9  # lines of a screen that are not the live table's
FAMILY, BAR = 19, 30  # characters
LEAST_NAME, LEAST_BAR = 10, 6  # of a phase


@dataclass
class _Phase:
    name: str
    total: int | None
    unit: str
    started: float
    done: int = 0

    def left(self, now: float) -> float | None:
        """Seconds that the rest will take at the speed so far; None before anything is known."""
        if not self.total or not self.done:
            return None
        return (now - self.started) / self.done * max(0, self.total - self.done)


@dataclass
class _State:
    """All that the events so far have said.

    Attributes:
        moved: places that each recipe has gone up (or, below 0, down) since the ranking before; None where it is new.
        trials: that are finished. stages: of all backbones. backbones: in the order of `-b`.
    """

    started: float
    metric: str = ""  # not known before the data are read
    phase: _Phase | None = None
    ranking: tuple[RankedRow, ...] = ()
    moved: dict[tuple[str, str], int | None] = field(default_factory=dict)
    sharing: dict[str, Sharing] = field(default_factory=dict)
    remaining: float | None = None
    remaining_at: float = 0.0
    trials: int = 0
    stages: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()

    def take(self, event: Event, now: float) -> None:
        if isinstance(event, PhaseStarted):
            self.phase = _Phase(event.name, event.total, event.unit, now)
        elif isinstance(event, Progressed):
            if self.phase is not None and self.phase.name == event.name:
                self.phase.done = event.done
        elif isinstance(event, PhaseEnded):
            self.phase = None if self.phase and self.phase.name == event.name else self.phase
        elif isinstance(event, TrialFinished):
            self.trials += 1
        elif isinstance(event, Ranked):
            self._rank(event.rows)
        elif isinstance(event, MetricChosen):
            self.metric = event.metric
        elif isinstance(event, BackboneLoaded):
            self.stages += event.stages
            self.backbones += (event.backbone,)
        elif isinstance(event, Sharing):
            self.sharing[event.what] = event
        elif isinstance(event, Remaining):
            self.remaining, self.remaining_at = event.seconds, now

    def _rank(self, rows: tuple[RankedRow, ...]) -> None:
        """Take a new ranking, and note who went where; the same one again leaves the notes as they are."""
        before = {(row.backbone, row.recipe): place for place, row in enumerate(self.ranking)}
        after = {(row.backbone, row.recipe): place for place, row in enumerate(rows)}
        if list(before) != list(after):
            self.moved = {key: before[key] - place if key in before else None for key, place in after.items()}
        self.ranking = rows

    def letter(self, backbone: str) -> str:
        """`A `, `B ` and so on where there are several backbones, blank for what has none; empty where there is one."""
        known = lettered(self.backbones)
        return f"{known.get(backbone, ' ')} " if known else ""

    def left(self, now: float) -> float | None:
        """The estimate of what is left of the whole run, counted down since it was given."""
        return None if self.remaining is None else max(0.0, self.remaining - (now - self.remaining_at))


class LiveView:
    """Shows a search while it runs: `start()`, `update(event)` for each event, `stop()`; also a context manager.

    On a terminal what happened (a finished recipe, a warning) scrolls by above a table that is drawn again and again: the
    ranking, what is shared, the time left. The table goes when the search ends; the lines stay.

    Args:
        console: standard error by default, so that results can be piped.
        clock: monotonic seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._state = _State(clock())
        self._live: Live | None = None

    def start(self) -> None:
        """Begin to show; the clock starts here."""
        self._state.started = self._clock()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(_Screen(self._state, self._clock), console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def update(self, event: Event) -> None:
        """Take one event."""
        self._state.take(event, self._clock())
        if self._live is None:
            self._print(event)
        elif (line := _scrolled(event, self._state, self._console.width)) is not None:
            self._live.console.print(line, highlight=False)

    def stop(self) -> None:
        """Stop showing and leave the terminal as it was; may be called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> LiveView:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _print(self, event: Event) -> None:
        line = plain_line(event, self._state.metric)
        if line:
            now = self._clock()
            left = self._state.left(now)
            estimate = f" (about {duration(left)} left)" if left else ""
            text = f"[{clock(now - self._state.started)}] {line}{estimate}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)


# --- lines -----------------------------------------------------------------------------------------------------------


def plain_line(event: Event, metric: str) -> str:
    """The line that a pipe gets for a finished phase, a finished recipe, or what is said and shared; empty for all else."""
    if isinstance(event, PhaseEnded):
        note = f": {event.note}" if event.note else ""
        return f"{event.name} {'finished in' if event.finished else 'stopped after'} {duration(event.seconds)}{note}"
    if isinstance(event, Shared):
        return event.sentence
    if isinstance(event, BackboneLoaded):
        return f"Backbone {event.backbone}: {plural(len(event.stages), 'stage')}, {', '.join(event.stages)}"
    if isinstance(event, Warned):
        return f"Warning: {event.sentence}"
    if isinstance(event, Sharing):
        return f"Shared: {sharing_line(event)}"
    return recipe_line(event, metric) if isinstance(event, RecipeFinished) else ""


def recipe_line(event: RecipeFinished, metric: str) -> str:
    """`softmax-only on resnet18 [all: freeze | head: linear] AUROC .945 (5 folds, 3.1 s)`."""
    where = f" on {event.backbone}" if event.backbone else ""
    value = f"{metric_name(metric)} {score(event.score, metric)}" if event.score is not None else "no score"
    return f"{event.family}{where} [{event.recipe}] {value} ({_of(event)}, {_cost(event)})"


def _of(event: RecipeFinished) -> str:
    return plural(event.folds, "fold") if event.folds else "screened"


def _cost(event: RecipeFinished) -> str:
    return duration(event.seconds) if event.seconds else "already there"


def sharing_line(event: Sharing) -> str:
    """`pre-trained resnet18 at 224 px: 8 cuts of 150 images, 4.1 MB, computed once for 60 trials of 12 recipes`."""
    kept = f"{plural(event.cuts, 'cut')} of {plural(event.images, 'image')}, {big(event.stored_bytes)}B"
    return f"{event.what}: {kept}, computed once for {plural(event.trials, 'trial')} of {plural(event.recipes, 'recipe')}"


def _scrolled(event: Event, state: _State, width: int) -> RenderableType | None:
    """What scrolls by above the live table; None for what only changes the table."""
    if isinstance(event, Warned):
        return _marked("!", event.sentence, "yellow")
    if isinstance(event, RecipeFinished):
        return _finished(event, state, width)
    quiet = isinstance(event, PhaseEnded) and event.finished and not event.note
    line = "" if quiet or isinstance(event, Sharing) else plain_line(event, state.metric)
    return _marked("·", line, "dim") if line else None


def _marked(mark: str, sentence: str, style: str) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=1)
    row.add_column(overflow="fold")
    row.add_row(Text(mark, style=style), Text(sentence, style=style))
    return row


def _finished(event: RecipeFinished, state: _State, width: int) -> Text:
    """`✓  .945  softmax-only  all: freeze | head: linear  5 folds, 3.1 s`, in one line of `width`; in brackets: screened."""
    value = score(event.score, state.metric) if event.score is not None else "failed"
    value = f"{value if event.folds else f'({value})':>7}"
    letter = state.letter(event.backbone)
    tail = f"{_of(event)}, {_cost(event)}" if event.folds else _cost(event)
    room = max(8, width - 2 - len(value) - 2 - len(letter) - FAMILY - 1 - len(tail) - 2)
    text = Text(no_wrap=True)
    text.append("✓ ", style="green" if event.score is not None else "red")
    text.append(f"{value}  {letter}", style="bold" if event.folds else "dim")
    text.append(f"{middle(event.family, FAMILY):<{FAMILY}} {short_recipe(event.recipe, room, state.stages):<{room}}  ")
    text.append(tail, style="dim")
    return text


# --- the live table --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Screen:
    """Draws the state as it is at the moment of drawing."""

    state: _State
    clock: Callable[[], float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now, width = self.clock(), options.max_width
        parts: list[RenderableType] = [Text("")]
        if self.state.ranking:
            room = max(3, min(MOST_RANKED, console.size.height - AROUND))
            parts += [_ranking(self.state, room, width), *_keys(self.state, width), Text("")]
        for event in [*self.state.sharing.values()][-MOST_SHARED:]:
            parts.append(_shared(event, width))
        yield Group(*parts, _phase_line(self.state, now, width))


def _ranking(state: _State, room: int, width: int) -> Table:
    """The best so far, with the places that each has moved since the ranking before."""
    rows, metric = state.ranking[:room], state.metric
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right", width=2)
    table.add_column("", width=3)
    table.add_column(f"ranking so far, {plural(len(state.ranking), 'recipe')}", no_wrap=True, overflow="ellipsis")
    table.add_column("family", no_wrap=True)
    table.add_column(metric_name(metric), no_wrap=True, justify="right")
    table.add_column("folds", no_wrap=True, justify="right")
    family = max(6, *(len(row.family) for row in rows))
    marks = [state.letter(row.backbone) for row in rows]
    wide = width - 3 - 4 - family - 1 - max(5, len(metric_name(metric))) - 1 - 6 - len(marks[0])
    names = [mark + name for mark, name in zip(marks, short_recipes([row.recipe for row in rows], wide), strict=True)]
    for rank, (row, name) in enumerate(zip(rows, names, strict=True), start=1):
        place = state.moved.get((row.backbone, row.recipe), 0)
        cells = (name, row.family, score(row.score, metric), str(row.folds))
        style = "bright_cyan" if rank == 1 else ""
        table.add_row(Text(str(rank)), _move(place), *(Text(cell) for cell in cells), style=style)
    return table


def _keys(state: _State, width: int) -> list[Text]:
    """Which letter stands for which backbone."""
    known = lettered(state.backbones)
    short = short_backbones(tuple(known))
    keys = [f"{letter} {middle(short[name], width - 2)}".replace(" ", "\N{NO-BREAK SPACE}") for name, letter in known.items()]
    return [Text("   ".join(keys), style="dim")] if known else []


def _move(places: int | None) -> Text:
    """`▲2`, `▼1`, `new`, or nothing."""
    if places is None:
        return Text("new", style="green")
    if not places:
        return Text("")
    return Text(f"▲{places}", style="green") if places > 0 else Text(f"▼{-places}", style="yellow")


def _shared(event: Sharing, width: int) -> Text:
    """As `sharing_line`, the tail kept whole: what it saves is what is told."""
    tail = f"{big(event.stored_bytes)}B once for {plural(event.trials, 'trial')} of {plural(event.recipes, 'recipe')}"
    head = "shared: " + re.sub(r"\S+/", "", event.what)
    more = f", {plural(event.cuts, 'cut')}, {plural(event.images, 'image')}"
    room = max(12, width - len(tail) - 2)
    head = head + more if len(head) + len(more) <= room else middle(head, room)
    return Text(f"{head}  {tail}"[:width], style="dim", no_wrap=True)


def _phase_line(state: _State, now: float, width: int) -> RenderableType:
    """`screening  ━━━━━━──── 12/30 trials  0:48, about 1 min 10 s left`."""
    left = state.left(now)
    estimate = "" if left is None else f", about {duration(left)} left" if left else ", longer than expected"
    tail = clock(now - state.started) + estimate
    phase = state.phase
    if phase is None:
        done = f"{plural(state.trials, 'trial')} finished  " if state.trials else "starting  " if not state.metric else ""
        return Text(f"{done}{tail}", style="bold", no_wrap=True)
    grid = Table.grid(padding=(0, 2, 0, 0))
    done = f"{count(phase.done)}/{count(phase.total)} {phase.unit}" if phase.total else ""
    own = phase.left(now)  # at the speed so far; what exceeds the whole's estimate will be cut short, or is wrong
    left_words = f", {duration(own)}" if own is not None and (not left or own <= left) else ""
    done += left_words if width - len(done + left_words + tail) - 6 >= LEAST_NAME + LEAST_BAR else ""
    space = width - len(done) - len(tail) - 6  # of the name and the bar; between four columns there are two blanks each
    name = middle(phase.name, max(LEAST_NAME, min(max(width // 3, LEAST_NAME), space - LEAST_BAR)))
    room = max(LEAST_BAR, min(BAR, space - len(name)))
    bar = ProgressBar(total=phase.total, completed=phase.done, width=room, pulse=phase.total is None, animation_time=now)
    grid.add_row(Text(name, style="bold", no_wrap=True), bar, Text(done, no_wrap=True), Text(tail, no_wrap=True))
    return grid
