"""Operating points: where to cut the positive class's probability, fixed on training data only.

For a sealed test the threshold comes from the out-of-fold predictions of cross-validation; for cross-validation the threshold
of a fold comes from the other folds of its repeat. So no image helps to choose the threshold that it is measured at. The
models of these predictions saw other training images than the model that is measured: how well a threshold carries over is
part of what is measured. Its own uncertainty is not in the intervals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from frostline.stats.measures import Mask, Quantity, Rows, share
from frostline.terms.detail import Measure, OperatingPoint

Array = npt.NDArray[Any]

POSITIVE = 1  # the second class: the one whose probability AUROC ranks
NO_TRAINING = "there are no other predictions to fix a threshold on"
NONE_FOUND = "no threshold of the training side does better than calling every image alike"


@dataclass(frozen=True)
class CutRule:
    """How a threshold is chosen; `target` is the specificity to keep, None for Youden's."""

    name: str
    target: float | None = None

    def threshold(self, labels: Array, scores: Array) -> float:
        """An observed score: what is at least as high is called positive. NaN where none does better than calling all alike.

        Youden's rule takes the largest sum of sensitivity and specificity (Youden 1950), the highest of several; the other
        one the largest sensitivity among thresholds with at least the target specificity.

        Args:
            labels: (n,) whether positive; scores: (n,) probabilities.
        """
        if len(np.unique(labels)) < 2:
            return float("nan")
        false, true, thresholds = roc_curve(labels, scores.astype(np.float64), drop_intermediate=False)
        allowed = np.ones(len(false), dtype=bool) if self.target is None else 1 - false >= self.target - 1e-12
        gain = np.where(allowed, true - false if self.target is None else true, -1.0)
        best = int(gain.argmax())
        useful = np.isfinite(thresholds[best]) and true[best] > false[best]
        return float(thresholds[best]) if useful else float("nan")


MOST_CALLED = 2  # times as many as have the label (docs/decisions/multi-label.md)


def best_f1(labels: Array, scores: Array) -> float:
    """The observed score from which a label is said: the largest F1 among thresholds that call at most twice as many as have it.

    The highest of several. NaN where there are none with it or none without. Without the bound the best F1 of a label that the
    scores cannot tell is reached by calling every image (Lipton 2014, section 4).

    Args:
        labels: (n,) whether an image has the label; scores: (n,) probabilities.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order])
    called = np.arange(1, len(scores) + 1)
    allowed = np.append(ordered[1:] != ordered[:-1], True) & (called <= MOST_CALLED * hits[-1])
    f1 = np.where(allowed, 2 * hits / (called + hits[-1]), 0.0)
    return float(ordered[f1.argmax()]) if f1.any() else float("nan")


def cut_rules(specificity: float) -> tuple[CutRule, ...]:
    return CutRule("youden"), CutRule("specificity", specificity)


def fixed_elsewhere(rows: Rows, training: Sequence[Rows], rules: Sequence[CutRule]) -> Rows:
    """`rows` of a test set, with thresholds from other predictions altogether."""
    labels = np.concatenate([one.labels for one in training]) if training else np.zeros(0, dtype=int)
    scores = np.concatenate([one.probabilities[:, POSITIVE] for one in training]) if training else np.zeros(0)
    found = [rule.threshold(labels == POSITIVE, scores) for rule in rules]
    return dataclasses.replace(rows, thresholds=np.tile(np.array(found, dtype=float), (len(rows.images), 1)))


def fixed_on_other_folds(rows: Rows, rules: Sequence[CutRule]) -> Rows:
    """`rows` of one repeat, each fold with thresholds from the other folds; NaN where there is only one fold."""
    thresholds = np.full((len(rows.images), len(rules)), np.nan)
    positive, scores = rows.labels == POSITIVE, rows.probabilities[:, POSITIVE]
    for fold in np.unique(rows.fold):
        inside = rows.fold == fold
        thresholds[inside] = [rule.threshold(positive[~inside], scores[~inside]) for rule in rules]
    return dataclasses.replace(rows, thresholds=thresholds)


def quantities(rule: int) -> tuple[Quantity, Quantity]:
    """Sensitivity and specificity at the thresholds of the rule with this number."""

    def called(rows: Rows) -> Array:
        return np.asarray(rows.probabilities[:, POSITIVE] >= rows.thresholds[:, rule])

    def among(positive: bool) -> Mask:
        return lambda rows: ((rows.labels == POSITIVE) == positive) & np.isfinite(rows.thresholds[:, rule])

    return (
        Quantity("sensitivity", lambda rows, weights: share(called(rows), weights), among=among(True)),
        Quantity("specificity", lambda rows, weights: share(~called(rows), weights), among=among(False)),
    )


def operating_point(
    rule: CutRule, number: int, repeats: Sequence[Rows], reached: Sequence[Measure], trained: bool
) -> OperatingPoint:
    """The value for the verdict.

    Args:
        reached: the measures of `quantities(number)`.
        trained: there were other predictions to fix a threshold on.
    """
    thresholds = [one for rows in repeats for one in _fold_thresholds(rows, number)]
    known = tuple(one for one in thresholds if np.isfinite(one))
    missing = len(thresholds) - len(known)
    note = f"no threshold in {missing} of {len(thresholds)} folds" if missing else ""
    note = note if known else NONE_FOUND if trained else NO_TRAINING
    sensitivity, specificity = (one.interval for one in reached)
    return OperatingPoint(rule.name, rule.target, known, sensitivity, specificity, note)


def _fold_thresholds(rows: Rows, number: int) -> list[float]:
    return [float(rows.thresholds[rows.fold == fold][0, number]) for fold in np.unique(rows.fold)]
