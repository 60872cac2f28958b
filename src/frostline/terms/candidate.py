"""A line of the plan, as the decision sees it."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.terms.recipe import Family


@dataclass(frozen=True)
class Candidate:
    """A recipe on a backbone, whether or not it was run; every candidate gets a row in the table.

    Attributes:
        recipe: the line, as `str(Recipe)` prints it.
        backbone: its name, empty for `pixels`; `order` its place on the command line.
        trained_parameters, flops: what the rule for simplicity compares (inference FLOPs of one image).
        transferred: the backbone's stages that start from pre-trained weights, frozen or tuned; None where that is not
            known, or the recipe names finer cuts and so speaks of other stages.
    """

    recipe: str
    family: Family
    backbone: str = ""
    order: int = 0
    trained_parameters: int = 0
    flops: int = 0
    transferred: tuple[str, ...] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(backbone, recipe): what a trial's result is matched by."""
        return self.backbone, self.recipe

    @property
    def transfer(self) -> bool:
        """Uses pre-trained features."""
        return not self.family.control

    @property
    def choosable(self) -> bool:
        """May be handed over: every transfer recipe, and of the controls `scratch` alone."""
        return self.transfer or self.family is Family.SCRATCH

    @property
    def tuned(self) -> bool:
        """A transfer recipe that trains at least one stage of the trunk."""
        return self.family in TUNED


TUNED = frozenset((Family.DEEPER_TUNED, Family.DEEPER_REPLACED, Family.SINGLE_STAGE, Family.NEW_LAYERS_UNFREEZE, Family.WHOLE))
