"""What commands print: results on standard output, everything for people on standard error."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from frostline.terms.cell import cell

if TYPE_CHECKING:
    from rich.console import Console

    from frostline.api import Run
    from frostline.export.predict import Prediction


SHOWN_ROWS = 14  # of the ranked table on a terminal: it and the verdict fit one screen
SHOWN_FINDINGS = 3  # about the images


def print_run(run: Run, whole: bool = False) -> None:
    """The ranked table, the verdict and the answers: framed and short on a terminal, plain and complete anywhere else.

    Args:
        whole: every row of the table, on a terminal too.
    """
    from frostline.report.details import short_lines, which_number
    from frostline.report.more_images import curve_answer
    from frostline.report.terminal import answers_table, label_table, verdict_panel
    from frostline.report.words import summary

    console = stdout_console()
    _print_rows(console, run, whole)
    if console.is_terminal:
        console.print(verdict_panel(run.verdict))
    else:
        echo("\n".join(["", *summary(run.verdict), "", f"Use: {run.verdict.chosen.recipe}"]))
    echo("")
    console.print(answers_table(run.verdict, run.evidence))
    _print_findings(console, run)
    if run.verdict.detail is not None:
        which = which_number(run.verdict)
        _print_detail(console, [*short_lines(run.verdict.detail), *([which] if which else [])])
        if run.verdict.detail.several:
            echo("")
            console.print(label_table(run.verdict.detail))
    if run.evidence.curve is not None:
        echo("")
        _print_lines(console, curve_answer(run.evidence.curve))


def _print_rows(console: Console, run: Run, whole: bool) -> None:
    from frostline.report.ranking import foremost
    from frostline.report.terminal import ranked_table
    from frostline.terms.quantities import plural

    rows = run.verdict.rows
    shown = rows if whole or not console.is_terminal else foremost(rows, SHOWN_ROWS)
    console.print(ranked_table(shown, rows))
    if len(shown) < len(rows):
        more = plural(len(rows) - len(shown), "more recipe")
        console.print(f" {more}: frostline show {shlex.quote(str(run.path))} --all", markup=False, style="dim", soft_wrap=True)


def _print_findings(console: Console, run: Run) -> None:
    """What of the images must be looked at before the scores are believed."""
    from frostline.report.terminal import findings_table

    found = run.warnings
    if not found:
        return
    echo("")
    console.print(findings_table(found, SHOWN_FINDINGS))
    more = f"{len(found) - SHOWN_FINDINGS} more, and which images: " if len(found) > SHOWN_FINDINGS else "Which images: "
    console.print(f"  {more}frostline check {shlex.quote(run.data)}", markup=False, style="dim", soft_wrap=True)


def _print_detail(console: Console, lines: Sequence[str]) -> None:
    """What stands beside the primary metric, in a few lines."""
    if not console.is_terminal:
        echo("")
    _print_lines(console, lines, "dim")


def _print_lines(console: Console, lines: Sequence[str], style: str = "") -> None:
    """Wrapped between words on a terminal, as they are anywhere else."""
    if console.is_terminal:
        for line in lines:
            console.print(line, markup=False, style=style)
    else:
        echo("\n".join(lines))


class JsonLines:
    """An object a line: file, label, probabilities, error."""

    def write(self, item: Prediction) -> None:
        fields = {
            "file": item.file, "label": item.label, "confidence": item.confidence, "abstained": item.abstained,
            "probabilities": item.probabilities, "error": item.error,
        }  # fmt: skip
        echo(json.dumps(fields, ensure_ascii=False))

    def close(self) -> None:
        pass


class Csv:
    """Columns file, label, confidence, error, then one a class; rows wait until the first readable image names the classes."""

    def __init__(self) -> None:
        self._classes: list[str] | None = None
        self._waiting: list[Prediction] = []
        self._rows = csv.writer(sys.stdout, lineterminator="\n")

    def write(self, item: Prediction) -> None:
        self._waiting.append(item)
        if self._classes is None and item.probabilities:
            self._classes = list(item.probabilities)
            self._rows.writerow(["file", "label", "confidence", "error", *map(cell, self._classes)])
        if self._classes is not None:
            self._flush(self._classes)

    def close(self) -> None:
        if self._classes is None:
            self._rows.writerow(["file", "label", "confidence", "error"])
            self._flush([])

    def _flush(self, classes: list[str]) -> None:
        for item in self._waiting:
            numbers = [f"{item.probabilities[name]:.6g}" if item.probabilities else "" for name in classes]
            sure = "" if item.confidence is None else f"{item.confidence:.6g}"
            self._rows.writerow([cell(item.file), cell(item.label or ""), sure, cell(item.error or ""), *numbers])
        self._waiting.clear()
        sys.stdout.flush()


@contextlib.contextmanager
def looking() -> Iterator[Callable[[int, int], None] | None]:
    """A function that tells how many of how many images were looked at, with an estimate; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("look at images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def progress(total: int | None) -> Iterator[Callable[[], None]]:
    """A function that counts one image more: a bar on a screen, nothing where nobody looks or where results fill the screen."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("predict"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def stdout_console() -> Console:
    """Standard output; wide enough for whole rows where nobody looks at it on a screen."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(width=wide, soft_wrap=False, highlight=False)


def echo(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """For people, not for pipes."""
    print(text, file=sys.stderr, flush=True)
