"""Simulated runs with a known truth.

Every recipe's errors share most of their causes, as those of networks on one data set do: an image is hard for all of them or for
none. With two recipes of accuracy .85, about 10 % of images are classified differently.

The truth of a recipe is its expected score over training sets of this size: each fold's model lies around it by chance (`luck`),
and so does what it says of each image. That is the estimand of `frostline.stats.compare`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from frostline.stats.pool import Truth
from frostline.stats.power import smallest_detectable_difference
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family, Recipe
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Budget, Trial

Array = npt.NDArray[Any]

COMMON = 0.86  # correlation of two recipes' difficulty of an image: 9.6 % disagreement at accuracy .85
LASTING = 0.9  # share of what is a recipe's own that is the same in every repeat
OF_PATIENT = 0.4  # correlation between images of one patient
LUCK = 0.12  # standard deviation of a fold's model around its recipe's true score, times sqrt(images): 1 point at 144
FOLDS = 5
LARGEST = 0.995


@dataclass(frozen=True)
class World:
    """A population of runs: `transfer` recipes against `controls`, on `images` images.

    Attributes:
        classes: their shares.
        group: mean number of images of a patient; 1 for independent images.
        level: true score of the best control.
        gap: by how much the best transfer recipe is better; None for the smallest difference printed before the run.
        spread: the recipes of a side lie so far below its best one (standard deviation); 0: all are equal.
        settings: configurations of each recipe, chosen among by their validation scores.
        luck: see `LUCK`.
    """

    name: str
    images: int
    metric: str = "accuracy"
    transfer: int = 8
    controls: int = 4
    repeats: int = 1
    classes: tuple[float, ...] = (0.5, 0.5)
    group: float = 1.0
    level: float = 0.85
    gap: float | None = 0.0
    spread: float = 0.0
    settings: int = 1
    luck: float = LUCK

    @property
    def difference(self) -> float:
        """The true score of the best transfer recipe minus that of the best control."""
        return self.gap if self.gap is not None else self.printed

    @property
    def printed(self) -> float:
        """The smallest detectable difference for as many units of each class as this world has."""
        counts = None if self.metric == "accuracy" else [share * self.images / self.group for share in self.classes]
        units = round(self.images / self.group)
        return smallest_detectable_difference(units, FOLDS, self.repeats, class_counts=counts)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run of a world.

    Attributes:
        truths: (R,) the true score of each of `candidates`.
    """

    truth: Truth
    candidates: tuple[Candidate, ...]
    truths: Array
    results: list[Result] = field(repr=False)


def draw(world: World, seed: int) -> Drawn:
    """The run of that seed."""
    rng = np.random.default_rng([seed, *world.name.encode()])
    labels, patients = _images(world, rng)
    fold = np.stack([_folds(labels, patients, rng) for _ in range(world.repeats)])  # (repeats, N)
    truths = np.concatenate([_side(world.transfer, world.level + world.difference, world.spread, rng),
                             _side(world.controls, world.level, world.spread, rng)])  # fmt: skip
    probabilities = _predictions(world, labels, patients, fold, truths, rng)
    names = tuple(f"class {one}" for one in range(len(world.classes)))
    candidates = _candidates(world.transfer, world.controls)
    return Drawn(Truth(labels, patients, names, patients), candidates, truths, _results(world, candidates, fold, probabilities))


def _images(world: World, rng: np.random.Generator) -> tuple[Array, Array]:
    """(N,) labels and patients; a patient has one class and, in a world with groups, one to twelve images."""
    counts = [round(share * world.images) for share in world.classes]
    labels = np.repeat(np.arange(len(counts)), counts)
    if world.group == 1:
        return labels, np.arange(len(labels))
    parts = [_patients(count, world.group, rng) for count in counts]
    offsets = np.cumsum([0, *(int(part.max()) + 1 for part in parts)])
    return labels, np.concatenate([part + offset for part, offset in zip(parts, offsets, strict=False)])


def _patients(images: int, mean: float, rng: np.random.Generator) -> Array:
    sizes = np.minimum(rng.geometric(1 / mean, size=images), 12)
    return np.repeat(np.arange(images), sizes)[:images]


def _folds(labels: Array, patients: Array, rng: np.random.Generator) -> Array:
    """(N,) the fold of each image: patients are dealt class by class."""
    _, first, of_image = np.unique(patients, return_index=True, return_inverse=True)
    fold = np.empty(len(first), dtype=int)
    for one in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels[first] == one))
        fold[members] = (np.arange(len(members)) + one) % FOLDS
    return np.asarray(fold[of_image])


def _side(count: int, best: float, spread: float, rng: np.random.Generator) -> Array:
    """(count,) true scores: the best, and the others below it at quantiles of a half normal, in any order of simplicity."""
    return np.asarray(rng.permutation(best - spread * norm.ppf(0.5 + np.arange(count) / (2 * count))))


def _predictions(world: World, labels: Array, patients: Array, fold: Array, truths: Array, rng: np.random.Generator) -> Array:
    """(R, repeats, settings, N, C) probabilities."""
    noise = _Noise(patients, rng)
    recipes, repeats = len(truths), world.repeats
    own = _mixed(LASTING, noise.of(recipes, 1, 1), noise.of(recipes, repeats, 1))
    own = _mixed(LASTING, own, noise.of(recipes, 1, world.settings)) if world.settings > 1 else own
    latent = _mixed(COMMON, noise.of(1, 1, 1), own)  # (R, repeats, settings, N)
    luck = world.luck / math.sqrt(world.images) * rng.standard_normal((recipes, repeats, 1, FOLDS))
    luck = np.stack([luck[:, repeat][..., fold[repeat]] for repeat in range(repeats)], axis=1)  # (R, repeats, 1, N)
    level = np.clip(truths[:, None, None, None] + luck, 0.05, LARGEST)
    if world.metric == "auroc":
        apart = math.sqrt(2) * norm.ppf(level)  # AUROC of two unit normals this far apart is `level`
        second = 1 / (1 + np.exp(-(apart * (labels - 0.5) + latent)))
        return np.stack([1 - second, second], axis=-1).astype(np.float32)
    said = np.where(latent < norm.ppf(level), labels, (labels + 1) % len(world.classes))
    return (0.8 * np.eye(len(world.classes), dtype=np.float32) + np.float32(0.2 / len(world.classes)))[said]


@dataclass(frozen=True, eq=False)
class _Noise:
    """Standard normal numbers an image, correlated within a patient where there are groups."""

    patients: Array
    rng: np.random.Generator

    def of(self, *shape: int) -> Array:
        """(*shape, N)."""
        image = self.rng.standard_normal((*shape, len(self.patients)))
        count = int(self.patients.max()) + 1
        if count == len(self.patients):
            return image
        return _mixed(OF_PATIENT, self.rng.standard_normal((*shape, count))[..., self.patients], image)


def _mixed(share: float, first: Array, second: Array) -> Array:
    """A standard normal of which `first` is that share of the variance."""
    return np.asarray(math.sqrt(share) * first + math.sqrt(1 - share) * second)


@lru_cache
def _candidates(transfer: int, controls: int) -> tuple[Candidate, ...]:
    """Heads on pre-trained and on random features, from the narrowest, which is the simplest."""
    heads = [(Family.NEW_LAYERS, f"all: freeze | head: mlp({n + 1})", n) for n in range(transfer)]
    random = [(Family.RANDOM_FEATURES, f"weights: random | all: freeze | head: mlp({n + 1})", n) for n in range(controls)]
    return tuple(Candidate(line, family, "simulated", trained_parameters=n + 1) for family, line, n in (*heads, *random))


@lru_cache(maxsize=100_000)
def _trial(candidate: Candidate, split: str, settings: int) -> Trial:
    recipe, names = Recipe.parse(candidate.recipe), tuple(f"l2={n}" for n in range(settings))
    return Trial(candidate.backbone, "", recipe, candidate.family.value, (), split, 0, Budget("full", 64), names)


def _results(world: World, candidates: Sequence[Candidate], fold: Array, probabilities: Array) -> list[Result]:
    found = []
    for repeat, number in np.ndindex(world.repeats, FOLDS):
        indices = np.flatnonzero(fold[repeat] == number)
        for candidate, of_recipe in zip(candidates, probabilities[:, repeat][:, :, indices], strict=True):
            trial = _trial(candidate, f"r{repeat}f{number}", world.settings)
            found.append(Result(trial, Outcome.DONE, indices, of_recipe, trained_parameters=candidate.trained_parameters))
    return found


NULLS = (
    World("null, 100", 100, repeats=3),
    World("null, 150", 150, repeats=3),
    World("null, 400", 400, repeats=3),
    World("null, 1,000", 1000),
    World("null, 3,000", 3000),
    World("null, 150, one repeat", 150),
    World("null, 400, one repeat", 400),
    World("null, AUROC, 100", 100, "auroc", repeats=3),
    World("null, AUROC, 150", 150, "auroc", repeats=3),
    World("null, AUROC, 400", 400, "auroc", repeats=3),
    World("null, AUROC, 1,000", 1000, "auroc"),
    World("null, AUROC, 3,000", 3000, "auroc", 3, 2),
    World("null, 40 recipes, 150", 150, transfer=36, repeats=3),
    World("null, 40 recipes, 1,000", 1000, transfer=36),
    World("null, 5 settings each, 150", 150, transfer=8, repeats=3, settings=5),
    World("one pair, 100", 100, transfer=1, controls=1, repeats=3),
    World("one pair, 150", 150, transfer=1, controls=1),
    World("one pair, 1,000", 1000, transfer=1, controls=1),
    World("one pair, 3,000", 3000, transfer=1, controls=1),
    World("one pair, AUROC, 150", 150, "auroc", 1, 1, repeats=3),
    World("one pair, AUROC, 1,000", 1000, "auroc", 1, 1),
)

HARD = (
    World("groups of 3, 400", 400, repeats=3, group=3),
    World("groups of 3, 1,000", 1000, group=3),
    World("groups of 3, AUROC, 400", 400, "auroc", repeats=3, group=3),
    World("one pair, groups of 3, 400", 400, transfer=1, controls=1, repeats=3, group=3),
    World("rarest class 12 of 150", 150, "balanced-accuracy", repeats=3, classes=(0.6, 0.32, 0.08)),
    World("rarest class 20 of 400", 400, "balanced-accuracy", repeats=3, classes=(0.6, 0.35, 0.05)),
    World("rarest class 20 of 400, AUROC", 400, "auroc", repeats=3, classes=(0.95, 0.05)),
    World("one pair, rarest 12 of 150", 150, "balanced-accuracy", 1, 1, repeats=3, classes=(0.6, 0.32, 0.08)),
    World("one pair, rarest 20 of 400, AUROC", 400, "auroc", 1, 1, repeats=3, classes=(0.95, 0.05)),
    World("unlike recipes, control equals the best, 150", 150, transfer=16, repeats=3, spread=0.04),
    World("unlike recipes, control equals the best, 400", 400, transfer=16, repeats=3, spread=0.04),
    World("unlike recipes, control equals the best, 1,000", 1000, transfer=16, spread=0.04),
    World("unlike recipes, AUROC, 400", 400, "auroc", transfer=16, repeats=3, spread=0.04, level=0.9),
    World("unlike recipes, 3 points, 400", 400, transfer=16, repeats=3, spread=0.04, gap=0.03),
    World("unlike recipes, 3 points, 1,000", 1000, transfer=16, spread=0.04, gap=0.03),
    World("near the ceiling, 150", 150, repeats=3, level=0.97),
    World("near the ceiling, AUROC, 150", 150, "auroc", repeats=3, level=0.985),
    World("twice the luck, 400", 400, repeats=3, luck=2 * LUCK),
    World("twice the luck, 1,000", 1000, luck=2 * LUCK),
    World("one pair, twice the luck, 1,000", 1000, transfer=1, controls=1, luck=2 * LUCK),
)

POWER = (
    World("power, 100", 100, repeats=3, level=0.78, gap=None),
    World("power, 150", 150, repeats=3, level=0.8, gap=None),
    World("power, 400", 400, repeats=3, level=0.8, gap=None),
    World("power, 1,000", 1000, level=0.82, gap=None),
    World("power, 3,000", 3000, level=0.82, gap=None),
    World("power, unlike recipes, 400", 400, transfer=16, repeats=3, level=0.8, gap=None, spread=0.03),
    World("power, AUROC, 150", 150, "auroc", repeats=3, level=0.8, gap=None),
    World("power, AUROC, 1,000", 1000, "auroc", level=0.82, gap=None),
    World("power, groups of 3, 400", 400, repeats=3, group=3, level=0.75, gap=None),
    World("power, rarest class 20 of 400", 400, "balanced-accuracy", repeats=3, classes=(0.6, 0.35, 0.05), level=0.7, gap=None),
)

WORLDS = {world.name: world for world in (*NULLS, *HARD, *POWER)}
