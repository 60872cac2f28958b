"""Successive halving within a family (Jamieson and Talwalkar 2016): never across families, where slow starters would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

ETA = 3


@dataclass(frozen=True)
class Setting:
    """A learning rate, and what normalisation does in trained stages: `frozen` keeps the transferred statistics, `batch` does
    not. Steps from a fitted head are small while the statistics stay; with those of the batch it takes larger ones.

    Attributes:
        start: of the head: `fitted` on frozen features, where there are such, or `random` as that of scratch.
    """

    rate: float
    norm: str = "batch"
    start: str = "fitted"

    @property
    def options(self) -> dict[str, str]:
        """As a recipe's `train:` would say it."""
        start = {} if self.start == "fitted" else {"start": self.start}
        return {"lr": f"{self.rate:g}", "norm": self.norm, **start}


TRANSFER = (Setting(1e-4, "frozen"), Setting(3e-4, "frozen"), Setting(1e-3))
RANDOM = (Setting(3e-4), Setting(1e-3), Setting(3e-3))
STEP = 10**0.5  # from one rate to its neighbour

K = TypeVar("K")


def promote(scores: Mapping[K, float], eta: int = ETA) -> list[K]:
    """The best third (at least one) of `scores`, best first; ties go to the one that comes first."""
    ranked = sorted(scores, key=lambda key: -scores[key])
    return ranked[: max(1, round(len(ranked) / eta))]


def hopeless(scores: Mapping[K, float], most: int, eta: int = ETA) -> list[K]:
    """Those of `scores` that `promote` cannot choose any more when there are at most `most` scores in the end."""
    ranked = sorted(scores, key=lambda key: -scores[key])
    return ranked[max(1, round(most / eta)) :]


def beyond_edge(tried: Sequence[Setting], best: Setting) -> Setting | None:
    """The best setting with the next rate outside those tried, where its own is the lowest or the highest; else None."""
    rates = [setting.rate for setting in tried]
    if len(rates) < 2:
        return None
    if best.rate == max(rates):
        return replace(best, rate=float(f"{best.rate * STEP:.1g}"))
    if best.rate == min(rates):
        return replace(best, rate=float(f"{best.rate / STEP:.1g}"))
    return None
