"""The finished full-size results of a run, in the order that every comparison uses.

A *column* is one configuration of one recipe (`l2=0.01`, `lr=0.003`); several seeds of it on one split are averaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.metrics import score
from frostline.stats.strata import several
from frostline.stats.weighted import mean_of_defined, ratio
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL, Trial
from frostline.terms.verdict import GROUP, IMAGE, LIKE_IMAGES

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of every image of the data set.

    Attributes:
        labels: (N,) indices into `classes`, in the order of `Dataset.samples`; or (N, classes) 1, 0 and NaN for not known or not
            scored, where an image may have several.
        groups: (N,) what must not be broken and is drawn together, any values; an image's own index where nothing joins it.
        classes: names.
        patients: (N,) the groups that the user named, any values; None where none were. Images of one patient share a group,
            and near-duplicates may join several patients in one.
    """

    labels: Array
    groups: Array
    classes: tuple[str, ...]
    patients: Array | None = None

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return several(self.labels)

    def numbered(self) -> Truth:
        """The same with groups as integers, which are much quicker to compare than text."""
        patients = None if self.patients is None else _numbered(self.patients)
        return Truth(self.labels, _numbered(self.groups), self.classes, patients)

    def unit(self, indices: Array) -> str:
        """What is drawn of these images: `image`, or what joins several of them."""
        if len(np.unique(self.groups[indices])) == len(indices):
            return IMAGE
        return LIKE_IMAGES if self.patients is None else GROUP


def _numbered(values: Array) -> Array:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values.tolist()], dtype=int)


@dataclass(frozen=True, eq=False)
class Block:
    """One split: its validation images and the predictions of every column that ran on it.

    Attributes:
        indices: (n,) sorted indices into the data set.
        columns: which column each of `probabilities` (arrays (n, C)) belongs to; a column may come twice (two seeds).
    """

    split: str
    indices: Array
    columns: tuple[int, ...]
    probabilities: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Pool:
    """R recipes with finished full-size trials, K columns, F splits.

    Attributes:
        candidates: (R) in the order of the plan.
        configurations: (K) names; `owners` (K,) which recipe each belongs to.
        scores: (K, F) NaN where a column was not run or the metric is undefined on a split.
        ran: (K, F) whether it was run.
        best: (R,) the column of each recipe's best configuration.
    """

    metric: str
    candidates: tuple[Candidate, ...]
    configurations: tuple[str, ...]
    owners: Array
    blocks: tuple[Block, ...]
    scores: Array
    ran: Array
    best: Array

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(block.split for block in self.blocks)

    @property
    def images(self) -> Array:
        """Every image that some split validates on, sorted."""
        if not self.blocks:
            return np.zeros(0, dtype=int)
        return np.unique(np.concatenate([block.indices for block in self.blocks]))

    @property
    def recipe_scores(self) -> Array:
        """(R, F) of each recipe's best configuration."""
        return np.asarray(self.scores[self.best])

    @property
    def recipe_ran(self) -> Array:
        """(R, F)."""
        return np.asarray(self.ran[self.best])

    def contenders(self, recipe: int) -> Array:
        """The columns among which a recipe's configuration is chosen: those run on as many folds as any of its own.

        A configuration that racing dropped after one fold is not compared with one that ran on five.
        """
        return widest(np.flatnonzero(self.owners == recipe), self.ran)

    def repeats(self, folds: Array) -> list[list[int]]:
        """Split numbers among `folds` in repeats: splits of one repeat share no validation image."""
        repeats: list[tuple[set[int], list[int]]] = []
        for fold in np.flatnonzero(folds):
            images = set(self.blocks[fold].indices.tolist())
            home = next((repeat for repeat in repeats if not repeat[0] & images), None)
            if home is None:
                repeats.append((images, [int(fold)]))
            else:
                home[0].update(images)
                home[1].append(int(fold))
        return [members for _, members in repeats]


def widest(columns: Array, ran: Array) -> Array:
    """Those of `columns` run on the largest set of folds; among several such sets the one met first."""
    width = ran[columns].sum(axis=1)
    first = columns[int(width.argmax())]
    return np.asarray([one for one in columns if (ran[one] == ran[first]).all()])


def configuration_name(trial: Trial, number: int) -> str:
    """The trial's own options, then the configuration's name: unique among the trials of a recipe on a split."""
    name = trial.configurations[number]
    options = [f"{key}={value}" for key, value in trial.options if f"{key}={value}" not in name.split()]
    return " ".join([*options, name])


def gather(results: Sequence[Result], truth: Truth, candidates: Sequence[Candidate], metric: str, rung: str = FULL) -> Pool:
    """The pool of the finished results of one rung.

    A configuration whose predictions on a split are not all finite counts as not run there.

    Raises:
        ValueError: two results of one split were validated on different images, or the shapes do not fit.
    """
    cells = _cells(results, rung)
    known = {candidate.key: number for number, candidate in enumerate(candidates)}
    keys = sorted({key for key, _, _ in cells}, key=lambda key: known[key])
    columns = sorted({(keys.index(key), name) for key, name, _ in cells})
    place = {column: number for number, column in enumerate(columns)}
    splits = list(dict.fromkeys(split for _, _, split in cells))
    blocks = tuple(_block(split, cells, keys, place) for split in splits)
    scores, ran = _score_blocks(blocks, len(columns), truth, metric)
    owners = np.array([owner for owner, _ in columns], dtype=int)
    best = np.array([_best(np.flatnonzero(owners == r), scores, ran) for r in range(len(keys))], dtype=int)
    chosen = tuple(candidates[known[key]] for key in keys)
    return Pool(metric, chosen, tuple(name for _, name in columns), owners, blocks, scores, ran, best)


Key = tuple[str, str]
Cells = dict[tuple[Key, str, str], list[tuple[Array, Array]]]


def result_key(result: Result) -> Key:
    """(backbone, recipe line): the candidate that a result belongs to."""
    return result.trial.backbone, str(result.trial.recipe)


def _cells(results: Sequence[Result], rung: str) -> Cells:
    cells: Cells = defaultdict(list)
    finished = [result for result in results if result.outcome is Outcome.DONE and result.trial.budget.rung == rung]
    for result in sorted(finished, key=lambda one: (one.trial.split, one.trial.id)):  # never in order of completion
        indices, order = _ordered(np.asarray(result.indices))
        for number in range(len(result.trial.configurations)):
            probabilities = np.asarray(result.probabilities[number])[order]
            if len(indices) and np.isfinite(probabilities).all():
                name = configuration_name(result.trial, number)
                cells[result_key(result), name, result.trial.split].append((indices, probabilities))
    return cells


def _ordered(indices: Array) -> tuple[Array, Array | slice]:
    """`indices` sorted, and what brings predictions into that order; nothing is copied where they are sorted already."""
    if (indices[1:] >= indices[:-1]).all():
        return indices, slice(None)
    order = np.argsort(indices, kind="stable")
    return indices[order], order


def _block(split: str, cells: Cells, keys: list[Key], place: dict[tuple[int, str], int]) -> Block:
    columns: list[int] = []
    probabilities: list[Array] = []
    images: Array | None = None
    for (key, name, where), runs in cells.items():
        for indices, predicted in runs if where == split else []:
            images = indices if images is None else images
            if not np.array_equal(indices, images):
                raise ValueError(f"results of split {split!r} were validated on different images; they cannot be compared.")
            columns.append(place[keys.index(key), name])
            probabilities.append(predicted)
    assert images is not None
    return Block(split, images, tuple(columns), tuple(probabilities))


def _score_blocks(blocks: Sequence[Block], count: int, truth: Truth, metric: str) -> tuple[Array, Array]:
    scores = np.full((count, len(blocks)), np.nan)
    ran = np.zeros((count, len(blocks)), dtype=bool)
    for fold, block in enumerate(blocks):
        labels = truth.labels[block.indices]
        values = np.array([[score(metric, labels, one) for one in block.probabilities]])
        scores[:, fold] = mean_over_seeds(values, block.columns, count)[0]
        ran[list(block.columns), fold] = True
    return scores, ran


def mean_over_seeds(values: Array, columns: Sequence[int], count: int) -> Array:
    """(B, runs) -> (B, K): runs of one column averaged; NaN for a column without a run."""
    if len(set(columns)) == len(columns):
        means = np.full((len(values), count), np.nan)
        means[:, list(columns)] = values
        return means
    member = np.array([[column == one for column in columns] for one in range(count)], dtype=float)  # (K, runs)
    runs = member.sum(axis=1)
    return ratio(values @ member.T, runs)


def _best(columns: Array, scores: Array, ran: Array) -> int:
    contenders = widest(columns, ran)
    means = mean_of_defined(scores[contenders], axis=1)
    return int(contenders[int(np.where(np.isnan(means), -np.inf, means).argmax())])


def complete(candidates: Sequence[Candidate], results: Sequence[Result]) -> list[Candidate]:
    """`candidates`, and one more for every recipe that was run though nobody listed it."""
    listed = list(candidates)
    known = {candidate.key for candidate in listed}
    for result in results:
        backbone, recipe = key = result_key(result)
        if key not in known:
            known.add(key)
            listed.append(Candidate(recipe, Family(result.trial.family), backbone, trained_parameters=result.trained_parameters))
    return listed
