"""The lower bound of a run: decoding once, both passes, and the training that its trials could not do without.

    V N F + sum over trials of 3 E N G(r) + predictions of their validation images

G is what lies above a recipe's frozen prefix. Throughput is that of `benchmarks.limits`: bare loops in the fastest mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.limits import Limits
from benchmarks.searches import Record
from frostline.backbones import LoadedBackbone
from frostline.compute.trials import as_options
from frostline.planning.cost import OVERHEAD, CostModel
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Recipe
from frostline.terms.result import Result


@dataclass(frozen=True)
class Bound:
    """Seconds of each part of the bound."""

    decode: float
    passes: float
    trials: float
    predictions: float
    refit: float

    @property
    def seconds(self) -> float:
        return self.decode + self.passes + self.trials + self.predictions + self.refit


def model_of(backbone: LoadedBackbone, limits: Limits) -> CostModel:
    """Costs at measured throughput; `CostModel` adds its own allowance, which the callers here take off again."""
    mode, size = Mode(), limits.size
    kernels = Kernels(backbone.name, size, "cpu", 0, 32, mode, mode, limits.folded_s, limits.train_s)
    return CostModel(backbone.description, kernels)


def train_s(costs: CostModel, recipe: Recipe, images: int, epochs: int) -> float:
    """Bare seconds of so many images and epochs above the recipe's frozen prefix."""
    return costs.training_s(recipe, images, epochs) / OVERHEAD


def bound(record: Record, backbone: LoadedBackbone, limits: Mapping[int, Limits], images: int, pool: int, train: int) -> Bound:
    """Of the trials that the run finished.

    Args:
        limits: of every size that the run used. images: of the data set; pool: not sealed; train: of one fold.
    """
    costs = {size: model_of(backbone.at(size), one) for size, one in limits.items()}
    size = int(record.config["settings"]["size"])
    deep = [result for result in record.results if result.trial.budget.epochs]
    screened = [result for result in deep if result.trial.budget.rung != "full"]
    passes = 2 * pool * limits[size].folded_s
    if screened:
        first = screened[0]
        seen = (first.trial.budget.images or train) + len(first.indices)
        passes += seen * limits[first.trial.budget.size].folded_s
    return Bound(
        decode=images * limits[size].decode_s,
        passes=passes,
        trials=sum(_trained(costs, result, train) for result in deep),
        predictions=sum(_predicted(costs, result) for result in deep),
        refit=_refit(record, costs[size], pool),
    )


def _trained(costs: Mapping[int, CostModel], result: Result, train: int) -> float:
    budget = result.trial.budget
    return train_s(costs[budget.size], result.trial.recipe, min(budget.images or train, train), budget.epochs - result.forked)


def _predicted(costs: Mapping[int, CostModel], result: Result) -> float:
    return costs[result.trial.budget.size].evaluation_s(result.trial.recipe, len(result.indices)) / OVERHEAD


def _refit(record: Record, costs: CostModel, pool: int) -> float:
    """Of the chosen recipe and of the best control, where they are trained."""
    total = 0.0
    for row in (record.verdict["chosen"], record.verdict.get("control")):
        epochs = int(as_options(row["configuration"]).get("epochs", 0)) if row else 0
        if row and epochs:
            total += train_s(costs, Recipe.parse(row["recipe"]), pool, epochs)
    return total


def exhaustive_s(costs: CostModel, recipes: Sequence[tuple[Recipe, int, int]], splits: int, train: int, validation: int) -> float:
    """Seconds of all recipes at full size on all splits, everything shared but nothing left out.

    Args:
        recipes: each with the number of its settings and its epochs.
    """
    return sum(
        settings * splits * (costs.training_s(recipe, train, epochs) + costs.evaluation_s(recipe, validation))
        for recipe, settings, epochs in recipes
    )
