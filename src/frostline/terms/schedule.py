"""How the learning rate runs: warm-up, constant, cooldown. What precedes the cooldown does not depend on a trial's length."""

from __future__ import annotations

import math

WARM_STEPS = 50  # at most half an epoch
SCREENED_ON = 4_000  # images at most by which settings are chosen: more would cost, and hardly choose better
COOLDOWN = 1 / 2  # of the epochs, at least one (docs/decisions/schedule.md)


def cooldown_epochs(epochs: int) -> int:
    """How many of `epochs` the rate falls in, at their end."""
    return min(epochs, max(1, round(COOLDOWN * epochs)))


def common_epochs(epochs: int) -> int:
    """How many epochs a trial of so many has in common with every longer one of the same kind."""
    return epochs - cooldown_epochs(epochs)


def rate_share(step: int, per_epoch: int, epochs: int) -> float:
    """Share of the peak rate at `step`: up within some steps, constant, and down as 1 - sqrt (Hägele 2024, section 3).

    Args:
        per_epoch: steps of an epoch.
    """
    warm = min(WARM_STEPS, max(1, per_epoch // 2))
    start, end = max(warm, per_epoch * common_epochs(epochs)), per_epoch * epochs
    if step < start:
        return min(1.0, (step + 1) / warm)
    return 1 - math.sqrt((step - start) / max(1, end - start))
