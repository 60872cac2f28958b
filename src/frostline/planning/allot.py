"""How the time for deep recipes is divided: screening at a smaller size on part of the images, then few at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frostline.planning.cost import CostModel
from frostline.terms.recipe import Recipe

SCREEN_SHARE = 0.3  # of the time that is left when screening starts
PLANNED_SHARE = 0.85  # of what is left then may be planned: machines are noisy
TRIAL_OVERHEAD_S = 0.7  # building a network, fitting its first head
LEAST_IMAGES, MOST_IMAGES = 96, 1000
FREE_EPOCHS, FREE_SCRATCH_EPOCHS = 10, 20  # without --time
MOST_EPOCHS = 20


@dataclass(frozen=True)
class Load:
    """Recipes on one backbone, with what they cost there."""

    costs: CostModel
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True)
class Screening:
    """What a trial of the first screening rung may use; one of the second rung gets three times the epochs."""

    images: int
    epochs: int
    second_rung: bool


@dataclass(frozen=True)
class Finals:
    """Epochs at full size; 0 where not even one epoch fits."""

    epochs: int
    scratch_epochs: int

    def at_least_one(self) -> Finals:
        """The same with no less than one epoch on either side."""
        return Finals(max(1, self.epochs), max(1, self.scratch_epochs))


def epochs_of(recipe: Recipe, otherwise: int) -> int:
    """What the recipe says itself, else `otherwise`."""
    return int(recipe.option("epochs") or otherwise)


def screening_size(size: int) -> int:
    """About half of the full size, a multiple of 32, not below 96 (nor above the full size)."""
    return min(size, max(96, size // 64 * 32))


def screening(loads: Sequence[Load], rates: int, train: int, validation: int, left_s: float | None) -> Screening:
    """The largest screening that fits into its share of the time.

    Args:
        loads: the deep lines of each backbone, with costs at its screening size; each line is tried with `rates` rates.
        train, validation: images of the common fold.
        left_s: seconds left for everything, None for no limit.
    """
    if left_s is None:
        return Screening(min(train, MOST_IMAGES), 3, second_rung=True)
    fixed = (
        sum(load.costs.evaluation_s(recipe, validation) + TRIAL_OVERHEAD_S for load in loads for recipe in load.recipes) * rates
    )
    per_image = sum(load.costs.image_s(recipe) for load in loads for recipe in load.recipes) * rates
    affordable = (SCREEN_SHARE * left_s - fixed) / max(per_image, 1e-9)  # image-epochs of every trial
    if affordable < LEAST_IMAGES:
        return Screening(min(train, LEAST_IMAGES), 1, second_rung=False)
    second = affordable > 2 * min(train, MOST_IMAGES) * 3
    epochs = max(1, min(4, round((affordable / 200) ** 0.5)))
    return Screening(int(min(train, MOST_IMAGES, affordable / epochs)), epochs, second)


def finals(best: Load, scratch: Load, train: int, pool: int, left_s: float | None) -> Finals:
    """Epochs on one common fold such that the best deep recipe could also be refitted on the pool.

    Args:
        best: the leading deep recipe (its backbone's costs at full size); scratch: from-scratch training. Either may be empty;
            without a best one scratch is what is handed over, and refitted.
    """
    if left_s is None:
        return Finals(FREE_EPOCHS, FREE_SCRATCH_EPOCHS)
    refitted = sum(best.costs.training_s(recipe, train + pool, 1) for recipe in best.recipes)
    handed_over = 0 if best.recipes else pool
    trained = sum(scratch.costs.training_s(recipe, train + handed_over, 1) for recipe in scratch.recipes)
    both = _epochs(left_s, refitted + trained)
    if both or not trained:
        return Finals(both, both)
    return Finals(_epochs(left_s, refitted), 0)


def _epochs(left_s: float, one_epoch_s: float) -> int:
    return max(0, min(MOST_EPOCHS, int(PLANNED_SHARE * left_s / max(one_epoch_s, 1e-9))))
