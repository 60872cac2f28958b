"""What no split may break: images of one group, of equal bytes, or of nearly the same picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

import numpy as np
import numpy.typing as npt

from frostline.terms.data import Dataset

Indices = npt.NDArray[np.int64]

FOLDS = 5  # a unit that lookalikes make holds at most so small a part of a class that this many folds remain


def units_of(dataset: Dataset) -> Indices:
    """(n,) the unit of each sample, numbered in order of appearance.

    Samples of one group, or of equal bytes, or linked by a chain of these, share one. Lookalikes are then joined, the most
    alike first, as long as the unit that results holds at most a fifth of the images of each class in it: a chain of
    pictures each of which resembles the next must not swallow a class. The user's own test images neither count nor are
    counted: folds are made of the others. `left_apart` tells which pairs that leaves out.
    """
    forest = _Forest([() if sample.part == "test" else sample.has for sample in dataset.samples])
    first: dict[Hashable, int] = {}
    for index, sample in enumerate(dataset.samples):
        for kind, name in (("group", sample.group), ("digest", sample.digest or None)):
            if name is not None:
                forest.join(index, first.setdefault((kind, name), index))
    for one, other in dataset.lookalikes:
        if forest.fits(one, other):
            forest.join(one, other)
    return forest.numbered()


def left_apart(dataset: Dataset, units: Indices) -> list[tuple[int, int]]:
    """The lookalikes that `units` do not keep together."""
    return [(one, other) for one, other in dataset.lookalikes if units[one] != units[other]]


class _Forest:
    """Disjoint sets of samples, with the images of each class in every set; images without a label are not counted."""

    def __init__(self, labels: list[tuple[int, ...]]) -> None:
        self._parent = list(range(len(labels)))
        self._held = [Counter(own) for own in labels]
        self._most = {label: _most(count) for label, count in Counter(one for own in labels for one in own).items()}

    def root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        root, leaf = self.root(other), self.root(one)
        if root != leaf:
            self._parent[leaf] = root
            self._held[root] += self._held[leaf]

    def fits(self, one: int, other: int) -> bool:
        """Whether the union would leave every class in it enough units."""
        ours, theirs = self._held[self.root(one)], self._held[self.root(other)]
        return all(count <= self._most[label] for label, count in (ours + theirs).items())

    def numbered(self) -> Indices:
        return np.fromiter(self._numbers(), dtype=np.int64, count=len(self._parent))

    def _numbers(self) -> Iterator[int]:
        numbers: dict[int, int] = {}
        for index in range(len(self._parent)):
            yield numbers.setdefault(self.root(index), len(numbers))


def _most(images: int) -> int:
    """Of a class of so many images in one unit: a fifth, and a pair where that leaves another unit."""
    return max(images // FOLDS, min(2, images - 1))
