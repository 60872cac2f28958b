"""Carrying out one trial: from what trials share (a bench) to a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch

from frostline.backbones import LoadedBackbone
from frostline.compute import heads
from frostline.compute.build import TransferNetwork, build, count_trained, fitting
from frostline.compute.materialise import Taps
from frostline.compute.new_layers import set_linear
from frostline.compute.sources import ActivationSource, PixelSource, Source, positions
from frostline.compute.stacked import BATCH, StackedHeads, fit_stacked
from frostline.compute.train import Diverged, Schedule, place, predict, settle_statistics, train
from frostline.data import PixelStore, pixel_features
from frostline.terms.activations import View
from frostline.terms.data import Split
from frostline.terms.kernels import Kernels
from frostline.terms.recipe import HeadKind, Recipe, Weights
from frostline.terms.result import FloatArray, IntArray, Outcome, Result
from frostline.terms.trial import Trial

MLP_RATES = (3e-4, 1e-3, 3e-3)
MLP_STEPS = 200  # of 128 images: few images are shown more often
SMALLEST_BATCH = 4

Watch = Callable[[], None]  # called before each step; raises to stop the training


@dataclass(frozen=True, eq=False)
class Bench:
    """What the trials on one backbone at one size share.

    Attributes:
        backbone: at the size of `kernels`.
        labels: (N,) of the whole data set; classes: how many.
        balanced: classes weigh alike in every loss, because the metric weighs them alike.
        passes: what each pass of the frozen trunk left: pre-trained, random, and matched where a recipe asks for it.
        views: shown in turn to recipes that train from pixels.
    """

    backbone: LoadedBackbone
    kernels: Kernels
    store: PixelStore
    labels: IntArray
    classes: int
    balanced: bool
    seed: int
    passes: Mapping[Weights, Taps] = field(default_factory=dict)
    views: tuple[View, ...] = (View(0),)

    def pixels(self, views: tuple[View, ...] = (View(0),), training: bool = False) -> PixelSource:
        mode = self.kernels.train if training else self.kernels.forward
        return PixelSource(self.store, self.backbone.spec, mode, self.kernels.device, views)

    def taps(self, weights: Weights) -> Taps:
        return self.passes[weights]

    def class_weights(self, rows: IntArray) -> FloatArray | None:
        """(classes,) for a loss over `rows`, or None."""
        if not self.balanced:
            return None
        counts = np.bincount(self.labels[rows], minlength=self.classes)
        present = max(1, int((counts > 0).sum()))
        return np.where(counts > 0, len(rows) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and how its training went.

    Attributes:
        source: what its validation images can be predicted from without running the frozen prefix again.
    """

    network: TransferNetwork
    source: Source
    losses: list[float] = field(default_factory=list)


def run_trial(bench: Bench, trial: Trial, split: Split, watch: Watch | None = None) -> Result:
    """The result of `trial`; a trial that fails has an outcome that says so and spoils nothing else."""
    start = time.monotonic()
    try:
        result = _dispatch(bench, trial, split, watch)
    except Diverged as error:
        result = _failed(bench, trial, split, Outcome.DIVERGED, str(error))
    except (MemoryError, torch.OutOfMemoryError) as error:
        result = _failed(bench, trial, split, Outcome.OUT_OF_MEMORY, str(error))
    if result.outcome is Outcome.DONE and not np.isfinite(result.probabilities).all():
        result = _failed(bench, trial, split, Outcome.OVERFLOW, "predictions are not finite")
    return replace(result, seconds=time.monotonic() - start)


def _failed(bench: Bench, trial: Trial, split: Split, outcome: Outcome, message: str) -> Result:
    validation = np.asarray(split.validation, np.int64)
    nothing = np.full((len(trial.configurations), len(validation), bench.classes), np.nan, np.float32)
    return Result(trial, outcome, validation, nothing, message=message)


def _dispatch(bench: Bench, trial: Trial, split: Split, watch: Watch | None) -> Result:
    rows = subset(np.asarray(split.train, np.int64), bench.labels, trial.budget.images, trial.seed)
    validation = np.asarray(split.validation, np.int64)
    if trial.recipe.pixels is not None:
        return _pixels(bench, trial, rows, validation)
    backbone = fitting(trial.recipe, bench.backbone)
    assert trial.recipe.head is not None
    if trial.recipe.trunk_frozen(backbone.stage_names) and trial.recipe.head.kind is not HeadKind.CONV:
        return _frozen(bench, trial, rows, validation)
    fitted = fit_network(bench, trial.recipe, dict(trial.options), trial.budget.epochs, rows, trial.seed, watch)
    probabilities = predict(fitted.network, fitted.source, validation, bench.kernels.forward)
    curve = tuple((float(epoch + 1), loss) for epoch, loss in enumerate(fitted.losses))
    return Result(trial, Outcome.DONE, validation, probabilities[None], curve, trained_parameters=count_trained(fitted.network))


def subset(rows: IntArray, labels: IntArray, count: int | None, seed: int) -> IntArray:
    """At most `count` of `rows`, the classes in their proportions and each at least twice; deterministic."""
    if count is None or count >= len(rows):
        return rows
    generator = np.random.default_rng(seed)
    share = count / len(rows)
    chosen = []
    for label in np.unique(labels[rows]):
        members = rows[labels[rows] == label]
        chosen.append(generator.permutation(members)[: max(2, round(share * len(members)))])
    return np.sort(np.concatenate(chosen))


# --- frozen trunks: solvers on stored features ------------------------------------------------------------------------


def strengths(configurations: Sequence[str]) -> list[float]:
    """The values in names such as `l2=0.01` or `lr=0.001`."""
    return [float(name.split("=")[1].split(" ")[0]) for name in configurations]


def frozen_features(bench: Bench, recipe: Recipe, backbone: LoadedBackbone) -> FloatArray:
    """(rows of the pass, channels): what the head of a frozen-trunk recipe sees."""
    taps = bench.taps(recipe.weights)
    kept = recipe.kept(backbone.stage_names)
    cuts = [stage.cut.name for stage in backbone.stages if stage.name in kept]
    assert recipe.head is not None
    used = cuts if recipe.head.kind is HeadKind.ALL_LAYER else cuts[-1:]
    return np.concatenate([taps.pooled[name] for name in used], axis=1)


def _frozen(bench: Bench, trial: Trial, rows: IntArray, validation: IntArray) -> Result:
    recipe, head = trial.recipe, trial.recipe.head
    assert head is not None
    features = frozen_features(bench, recipe, fitting(recipe, bench.backbone))
    place_of = positions(bench.taps(recipe.weights).rows, len(bench.labels))
    train_x, validation_x = features[place_of[rows]], features[place_of[validation]]
    if head.kind is HeadKind.MLP:
        stacked = _stacked(bench, recipe, train_x, rows, strengths(trial.configurations), trial.seed)
        trained = sum(w[0].numel() + b[0].numel() for w, b in zip(stacked.weights, stacked.biases, strict=True))
        return Result(trial, Outcome.DONE, validation, stacked.probabilities(validation_x), trained_parameters=trained)
    path = _path(bench, train_x, rows, strengths(trial.configurations))
    probabilities = np.stack([one.probabilities(validation_x) for one in path])
    return Result(trial, Outcome.DONE, validation, probabilities, trained_parameters=path[0].weight.size + path[0].bias.size)


def _path(bench: Bench, features: FloatArray, rows: IntArray, l2: Sequence[float]) -> list[heads.LinearHead]:
    labels = bench.labels[rows]
    weights = heads.sample_weights(labels, bench.classes, bench.balanced)
    return heads.logistic_path(features, labels, bench.classes, l2, weights)


def _stacked(
    bench: Bench, recipe: Recipe, features: FloatArray, rows: IntArray, rates: Sequence[float], seed: int
) -> StackedHeads:
    assert recipe.head is not None and recipe.head.width is not None
    hidden = [recipe.head.width] * recipe.head.depth
    epochs = int(recipe.option("epochs") or max(5, round(MLP_STEPS / max(1, len(rows) / BATCH))))
    labels = bench.labels[rows]
    return fit_stacked(features, labels, bench.classes, hidden, rates, epochs, seed, bench.class_weights(rows))


def _pixels(bench: Bench, trial: Trial, rows: IntArray, validation: IntArray) -> Result:
    probabilities = pixel_probabilities(bench, trial.recipe, trial.configurations, rows, validation, trial.seed)
    return Result(trial, Outcome.DONE, validation, probabilities)


def pixel_probabilities(
    bench: Bench, recipe: Recipe, configurations: Sequence[str], rows: IntArray, wanted: IntArray, seed: int
) -> FloatArray:
    """(configurations, len(wanted), classes) of a classifier on down-sampled pixels that was fitted on `rows`."""
    pixels = _small_pixels(bench.store)
    train_x, wanted_x = pixels[rows], pixels[wanted]
    if recipe.pixels == "forest":
        return heads.forest(train_x, bench.labels[rows], wanted_x, bench.classes, seed, bench.balanced)[None]
    path = _path(bench, train_x, rows, strengths(configurations))
    return np.stack([one.probabilities(wanted_x) for one in path])


@lru_cache(maxsize=2)
def _small_pixels(store: PixelStore) -> FloatArray:
    """(N, values) of every stored image: shrunk once for all folds."""
    return pixel_features(store, np.arange(store.count))


# --- networks ---------------------------------------------------------------------------------------------------------


def fit_network(
    bench: Bench,
    recipe: Recipe,
    options: dict[str, str],
    epochs: int,
    rows: IntArray,
    seed: int,
    watch: Watch | None = None,
) -> Fitted:
    """The network of `recipe`, fitted on `rows`: by a solver where only a linear head is new, else by gradient descent.

    A tuned recipe starts from the head fitted on frozen features of the same rows (LP-FT, Kumar 2022).

    Args:
        options: what the recipe does not say itself: `lr`, `l2`, `batch`, `norm`, ...; the recipe wins where both speak.
    """
    options = options | dict(recipe.train)
    batch = int(options.get("batch", bench.kernels.batch))
    while True:
        try:
            return _fit(bench, recipe, options | {"batch": str(batch)}, epochs, rows, seed, watch)
        except (MemoryError, torch.OutOfMemoryError):
            batch //= 2
            if batch < SMALLEST_BATCH:
                raise


def _fit(
    bench: Bench,
    recipe: Recipe,
    options: dict[str, str],
    epochs: int,
    rows: IntArray,
    seed: int,
    watch: Watch | None,
) -> Fitted:
    told = replace(recipe, train=tuple(options.items()))
    network = build(told, bench.backbone, bench.classes, seed)
    place(network, bench.kernels.train, bench.kernels.device)
    start_head(bench, told, network, options, rows, seed)
    assert recipe.head is not None
    backbone = fitting(recipe, bench.backbone)
    source = source_for(bench, recipe, network, backbone)
    if recipe.trunk_frozen(backbone.stage_names) and recipe.head.kind is not HeadKind.CONV:
        return Fitted(network, source)
    schedule = Schedule(
        lr=float(options.get("lr", 3e-4)),
        epochs=epochs,
        batch=int(options["batch"]),
        opt=options.get("opt", "adamw"),
        wd=float(options.get("wd", 0.01)),
        rates=options.get("rates", "flat"),
    )
    losses = train(network, source, rows, bench.labels, schedule, bench.kernels.train, seed, bench.class_weights(rows), watch)
    settle_statistics(network, source, rows, bench.kernels.train, seed, schedule.batch)
    return Fitted(network, source, losses)


def source_for(bench: Bench, recipe: Recipe, network: TransferNetwork, backbone: LoadedBackbone) -> Source:
    """The stored output of the frozen prefix where there is one, else pixels."""
    first = network.frozen_prefix
    if first and recipe.weights in bench.passes:
        taps = bench.taps(recipe.weights)
        stored = taps.maps.get(backbone.stages[first - 1].cut.name)
        if stored is not None:
            place_of = positions(taps.rows, len(bench.labels))
            return ActivationSource(stored, place_of, first, bench.kernels.train, bench.kernels.device)
    return bench.pixels(bench.views if first == 0 else (View(0),), training=True)


def start_head(
    bench: Bench, recipe: Recipe, network: TransferNetwork, options: dict[str, str], rows: IntArray, seed: int
) -> None:
    """Put the head fitted on frozen features into `network`, where the kept trunk is transferred or frozen as a whole."""
    head = recipe.head
    backbone = fitting(recipe, bench.backbone)
    names = {action.value for action in recipe.actions(backbone.stage_names)}
    untouched = recipe.weights is Weights.PRETRAINED or recipe.trunk_frozen(backbone.stage_names)
    if head is None or head.kind is HeadKind.CONV or "reinit" in names or not untouched:
        return
    if recipe.weights not in bench.passes:
        return
    features = frozen_features(bench, recipe, backbone)[positions(bench.taps(recipe.weights).rows, len(bench.labels))[rows]]
    if head.kind is HeadKind.MLP:
        frozen_trunk = recipe.trunk_frozen(backbone.stage_names)
        rate = float(options.get("lr", MLP_RATES[1])) if frozen_trunk else MLP_RATES[1]
        _stacked(bench, recipe, features, rows, [rate], seed).copy_into(network.head, 0)
        return
    if "l2" in options:
        fitted = _path(bench, features, rows, [s for s in heads.STRENGTHS if s > float(options["l2"])] + [float(options["l2"])])[
            -1
        ]
    else:
        weights = heads.sample_weights(bench.labels[rows], bench.classes, bench.balanced)
        fitted = heads.best_linear_head(features, bench.labels[rows], bench.classes, seed, weights)
    set_linear(network.head, fitted)


def as_options(configuration: str) -> dict[str, str]:
    """`lr=0.001 epochs=4` as a dictionary."""
    return dict(word.split("=", 1) for word in configuration.split(" ") if "=" in word)
