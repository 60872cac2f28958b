"""What systems reached on the same test images, as a Markdown table with intervals and as a picture against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")

from matplotlib import pyplot

from frostline.stats.measures import Rows, estimate, scored
from frostline.stats.pool import Truth
from frostline.terms.interval import Interval

COLUMNS = ("system", "budget", "seconds", "test accuracy", "test AUROC", "what came out")
MARKERS = "osD^vP"
TICKS = [15 * 2**power for power in range(10)]  # seconds


@dataclass(frozen=True)
class Line:
    """One system under one budget.

    Attributes:
        seconds: of the whole command, start-up and the predictions on the test images included.
        auroc: None where the test images are of one class.
        chosen: what the system chose, where it chooses.
    """

    system: str
    budget: str
    seconds: float
    accuracy: Interval
    auroc: Interval | None
    chosen: str = ""

    def cells(self) -> tuple[str, ...]:
        auroc = "-" if self.auroc is None else _score(self.auroc)
        return self.system, self.budget, f"{self.seconds:.0f}", _score(self.accuracy), auroc, self.chosen.replace("|", "\\|")


def line(found: Mapping[str, Any], groups: Mapping[str, str]) -> Line:
    """The line of one JSON file of `common.report`, to which `budget` and `seconds` were added.

    Args:
        groups: path -> what images are drawn together in the bootstrap (of one patient); an image without one stands alone.
    """
    accuracy, auroc = _intervals(found, groups)
    assert accuracy is not None
    name, chosen = found["name"], found["settings"].get("chosen", "")
    return Line(name, found["budget"], found["seconds"], accuracy, auroc, chosen)


def _intervals(found: Mapping[str, Any], groups: Mapping[str, str]) -> list[Interval | None]:
    """Of accuracy and AUROC: 95 %, a bootstrap over the units of the test images."""
    tested, classes = found["probabilities"], list(found["classes"])
    labels = np.array([classes.index(one["label"]) for one in tested])
    truth = Truth(labels, np.array([groups.get(one["path"], one["path"]) for one in tested]), tuple(classes)).numbered()
    none = np.zeros(len(tested), dtype=int)
    probabilities = np.array([one["probabilities"] for one in tested])
    rows = Rows(np.arange(len(tested)), labels, probabilities, none, none, np.zeros((len(tested), 0)))
    return [measure.interval for measure in estimate([rows], truth, (scored("accuracy"), scored("auroc")))]


def _score(found: Interval) -> str:
    return f"{_plain(found.value)} ({_plain(found.low)} to {_plain(found.high)})"


def _plain(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def markdown(lines: Sequence[Line]) -> str:
    rows = [COLUMNS, ("---", "---", "---:", "---", "---", "---"), *(one.cells() for one in lines)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def draw(lines: Sequence[Line], title: str, file: Path) -> None:
    """Accuracy with its interval against seconds, a colour and a marker a system."""
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    for number, system in enumerate(dict.fromkeys(one.system for one in lines)):
        own = sorted((one for one in lines if one.system == system), key=lambda one: one.seconds)
        middle = np.array([one.accuracy.value for one in own])
        errors = [middle - [one.accuracy.low for one in own], [one.accuracy.high for one in own] - middle]
        style = {
            "marker": MARKERS[number % len(MARKERS)],
            "linewidth": 2 if number == 0 else 1.2,
            "capsize": 2,
            "elinewidth": 0.6,
        }
        axes.errorbar([one.seconds for one in own], middle, errors, label=system, **style)
    axes.set(xscale="log", xlabel="seconds, start-up included", ylabel="accuracy on the test images", title=title)
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.8 * min(one.seconds for one in lines), 1.25 * max(one.seconds for one in lines))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
