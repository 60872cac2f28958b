"""Carrying out one trial: from what trials share to a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from frostline.compute import heads
from frostline.compute.attention import filters
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork, build, count_trained, fitting
from frostline.compute.forks import Branch, Forks, trajectory
from frostline.compute.frozen import frozen_sample, linear_path, shown_views, small_networks, start_head, strengths
from frostline.compute.inputs import source_for
from frostline.compute.ranks import train_by_ranks
from frostline.compute.sources import Source
from frostline.compute.state import take, trained_state
from frostline.compute.train import Diverged, Memory, Schedule, place, predict, settle_statistics, train
from frostline.stats.strata import image_strata
from frostline.terms.data import Split, Targets
from frostline.terms.recipe import Family, HeadKind, Recipe
from frostline.terms.result import FloatArray, IntArray, Outcome, Result
from frostline.terms.trial import FULL, Trial

SMALLEST_BATCH = 4

Watch = Callable[[], None]  # called before each step; raises to stop the training


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and how its training went.

    Attributes:
        source: what its validation images can be predicted from without running the frozen prefix again.
        forked: epochs that were taken over from an earlier training.
    """

    network: TransferNetwork
    source: Source
    losses: list[float] = field(default_factory=list)
    forked: int = 0


def run_trial(bench: Bench, trial: Trial, split: Split, watch: Watch | None = None, forks: Forks | None = None) -> Result:
    """The result of `trial`; a trial that fails has an outcome that says so and spoils nothing else."""
    start = time.monotonic()
    try:
        result = _dispatch(bench, trial, split, watch, forks)
    except Diverged as error:
        result = failed(bench, trial, split, Outcome.DIVERGED, str(error))
    except (MemoryError, RuntimeError, ValueError, ArithmeticError) as error:
        outcome = Outcome.OUT_OF_MEMORY if out_of_memory(error) else Outcome.FAILED
        result = failed(bench, trial, split, outcome, f"{type(error).__name__}: {error}")
    if result.outcome is Outcome.DONE and not np.isfinite(result.probabilities).all():
        result = failed(bench, trial, split, Outcome.OVERFLOW, "predictions are not finite")
    return replace(result, seconds=time.monotonic() - start)


def out_of_memory(error: Exception) -> bool:
    """On a CPU torch says so in words only."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def failed(bench: Bench, trial: Trial, split: Split, outcome: Outcome, message: str) -> Result:
    """A result without predictions."""
    validation = np.asarray(split.validation, np.int64)
    nothing = np.full((len(trial.configurations), len(validation), bench.classes), np.nan, np.float32)
    return Result(trial, outcome, validation, nothing, message=message)


def _dispatch(bench: Bench, trial: Trial, split: Split, watch: Watch | None, forks: Forks | None) -> Result:
    rows = subset(np.asarray(split.train, np.int64), bench.labels, trial.budget.images, trial.seed)
    validation = np.asarray(split.validation, np.int64)
    if trial.recipe.pixels is not None:
        return _pixels(bench, trial, rows, validation)
    backbone = fitting(trial.recipe, bench.backbone)
    assert trial.recipe.head is not None
    if trial.recipe.trunk_frozen(backbone.stage_names) and trial.recipe.head.kind is not HeadKind.CONV:
        return _frozen(bench, trial, rows, validation)
    branch = None if forks is None else forks.branch(trial)
    fitted = fit_network(bench, trial.recipe, dict(trial.options), trial.budget.epochs, rows, trial.seed, watch, branch)
    probabilities = predict(fitted.network, fitted.source, validation, bench.kernels.forward, bench.several)
    curve = tuple((float(epoch + 1), loss) for epoch, loss in enumerate(fitted.losses))
    trained = count_trained(fitted.network)
    shown = trial.family == Family.SCRATCH.value and trial.budget.rung == FULL
    return Result(
        trial,
        Outcome.DONE,
        validation,
        probabilities[None],
        curve,
        trained_parameters=trained,
        forked=fitted.forked,
        filters=filters(fitted.network.trunk, "scratch") if shown else None,
    )


def subset(rows: IntArray, labels: Targets, count: int | None, seed: int) -> IntArray:
    """At most `count` of `rows`, the classes (or rarest labels) in their proportions and each at least twice; deterministic."""
    if count is None or count >= len(rows):
        return rows
    strata = image_strata(labels[rows])
    generator = np.random.default_rng(seed)
    share = count / len(rows)
    chosen = []
    for stratum in np.unique(strata):
        members = rows[strata == stratum]
        chosen.append(generator.permutation(members)[: max(2, round(share * len(members)))])
    return np.sort(np.concatenate(chosen))


# --- frozen trunks: solvers on stored features ------------------------------------------------------------------------


def _frozen(bench: Bench, trial: Trial, rows: IntArray, validation: IntArray) -> Result:
    recipe, head = trial.recipe, trial.recipe.head
    assert head is not None
    train, seen = frozen_sample(bench, recipe, rows, shown_views(recipe)), frozen_sample(bench, recipe, validation)
    if head.kind is HeadKind.MLP:
        networks = small_networks(bench, recipe, train, rows, strengths(trial.configurations), trial.seed)
        trained = sum(w[0].numel() + b[0].numel() for w, b in zip(networks.weights, networks.biases, strict=True))
        return Result(trial, Outcome.DONE, validation, networks.probabilities(seen), trained_parameters=trained)
    path = linear_path(bench, train, rows, strengths(trial.configurations))
    trained = path[0].weight.size + path[0].bias.size
    return Result(trial, Outcome.DONE, validation, heads.predict(path, seen), trained_parameters=trained)


def _pixels(bench: Bench, trial: Trial, rows: IntArray, validation: IntArray) -> Result:
    if trial.recipe.pixels != "forest":
        fitted = pixel_classifier(bench, trial.recipe, trial.configurations, rows, trial.seed)
        return Result(trial, Outcome.DONE, validation, fitted(validation))
    trees, wanted = _forest(bench, rows, trial.seed), bench.small_pixels.sample(validation)
    seen = heads.forest_probabilities(trees, wanted, bench.classes, bench.several)  # as each is fitted: one is held at a time
    return Result(trial, Outcome.DONE, validation, seen[None])


def _forest(bench: Bench, rows: IntArray, seed: int) -> Iterator[heads.Trees]:
    return heads.forest(bench.small_pixels.sample(rows), bench.labels[rows], bench.classes, seed, bench.balanced)


def pixel_classifier(
    bench: Bench, recipe: Recipe, configurations: Sequence[str], rows: IntArray, seed: int
) -> Callable[[IntArray], FloatArray]:
    """A classifier on down-sampled pixels, fitted on `rows`: of other rows it gives (configurations, len(rows), classes)."""
    pixels = bench.small_pixels
    if recipe.pixels == "forest":
        trees = list(_forest(bench, rows, seed))
        return lambda wanted: heads.forest_probabilities(trees, pixels.sample(wanted), bench.classes, bench.several)[None]
    path = linear_path(bench, pixels.sample(rows), rows, strengths(configurations))
    return lambda wanted: heads.predict(path, pixels.sample(wanted))


# --- networks ---------------------------------------------------------------------------------------------------------


def fit_network(
    bench: Bench,
    recipe: Recipe,
    options: dict[str, str],
    epochs: int,
    rows: IntArray,
    seed: int,
    watch: Watch | None = None,
    branch: Branch | None = None,
) -> Fitted:
    """The network of `recipe`, fitted on `rows`: by a solver where only a linear head is new, else by gradient descent.

    A tuned recipe starts from the head fitted on frozen features of the same rows (LP-FT, Kumar 2022).

    Args:
        options: what the recipe does not say itself: `lr`, `l2`, `batch`, `norm`, ...; the recipe wins where both speak.
        branch: where epochs are found that an earlier training had in common with this one.
    """
    options = options | dict(recipe.train)
    batch = int(options.get("batch", bench.kernels.batch))
    while True:
        try:
            return _fit(bench, recipe, options | {"batch": str(batch)}, epochs, rows, seed, watch, branch)
        except (MemoryError, RuntimeError) as error:
            batch //= 2
            if batch < SMALLEST_BATCH or not out_of_memory(error):
                raise


def _fit(
    bench: Bench,
    recipe: Recipe,
    options: dict[str, str],
    epochs: int,
    rows: IntArray,
    seed: int,
    watch: Watch | None,
    branch: Branch | None,
) -> Fitted:
    told = replace(recipe, train=tuple(options.items()))
    network = build(told, bench.backbone, bench.classes, seed)
    place(network, bench.kernels.train, bench.kernels.device)
    if options.get("start") != "random":
        start_head(bench, told, network, options, rows, seed)
    assert recipe.head is not None
    backbone = fitting(recipe, bench.backbone)
    source = source_for(bench, recipe, network, backbone)
    if recipe.trunk_frozen(backbone.stage_names) and recipe.head.kind is not HeadKind.CONV:
        return Fitted(network, source)
    return _Training(bench, told, network, source, rows, replace(Schedule.of(options), epochs=epochs), seed).run(watch, branch)


@dataclass(frozen=True, eq=False)
class _Training:
    """Gradient descent of a network that was built from `recipe` and `seed`, on `rows`."""

    bench: Bench
    recipe: Recipe
    network: TransferNetwork
    source: Source
    rows: IntArray
    schedule: Schedule
    seed: int

    def run(self, watch: Watch | None, branch: Branch | None) -> Fitted:
        """Trained now, or as it was kept when it was: see `Forks`."""
        own = trajectory(self.bench, self.recipe, self.source, self.rows, self.seed)
        memory = None if branch is None else branch.memory(own)
        known = None if memory is None else memory.finished(self.schedule.epochs)
        if known is not None and take(self.network, known):
            losses, forked = list(known.losses), known.epochs
        else:
            losses, forked = self._trained(watch, memory)
        if memory is not None and memory.keeps:
            memory.finish(trained_state(self.network, losses))
        mode, batch = self.bench.kernels.train, self.schedule.batch
        settle_statistics(self.network, self.source, self.rows, mode, self.seed, batch)
        return Fitted(self.network, self.source, losses, forked)

    def _trained(self, watch: Watch | None, memory: Memory | None) -> tuple[list[float], int]:
        """The mean loss of each epoch, and how many epochs were taken over."""
        bench, rows, seed = self.bench, self.rows, self.seed
        if bench.devices > 1:
            return train_by_ranks(bench, self.recipe, self.network, rows, self.schedule, seed, watch, memory)
        weights, mode = bench.class_weights(rows), bench.kernels.train
        return train(self.network, self.source, rows, bench.labels, self.schedule, mode, seed, weights, watch, memory)


def as_options(configuration: str) -> dict[str, str]:
    """`lr=0.001 epochs=4` as a dictionary."""
    return dict(word.split("=", 1) for word in configuration.split(" ") if "=" in word)
