"""What a running search shows: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from frostline.report.numbers import clock, metric_name, score
from frostline.report.short import middle, short_recipe
from frostline.terms.progress import (
    Event,
    MetricChosen,
    PhaseEnded,
    PhaseStarted,
    Progressed,
    Ranked,
    Shared,
    TrialFinished,
)
from frostline.terms.quantities import count, duration


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
    """All that the events so far have said."""

    started: float
    metric: str = ""  # not known before the data are read
    phase: _Phase | None = None
    ended: list[PhaseEnded] = field(default_factory=list)
    ranking: tuple[tuple[str, str, float, int], ...] = ()
    shared: str = ""
    remaining: float | None = None
    remaining_at: float = 0.0
    last: TrialFinished | None = None
    trials: int = 0

    def take(self, event: Event, now: float) -> None:
        if isinstance(event, PhaseStarted):
            self.phase = _Phase(event.name, event.total, event.unit, now)
        elif isinstance(event, Progressed):
            if self.phase is not None and self.phase.name == event.name:
                self.phase.done = event.done
        elif isinstance(event, PhaseEnded):
            self.ended.append(event)
            self.phase = None if self.phase and self.phase.name == event.name else self.phase
        elif isinstance(event, TrialFinished):
            self.last, self.trials = event, self.trials + 1
        elif isinstance(event, Ranked):
            self.ranking = event.rows
        elif isinstance(event, MetricChosen):
            self.metric = event.metric
        elif isinstance(event, Shared):
            self.shared = event.sentence
        else:
            self.remaining, self.remaining_at = event.seconds, now

    def left(self, now: float) -> float | None:
        """The estimate of what is left of the whole run, counted down since it was given."""
        return None if self.remaining is None else max(0.0, self.remaining - (now - self.remaining_at))


class LiveView:
    """Shows a search while it runs: `start()`, `update(event)` for each event, `stop()`; also a context manager.

    Args:
        console: standard error by default, so that results can be piped.
        clock: monotonic seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._state = _State(clock())
        self._live: Live | None = None
        self._printed: set[tuple[str, str, str]] = set()

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
        line = self._line(event)
        if line:
            now = self._clock()
            left = self._state.left(now)
            estimate = f" (about {duration(left)} left)" if left is not None else ""
            text = f"[{clock(now - self._state.started)}] {line}{estimate}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)

    def _line(self, event: Event) -> str:
        """The plain line for a finished phase, a recipe's first result on a rung, or what is shared."""
        if isinstance(event, PhaseEnded):
            note = f": {event.note}" if event.note else ""
            return f"{event.name} {'finished in' if event.finished else 'stopped after'} {duration(event.seconds)}{note}"
        if isinstance(event, Shared):
            return event.sentence
        if isinstance(event, TrialFinished):
            key = (event.recipe, event.backbone, event.rung)
            if key in self._printed:
                return ""
            self._printed.add(key)
            return trial_line(event, self._state.metric)
        return ""


def trial_line(event: TrialFinished, metric: str) -> str:
    """`softmax-only on resnet18: all: freeze | head: linear: AUROC .945 (r0f0, full, 3.1 s)`."""
    where = f" on {event.backbone}" if event.backbone else ""
    value = f"{metric_name(metric)} {score(event.score, metric)}" if event.score is not None else "no score"
    cost = duration(event.seconds) if event.seconds else "already there"
    return f"{event.family}{where} [{event.recipe}] {value} ({event.split}, {event.rung}, {cost})"


@dataclass(frozen=True)
class _Screen:
    """Draws the state as it is at the moment of drawing."""

    state: _State
    clock: Callable[[], float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now, width = self.clock(), options.max_width
        parts: list[RenderableType] = []
        if self.state.ranking:
            room = max(3, min(12, console.size.height - 8))
            parts += [_ranking(self.state.ranking[:room], width, self.state.metric), Text("")]
        if self.state.shared:
            parts.append(Text(middle(self.state.shared, width), style="dim", no_wrap=True))
        if self.state.last is not None:
            last = f"last: {trial_line(self.state.last, self.state.metric)}"
            parts.append(Text(middle(last, width), style="dim", no_wrap=True))
        yield Group(*parts, _phase_line(self.state, now, width))


def _ranking(rows: tuple[tuple[str, str, float, int], ...], width: int, metric: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right", width=2)
    table.add_column("recipe", no_wrap=True, overflow="ellipsis")
    table.add_column("family", no_wrap=True)
    table.add_column(metric_name(metric), no_wrap=True, justify="right")
    table.add_column("folds", no_wrap=True, justify="right")
    family = max(6, *(len(row[1]) for row in rows))
    room = width - 3 - family - 1 - max(5, len(metric_name(metric))) - 1 - 6
    for rank, (recipe, name, value, folds) in enumerate(rows, start=1):
        style = "bright_cyan" if rank == 1 else ""
        cells = (str(rank), short_recipe(recipe, room), name, score(value, metric), str(folds))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _phase_line(state: _State, now: float, width: int) -> RenderableType:
    """`screening  ━━━━━━──── 12/30 trials  0:48  about 1 min 10 s left`."""
    left = state.left(now)
    tail = f"{clock(now - state.started)}" + (f"  about {duration(left)} left" if left is not None else "")
    phase = state.phase
    if phase is None:
        return Text(tail, style="bold", no_wrap=True)
    grid = Table.grid(padding=(0, 2, 0, 0))
    done = f"{count(phase.done)}/{count(phase.total)} {phase.unit}" if phase.total else f"{count(phase.done)} {phase.unit}"
    own = phase.left(now)
    done += f", {duration(own)}" if own is not None else ""
    name = middle(phase.name, max(10, width // 4))
    room = max(8, min(30, width - len(name) - len(done) - len(tail) - 8))
    bar = ProgressBar(total=phase.total, completed=phase.done, width=room, pulse=phase.total is None, animation_time=now)
    grid.add_row(Text(name, style="bold"), bar, Text(done.strip(), no_wrap=True), Text(tail, style="dim", no_wrap=True))
    return grid
