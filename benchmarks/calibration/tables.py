"""Summaries as tables for people; what misses its goal is bold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.calibration.study import Summary

LEAST_COVERED, MOST_COVERED = 0.93, 0.97
MOST_FALSE, LEAST_POWER = 0.05, 0.80
MOST_OPTIMISM, MOST_OPTIMISM_DIFFERENCE = 0.5, 0.3  # points


@dataclass(frozen=True)
class Column:
    title: str
    text: Callable[[Summary], str]


def _share(value: float, missed: bool = False) -> str:
    return f"**{value:.1%}**" if missed else f"{value:.1%}"


def _points(value: float, missed: bool = False, signed: bool = True) -> str:
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return f"**{text}**" if missed else text


def _coverage(value: float) -> str:
    return _share(value, not LEAST_COVERED <= value <= MOST_COVERED)


def _false(value: float, true: bool) -> str:
    return _share(value, value > MOST_FALSE and not true)


COVERAGE = (
    Column("world", lambda s: s.world),
    Column("runs", lambda s: str(s.runs)),
    Column("score: procedure", lambda s: _coverage(s.covered_score)),
    Column("very recipe", lambda s: _coverage(s.covered_chosen)),
    Column("difference: procedure", lambda s: _coverage(s.covered_difference)),
    Column("very recipes", lambda s: _coverage(s.covered_named)),
    Column("`helps`", lambda s: _false(s.helps, s.difference > 0)),
    Column("`harms`", lambda s: _false(s.harms, s.difference < 0)),
    Column("no difference", lambda s: _share(s.no_difference)),
    Column("undetermined", lambda s: _share(s.undetermined)),
)

OPTIMISM = (
    Column("world", lambda s: s.world),
    Column("score", lambda s: f"{_points(s.optimism, abs(s.optimism) > MOST_OPTIMISM)} ± {s.optimism_error:.2f}"),
    Column("naive", lambda s: _points(s.naive_optimism)),
    Column("difference", lambda s: f"{_points(s.optimism_difference, abs(s.optimism_difference) > MOST_OPTIMISM_DIFFERENCE)}"
                                   f" ± {s.optimism_difference_error:.2f}"),
    Column("naive", lambda s: _points(s.naive_optimism_difference)),
    Column("regret: rule", lambda s: _points(s.regret, signed=False)),
    Column("best mean", lambda s: _points(s.regret_best, signed=False)),
    Column("one standard error", lambda s: _points(s.regret_one_error, signed=False)),
)  # fmt: skip

POWER = (
    Column("world", lambda s: s.world),
    Column("runs", lambda s: str(s.runs)),
    Column("true difference", lambda s: f"{s.difference:.1f}"),
    Column("printed by the run", lambda s: f"{s.detectable:.1f}"),
    Column("`helps`", lambda s: _share(s.helps, s.helps < LEAST_POWER)),
    Column("difference: procedure", lambda s: _coverage(s.covered_difference)),
)


def markdown(columns: Sequence[Column], summaries: Sequence[Summary]) -> str:
    head = "| " + " | ".join(column.title for column in columns) + " |"
    rows = ["| " + " | ".join(column.text(one) for column in columns) + " |" for one in summaries]
    return "\n".join([head, "|" + "---|" * len(columns), *rows])
