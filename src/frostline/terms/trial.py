"""One experiment: a recipe on a backbone, with its hyper-parameters, on one split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from frostline.terms.identity import digest
from frostline.terms.recipe import Recipe

FULL = "full"  # the rung of trials at full size, which count for the verdict
SEALED = "sealed"  # the rung of what was seen of the test set
FIRST = "first"  # the rung of heads on part of the images, before all


@dataclass(frozen=True)
class Budget:
    """How much of the data and of the schedule a trial may use.

    Attributes:
        rung: `full` counts for the verdict; `screen-0`, `screen-1` and `first` only choose who goes on; `curve` is of a learning
            curve.
        size: image size in pixels.
        images: training images at most; None for all of them.
        epochs: passes over them; 0 for heads that a solver fits.
    """

    rung: str
    size: int
    images: int | None = None
    epochs: int = 0


@dataclass(frozen=True)
class Trial:
    """Backbone x recipe x hyper-parameters x split x seed x budget; its id is a hash of its fields.

    Attributes:
        backbone: name; `digest` that of its weights. Both empty for `pixels` recipes.
        options: what the search chose and the recipe did not say, as sorted (name, value) pairs.
        split: the split's name.
        configurations: names of the settings that this one trial evaluates together (`l2=0.01`, ...), at least one.
    """

    backbone: str
    weights: str
    recipe: Recipe
    family: str
    options: tuple[tuple[str, str], ...]
    split: str
    seed: int
    budget: Budget
    configurations: tuple[str, ...]

    @cached_property
    def id(self) -> str:
        return digest(self)

    @cached_property
    def lineage(self) -> str:
        """The same for trials that differ in nothing but how long they train."""
        return digest(replace(self, budget=replace(self.budget, rung="", epochs=0), configurations=()))
