"""The lower bound of a run: decoding once, both passes, and the training that its trials could not do without.

    V N F + sum over trials of 3 E N G(r)

G is what lies above a recipe's frozen prefix. Seconds are those of `benchmarks.limits`: bare loops in the fastest mode, a step of
each recipe measured for itself, since early stages take more time than their share of the FLOPs. Epochs that a trial took over
from a shorter one count once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.limits import Limits
from benchmarks.searches import Record
from frostline.compute.trials import as_options
from frostline.terms.result import Result


@dataclass(frozen=True)
class Bound:
    """Seconds of each part of the bound."""

    decode: float
    passes: float
    trials: float
    refit: float

    @property
    def seconds(self) -> float:
        return self.decode + self.passes + self.trials + self.refit


def bound(record: Record, limits: Mapping[int, Limits], images: int, pool: int, train: int) -> Bound:
    """Of the trials that the run finished.

    Args:
        limits: of every size that the run used. images: of the data set; pool: not sealed; train: of one fold.
    """
    full = limits[int(record.config["settings"]["size"])]
    deep = [result for result in record.results if result.trial.budget.epochs]
    return Bound(
        decode=images * full.decode_s,
        passes=2 * pool * full.folded_s + _screening_pass_s(deep, limits, train),
        trials=sum(_trained_s(limits, result, train) for result in deep),
        refit=_refit_s(record, full, pool),
    )


def _screening_pass_s(deep: Sequence[Result], limits: Mapping[int, Limits], train: int) -> float:
    screened = [result for result in deep if result.trial.budget.rung != "full"]
    if not screened:
        return 0.0
    budget = screened[0].trial.budget
    return (min(budget.images or train, train) + len(screened[0].indices)) * limits[budget.size].folded_s


def _trained_s(limits: Mapping[int, Limits], result: Result, train: int) -> float:
    budget = result.trial.budget
    shown = min(budget.images or train, train) * (budget.epochs - result.forked)
    return shown * limits[budget.size].steps_s[str(result.trial.recipe)]


def _refit_s(record: Record, limits: Limits, pool: int) -> float:
    """Of the chosen recipe, and of the best control where it was fitted again."""
    chosen, control = record.verdict["chosen"], record.verdict.get("control")
    rows = [chosen, *([control] if control and f"refit {control['family']}" in record.phases else [])]
    epochs = {row["recipe"]: int(as_options(row["configuration"]).get("epochs", 0)) for row in rows}
    return sum(pool * count * limits.steps_s[recipe] for recipe, count in epochs.items() if count)


def exhaustive_s(limits: Limits, recipes: Sequence[tuple[str, int, int]], splits: int, train: int) -> float:
    """Seconds to train all recipes at full size on all splits, everything shared but nothing left out.

    Args:
        recipes: lines, each with the number of its settings and its epochs.
    """
    return sum(settings * splits * train * epochs * limits.steps_s[line] for line, settings, epochs in recipes)
