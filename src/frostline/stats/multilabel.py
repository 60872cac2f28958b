"""Scores where an image has several labels: each label is a question of its own, answered yes, no or not known.

Sample unit: one image. An unknown answer (NaN) is left out of its label and of no other. Higher is better. What is not
defined is NaN with a sentence that says why, and is left out of the mean over labels, which then says so:

- a label whose known answers are all yes or all no has no AUROC; without a yes it has no average precision either, and
  without a no its average precision would be 1 for any model: both are NaN;
- a label with a score that is NaN or infinite is NaN: leaving the image out would flatter the model;
- constant scores have AUROC .5 and the label's share as average precision, and are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from frostline.stats.measures import auroc, average_precision
from frostline.stats.weighted import mean_of_defined

Array = npt.NDArray[Any]

FUNCTIONS = {"auroc": auroc, "average-precision": average_precision}


@dataclass(frozen=True)
class LabelScores:
    """One label.

    Attributes:
        known: images with an answer; positive: those of them that have the label.
        message: why something is NaN, or what is odd; else empty.
    """

    name: str
    auroc: float
    average_precision: float
    known: int
    positive: int
    message: str = ""


@dataclass(frozen=True)
class MultiLabelScores:
    """All labels.

    Attributes:
        auroc: macro AUROC, the plain mean over labels that have one; average_precision: the same of average precision: mAP.
        messages: sentences about labels that were left out or are odd.
    """

    auroc: float
    average_precision: float
    labels: tuple[LabelScores, ...]
    messages: tuple[str, ...] = ()


def multilabel_scores(truth: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str]) -> MultiLabelScores:
    """Macro AUROC and mAP of one set of predictions.

    Args:
        truth: (n, labels) 1, 0, or NaN for not known.
        scores: (n, labels), higher for yes.

    Raises:
        ValueError: the shapes do not fit, or the truth has another value.
    """
    y, p = checked(truth, scores, names)
    return _mean([_label(name, y[:, one], p[:, one]) for one, name in enumerate(names)])


def multilabel_over_folds(folds: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], names: Sequence[str]) -> MultiLabelScores:
    """The same over folds, never pooled: each label is averaged over the folds in which it is defined, then over labels.

    So every label counts once, however many folds lack it; the messages say which do.

    Args:
        folds: (truth, scores) of each.

    Raises:
        ValueError: as `multilabel_scores`; or no fold was given.
    """
    if not folds:
        raise ValueError("no fold was given; expected (truth, scores) of at least one.")
    found = [multilabel_scores(truth, scores, names) for truth, scores in folds]
    return _mean([_over_folds([one.labels[number] for one in found]) for number in range(len(names))])


def weighted_multilabel(measure: str, truth: Array, scores: Array, weights: Array) -> Array:
    """Macro `auroc` or `average-precision` under B weightings of the same images: what a bootstrap needs.

    Args:
        truth: (n, labels) 1, 0 or NaN. scores: (n, labels), finite. weights: (B, n), not negative.

    Returns:
        (B,): the mean over labels defined under that weighting; NaN where none is. A label without a yes or without a no in
        `truth` is left out always.
    """
    found = []
    for y, p in zip(truth.T, scores.T, strict=True):
        known = np.isfinite(y)
        if len(np.unique(y[known])) == 2:
            found.append(FUNCTIONS[measure](y[known] == 1, p[known], weights[:, known]))
    return mean_of_defined(np.stack(found), axis=0) if found else np.full(len(weights), np.nan)


def checked(truth: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str]) -> tuple[Array, Array]:
    y, p = np.asarray(truth, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.ndim != 2 or y.shape != p.shape or y.shape[1] != len(names):
        raise ValueError(f"truth {y.shape}, scores {p.shape} and {len(names)} names do not fit; expected (n, labels) twice.")
    odd = np.unique(y[np.isfinite(y) & (y != 0) & (y != 1) | np.isinf(y)])
    if len(odd):
        raise ValueError(f"the truth holds {odd[0]:g}; expected 1 for yes, 0 for no and NaN for not known.")
    return y, p


def _label(name: str, truth: Array, scores: Array) -> LabelScores:
    known = np.isfinite(truth)
    y, p = truth[known], scores[known]
    positive, nan = int(y.sum()), float("nan")
    if not np.isfinite(p).all():
        odd = int((~np.isfinite(p)).sum())
        return LabelScores(name, nan, nan, len(y), positive, f"{odd} of {len(y)} scores are not finite")
    if positive in (0, len(y)):
        what = "no image has it" if positive == 0 and len(y) else "every image has it" if len(y) else "no answer is known"
        return LabelScores(name, nan, nan, len(y), positive, what)
    message = "all scores are equal" if np.ptp(p) == 0 else ""
    return LabelScores(name, float(roc_auc_score(y, p)), float(average_precision_score(y, p)), len(y), positive, message)


def _over_folds(found: Sequence[LabelScores]) -> LabelScores:
    areas, precisions = (np.array(values) for values in zip(*((one.auroc, one.average_precision) for one in found), strict=True))
    odd = [one.message for one in found if one.message]
    message = f"in {len(odd)} of {len(found)} folds: {'; '.join(dict.fromkeys(odd))}" if odd else ""
    return LabelScores(
        found[0].name,
        float(mean_of_defined(areas, axis=0)),
        float(mean_of_defined(precisions, axis=0)),
        sum(one.known for one in found),
        sum(one.positive for one in found),
        message,
    )


def _mean(labels: Sequence[LabelScores]) -> MultiLabelScores:
    areas, precisions = np.array([one.auroc for one in labels]), np.array([one.average_precision for one in labels])
    said = []
    for one in labels:
        left_out = " It is left out of the means." if np.isnan(one.auroc) else ""
        if one.message:
            said.append(f"{one.name}: {one.message}.{left_out}")
    return MultiLabelScores(
        float(mean_of_defined(areas, axis=0)), float(mean_of_defined(precisions, axis=0)), tuple(labels), tuple(said)
    )
