"""What the naive loop would take in full, from seconds an image that were measured on part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """A recipe, carried out for itself for each setting on each fold; every factor of the product.

    Attributes:
        train_image_s, forward_image_s: measured, decoding included.
        images, validation: of one fold; validation images are shown once, after the last epoch.
        once_s: what is done once for all folds and settings; fit_s: what a fold and setting takes beside its epochs.
    """

    recipe: str
    family: str
    train_image_s: float
    forward_image_s: float
    images: int
    validation: int
    epochs: int
    folds: int
    settings: int
    once_s: float = 0.0
    fit_s: float = 0.0

    @property
    def one_setting_s(self) -> float:
        """One setting on all folds."""
        trained = self.epochs * self.images * self.train_image_s
        return self.folds * (trained + self.validation * self.forward_image_s + self.fit_s)

    @property
    def seconds(self) -> float:
        return self.once_s + self.settings * self.one_setting_s

    def plain(self) -> dict[str, Any]:
        return vars(self) | {"one_setting_s": self.one_setting_s, "seconds": self.seconds}


def summary(costs: Sequence[Cost]) -> dict[str, Any]:
    """The lines with their factors, and their sums, also for one setting a recipe."""
    return {
        "lines": [cost.plain() for cost in costs],
        "seconds": sum(cost.seconds for cost in costs),
        "seconds_one_setting": sum(cost.once_s + cost.one_setting_s for cost in costs),
        "projected": True,
    }


def remaining_projected(epoch_s: Sequence[float], epochs: int) -> float:
    """Seconds of `epochs` of which the first were measured: the others take as long as the last measured one."""
    return sum(epoch_s) + (epochs - len(epoch_s)) * epoch_s[-1]


def table(costs: Sequence[Cost]) -> str:
    """One line a recipe with every factor: folds x settings x (epochs x images x ms + validation x ms forward + fit)."""
    head = ("ms", "images", "epochs", "ms fwd", "validation", "fit s", "folds", "settings", "hours", "recipe")
    rows = [
        (
            f"{1000 * cost.train_image_s:.1f}", cost.images, cost.epochs, f"{1000 * cost.forward_image_s:.1f}", cost.validation,
            f"{cost.fit_s:.1f}", cost.folds, cost.settings, f"{cost.seconds / 3600:.3f}", cost.recipe,
        )
        for cost in costs
    ]  # fmt: skip
    together = f"{sum(cost.seconds for cost in costs) / 3600:.3f} hours together"
    return "\n".join([*(_line(row) for row in (head, *rows)), together])


def _line(cells: Sequence[object]) -> str:
    return " ".join([*(f"{cell!s:>10}" for cell in cells[:-1]), str(cells[-1])])
