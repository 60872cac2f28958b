"""Racing finalists over folds: drop one as soon as it is clearly worse (the dropping rule of BBC-CV, Tsamardinos 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean, stdev

MOST_FINALISTS = 4
CLEARLY = 2.0  # standard errors


def finalists(screened: Mapping[str, float], protected: Sequence[str], most: int = MOST_FINALISTS) -> list[str]:
    """Names that go on to full size: the best by screening, and the protected ones, which are never dropped by it.

    Returns:
        the best first; then the others by score; at most `most`, but always all protected ones that were screened.
    """
    ranked = sorted(screened, key=lambda name: -screened[name])
    safe = [name for name in ranked if name in protected]
    others = [name for name in ranked if name not in protected][: max(1, most - len(safe))]
    return [name for name in ranked if name in safe or name in others]


def clearly_worse(scores: Sequence[float], best: Sequence[float], delta: float) -> bool:
    """`scores` lie below `best` on the same folds by more than delta and two standard errors of the paired difference.

    With one fold there is no standard error: only a deficit of more than five deltas drops a finalist.
    """
    deficits = [b - s for s, b in zip(scores, best, strict=True)]
    if not deficits:
        return False
    if len(deficits) == 1:
        return deficits[0] > 5 * delta
    return mean(deficits) - CLEARLY * stdev(deficits) / math.sqrt(len(deficits)) > delta


def agree(before: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> bool:
    """Two rungs rank their common entries alike: then a further rung would only confirm it (PASHA, Bohdal 2023).

    Args:
        tolerance: a pair that is no further apart than this on one of the rungs may stand either way.
    """
    pairs = combinations([name for name in before if name in now], 2)
    return all(_same_way(before[a] - before[b], now[a] - now[b], tolerance) for a, b in pairs)


def _same_way(before: float, now: float, tolerance: float) -> bool:
    return before * now >= 0 or min(abs(before), abs(now)) <= tolerance
