"""Successive halving within a family (Jamieson and Talwalkar 2016): never across families, where slow starters would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

ETA = 3

TRANSFER_RATES = (1e-4, 3e-4, 1e-3)
SCRATCH_RATES = (3e-4, 1e-3, 3e-3)
CONV_RATES = (3e-4, 1e-3, 3e-3)
STEP = 10**0.5  # from one rate to its neighbour

K = TypeVar("K")


def promote(scores: Mapping[K, float], eta: int = ETA) -> list[K]:
    """The best third (at least one) of `scores`, best first; ties go to the one that comes first."""
    ranked = sorted(scores, key=lambda key: -scores[key])
    return ranked[: max(1, round(len(ranked) / eta))]


def beyond_edge(rates: Sequence[float], best: float) -> float | None:
    """The next rate outside `rates` where the best one is the lowest or the highest, else None."""
    if len(rates) < 2:
        return None
    if best == max(rates):
        return float(f"{best * STEP:.1g}")
    if best == min(rates):
        return float(f"{best / STEP:.1g}")
    return None
