"""How often images are drawn into folds, and when a test set is sealed: by their number alone."""

from __future__ import annotations

from frostline.data.units import FOLDS

LEAST_AFTER_SEAL = 100  # images of the rarest class that must remain for cross-validation
REPEATED_BELOW = 500  # images in the pool: repeats are needed to tell recipes apart, and are cheap
REPEATS = 3
ENOUGH_TO_VALIDATE = 2_000  # images in one validation fold: more folds add cost and hardly any precision
HOLD_OUTS = 3


def draws_at(images: int) -> tuple[str, int, float]:
    """How a pool of so many images is split unless the user did: kind, how often it is drawn, share that one draw validates."""
    if images >= FOLDS * ENOUGH_TO_VALIDATE:
        return "hold-outs", HOLD_OUTS, 1 / FOLDS
    return ("repeated-folds", REPEATS, 1.0) if images < REPEATED_BELOW else ("folds", 1, 1.0)
