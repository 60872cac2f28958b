"""The goals as ratios, from one real search and the limits of the machine it ran on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    Attributes:
        name: `P1`, ...; says: what is divided by what, in words.
        ratio: measured; wanted: at most (`least` False) or at least.
        parts: the figures behind it, as (words, value) pairs.
    """

    name: str
    says: str
    ratio: float
    wanted: float | None
    least: bool = False
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def met(self) -> bool | None:
        if self.wanted is None:
            return None
        return self.ratio >= self.wanted if self.least else self.ratio <= self.wanted

    def __str__(self) -> str:
        sign = "" if self.wanted is None else f"  (goal: {'at least' if self.least else 'at most'} {self.wanted:g})"
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        lines = [f"{self.name:6} {self.ratio:8.3g} x  {self.says}{sign}  {verdict}"]
        return "\n".join([*lines, *(f"{'':16}{words}: {value}" for words, value in self.parts)])


def seconds(value: float) -> str:
    """`93 s`, `1 h 14 min`."""
    if value < 300:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def table(goals: Sequence[Goal]) -> str:
    return "\n".join(str(goal) for goal in goals)
