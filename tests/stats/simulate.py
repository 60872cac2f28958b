"""Simulated results with a known truth, for the tests of `stats`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.pool import Truth
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family, Recipe
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Budget, Trial

Array = npt.NDArray[Any]

LINES = {
    Family.PIXELS: "pixels: logistic",
    Family.RANDOM_FEATURES: "weights: random | all: freeze | head: linear",
    Family.SOFTMAX_ONLY: "all: freeze | head: linear",
    Family.ALL_LAYER: "all: freeze | head: all-layer",
    Family.TRUNCATED: "s1: freeze | s2: drop | head: linear",
    Family.NEW_LAYERS: "all: freeze | head: mlp(256)",
    Family.DEEPER_TUNED: "s1: freeze | s2: tune | head: linear",
    Family.DEEPER_REPLACED: "s1: freeze | s2: reinit | head: linear",
    Family.SINGLE_STAGE: "s1: tune | s2: freeze | head: linear",
    Family.WHOLE: "all: tune | head: linear",
    Family.RANDOM_MATCHED: "weights: matched | all: tune | head: linear",
    Family.SCRATCH: "weights: random | all: tune | head: linear",
}


def candidate(family: Family, line: str = "", backbone: str = "toy", **more: Any) -> Candidate:
    return Candidate(line or LINES[family], family, "" if family is Family.PIXELS else backbone, **more)


def heads(count: int) -> list[Candidate]:
    """Frozen-trunk recipes that differ in nothing but their head's width."""
    return [candidate(Family.NEW_LAYERS, f"all: freeze | head: mlp({n + 1})", trained_parameters=n) for n in range(count)]


def random_features(count: int) -> list[Candidate]:
    """Controls that differ in nothing but their head's width."""
    lines = [f"weights: random | all: freeze | head: mlp({n + 1})" for n in range(count)]
    return [candidate(Family.RANDOM_FEATURES, line) for line in lines]


def truth(labels: Sequence[int] | Array, groups: Any = None, classes: int = 2) -> Truth:
    y = np.asarray(labels)
    names = tuple(f"c{one}" for one in range(classes))
    named = None if groups is None else np.asarray(groups)
    return Truth(y, np.arange(len(y)) if named is None else named, names, named)


def folds(labels: Array, count: int, repeats: int = 1, seed: int = 0) -> dict[str, Array]:
    """Split name -> validation indices, stratified."""
    found: dict[str, Array] = {}
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        number = np.empty(len(labels), dtype=int)
        for one in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == one))
            number[members] = np.arange(len(members)) % count
        found |= {f"r{repeat}f{fold}": np.flatnonzero(number == fold) for fold in range(count)}
    return found


def result(
    one: Candidate,
    split: str,
    indices: Array,
    probabilities: Array,
    configurations: tuple[str, ...] = ("default",),
    rung: str = "full",
    **more: Any,
) -> Result:
    """probabilities: (configurations, n, C)."""
    trial = Trial(one.backbone, "w", Recipe.parse(one.recipe), one.family.value, (), split, 0, Budget(rung, 96), configurations)
    return Result(trial, more.pop("outcome", Outcome.DONE), indices, probabilities, **more)


def results_of(
    predictions: Mapping[Candidate, Array], splits: Mapping[str, Array], only: Mapping[Candidate, Sequence[str]] | None = None
) -> list[Result]:
    """One result a candidate and split. predictions: (configurations, N, C), or (repeats, configurations, N, C)."""
    found = []
    for one, values in predictions.items():
        names = tuple(f"c{n}" for n in range(values.shape[-3]))
        for split in (only or {}).get(one, list(splits)):
            by_repeat = values if values.ndim == 3 else values[int(split[1])]
            found.append(result(one, split, splits[split], by_repeat[:, splits[split]], names))
    return found


def hits_to_probabilities(hits: Array, labels: Array, classes: int = 2) -> Array:
    """(..., N) right or wrong -> (..., N, C) probabilities with that most probable class."""
    said = np.where(hits, labels, (labels + 1) % classes)
    return np.asarray(0.8 * np.eye(classes)[said] + 0.2 / classes)


def scores_to_probabilities(scores: Array) -> Array:
    """(..., N) any scores -> (..., N, 2) probabilities of the second class that keep their order."""
    p = 1 / (1 + np.exp(-scores))
    return np.stack([1 - p, p], axis=-1)
