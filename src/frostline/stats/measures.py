"""Measures beside the primary metric, for many weightings of the images at once, with intervals from the one engine.

An interval is that of `sealed` and `compare`: percentiles of a bootstrap over units (groups, or images where there are none),
stratified by class, widened where a class has few units, by two pseudo-units that disagree and by the variance between repeats.
The predictions are fixed: nothing is chosen again, so a measure of a recipe that won among many is not corrected for that.
Estimand: on a sealed test these very models; over folds the procedure at this training size.

A measure that needs a ranking (AUROC, AUPRC) or a class's own share (balanced accuracy) is computed in every fold and averaged,
never pooled over folds, whose models' scores are not comparable. All others are taken over all images of a repeat together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import Units, batches, standard_noise, units_of
from frostline.stats.compare import ENOUGH_REPLICATES, Distribution, few_units, pseudo_variance, variance_of_mean
from frostline.stats.metrics import BY_LABEL, METRICS, SMALLEST_PROBABILITY, log_likelihoods
from frostline.stats.pool import Truth
from frostline.stats.strata import several
from frostline.stats.weighted import average_precision, mean_of_defined, ratio, weighted_scores
from frostline.terms.detail import Measure
from frostline.terms.interval import Interval

Array = npt.NDArray[Any]

CALIBRATION_BINS = 15
RARE = 0.10  # a class below this share gets its AUPRC


@dataclass(frozen=True, eq=False)
class Rows:
    """One model's predictions on a test set, or on the folds of one repeat: no image twice.

    Attributes:
        images: (n,) numbers of images (or of patients) in a `Truth`.
        labels: (n,), or (n, classes) where an image may have several.
        probabilities: (n, classes).
        fold: (n,) which model predicted it.
        majority: (n,) the most frequent class of that model's training side.
        thresholds: (n, rules) what the positive class's probability is held against; NaN where there is none.
    """

    images: Array
    labels: Array
    probabilities: Array
    fold: Array
    majority: Array
    thresholds: Array

    def where(self, mask: Array) -> Rows:
        """The rows of `mask` (n,)."""
        return Rows(*(getattr(self, field.name)[mask] for field in dataclasses.fields(self)))

    @property
    def said(self) -> Array:
        """(n,) the most probable class; the first wins ties."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def folds(self) -> int:
        return len(np.unique(self.fold))


Mask = Callable[[Rows], Array]


def everything(rows: Rows) -> Array:
    return np.ones(len(rows.images), dtype=bool)


@dataclass(frozen=True, eq=False)
class Quantity:
    """How a measure is computed.

    Attributes:
        function: (rows, weights (B, n)) -> (B,), NaN where undefined; gets no empty rows.
        low, high: the possible values.
        over: `folds` or `images`.
        among: the rows that it is about.
        counted: the rows whose units the variance is counted in; None for those of `among`.
        pseudo: variance that two disagreeing units among these would have; wide: as `compare.few_units`.
        needs: what is missing where it is not defined.
    """

    name: str
    function: Callable[[Rows, Array], Array]
    low: float = 0.0
    high: float = 1.0
    over: str = "images"
    among: Mask = everything
    counted: Mask | None = None
    pseudo: Callable[[Units], float] = lambda units: 2 / max(units.count, 1) ** 2
    wide: Callable[[Units], float] = lambda units: few_units("accuracy", units)
    of: str = ""
    needs: str = "no image to measure it on"
    note: str = ""


# --- the engine ------------------------------------------------------------------------------------------------------


def estimate(
    repeats: Sequence[Rows], truth: Truth, quantities: Sequence[Quantity], replicates: int = 1000, seed: int = 0
) -> tuple[Measure, ...]:
    """Each quantity with its 95 % interval, in the given order, all under the same draws.

    Args:
        repeats: the predictions; one item for a test set.
        truth: labels and groups (as integers) of everything that `Rows.images` names.

    A value that is NaN, or whose replicates are nearly all undefined, has no interval but a note.
    """
    rng = np.random.default_rng(seed)
    units = units_of(np.unique(np.concatenate([rows.images for rows in repeats])), truth)
    parts = [_values(repeats, units, quantities, weights) for weights in batches(units, replicates, rng)]
    noise = standard_noise(replicates, rng)
    plain = _values(repeats, units, quantities, np.ones((1, len(units.images))))[0]
    drawn, share = np.concatenate(parts), np.array([rows.folds for rows in repeats], dtype=float)
    return tuple(
        _measure(one, repeats, truth, plain[number], drawn[:, number], noise, share) for number, one in enumerate(quantities)
    )


def _values(repeats: Sequence[Rows], units: Units, quantities: Sequence[Quantity], weights: Array) -> Array:
    """(B, quantities, repeats)."""
    values = np.full((len(weights), len(quantities), len(repeats)), np.nan)
    for place, rows in enumerate(repeats):
        own = weights[:, np.searchsorted(units.images, rows.images)]
        for number, quantity in enumerate(quantities):
            mask = quantity.among(rows)
            if mask.any():
                among = (rows, own) if mask.all() else (rows.where(mask), own[:, mask])
                values[:, number, place] = _value(quantity, *among)
    return values


def _value(quantity: Quantity, rows: Rows, weights: Array) -> Array:
    """(B,)."""
    folds = np.unique(rows.fold)
    if quantity.over == "images" or len(folds) == 1:
        return quantity.function(rows, weights)
    members = [rows.fold == fold for fold in folds]
    return mean_of_defined(np.stack([quantity.function(rows.where(one), weights[:, one]) for one in members]), axis=0)


def _measure(
    quantity: Quantity, repeats: Sequence[Rows], truth: Truth, plain: Array, drawn: Array, noise: Array, share: Array
) -> Measure:
    """plain: (repeats,). drawn: (B, repeats). share: (repeats,) how many folds each has."""
    value = float(_over_repeats(plain[None], share)[0])
    if not np.isfinite(value):
        return Measure(quantity.name, None, quantity.over, quantity.of, quantity.needs)
    replicates = _over_repeats(drawn, share)
    defined = np.isfinite(replicates)
    counted = quantity.counted or quantity.among
    images = np.unique(np.concatenate([rows.images[counted(rows)] for rows in repeats]))
    units = units_of(images, truth)
    extra = quantity.pseudo(units) + variance_of_mean(plain)
    deviations = replicates[defined] - replicates[defined].mean() if defined.any() else np.zeros(0)
    spread = value + quantity.wide(units) * deviations + np.sqrt(extra) * noise[defined]
    found = Distribution(value, spread if defined.sum() >= ENOUGH_REPLICATES else np.zeros(0))
    return Measure(quantity.name, _plain(found.interval(quantity.low, quantity.high)), quantity.over, quantity.of, quantity.note)


def _over_repeats(values: Array, share: Array) -> Array:
    """(B, repeats) -> (B,) without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio((np.where(defined, values, 0.0) * share).sum(axis=1), (defined * share).sum(axis=1))


def _plain(interval: Interval) -> Interval:
    return Interval(float(interval.value), float(interval.low), float(interval.high))


# --- weighted functions ----------------------------------------------------------------------------------------------


def share(values: Array, weights: Array) -> Array:
    """The weighted mean of `values` (n,) under `weights` (B, n) -> (B,); NaN where all weights are 0."""
    return ratio((weights @ values.astype(weights.dtype)).astype(np.float64), weights.sum(axis=1, dtype=np.float64))


def auroc(positive: Array, scores: Array, weights: Array) -> Array:
    """(B,) area under the ROC curve of one class against the rest; ties count half."""
    return weighted_scores("auroc", positive.astype(int), [np.stack([-scores, scores], axis=1)], weights)[:, 0]


def calibration_error(rows: Rows, weights: Array) -> Array:
    """(B,) expected calibration error of the most probable class, bins of equal width (Guo et al. 2017, eq. 5).

    Biased upwards when images are few: a perfectly calibrated model does not reach 0.
    """
    confidence = rows.probabilities.max(axis=1)
    bin_of = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.zeros((len(confidence), CALIBRATION_BINS), dtype=weights.dtype)
    gaps[np.arange(len(confidence)), bin_of] = (rows.said == rows.labels) - confidence
    return ratio(np.abs(weights @ gaps).sum(axis=1, dtype=np.float64), weights.sum(axis=1, dtype=np.float64))


def squared_errors(rows: Rows) -> Array:
    """(n,) what the Brier score is the mean of: the second class's for two classes, summed over classes otherwise."""
    squares = (rows.probabilities - np.eye(rows.probabilities.shape[1])[rows.labels]) ** 2
    return np.asarray(squares[:, 1] if squares.shape[1] == 2 else squares.sum(axis=1))


# --- the quantities --------------------------------------------------------------------------------------------------


def scored(metric: str) -> Quantity:
    """A metric of `metrics.METRICS` that does not depend on a training side; log-loss is not negated here."""
    if metric == "log-loss":
        return Quantity(
            "log-loss",
            _log_loss,
            high=-float(np.log(SMALLEST_PROBABILITY)),
            pseudo=lambda units: 0.0,
        )
    return Quantity(
        metric,
        lambda rows, weights: weighted_scores(metric, rows.labels, [rows.probabilities], weights)[:, 0],
        METRICS[metric].floor,
        METRICS[metric].ceiling,
        "images" if metric == "accuracy" else "folds",
        pseudo=lambda units: pseudo_variance(metric, units),
        wide=lambda units: few_units(metric, units),
        needs="needs images of two classes" if metric == "auroc" else "no image to measure it on",
    )


def _log_loss(rows: Rows, weights: Array) -> Array:
    if several(rows.labels):
        return -weighted_scores("log-loss", rows.labels, [rows.probabilities], weights)[:, 0]
    return share(-log_likelihoods(rows.labels, rows.probabilities), weights)


def of_labels() -> tuple[Quantity, ...]:
    """Of a model for images with several labels, each the mean over labels."""
    return tuple(scored(metric) for metric in BY_LABEL)


def of_label(name: str, part: float) -> tuple[Quantity, ...]:
    """Of one label, as two classes: AUROC, average precision, calibration error; `part` of the images have it."""
    return (
        dataclasses.replace(scored("auroc"), of=name),
        _auprc(1, name, part),
        Quantity("calibration-error", calibration_error, of=name),
    )


def always_shown(classes: int) -> tuple[Quantity, ...]:
    """Of every model: AUROC, balanced accuracy, accuracy with its majority baseline, log-loss, Brier, calibration error."""
    most = 1.0 if classes == 2 else 2.0
    return (
        scored("auroc"),
        scored("balanced-accuracy"),
        scored("accuracy"),
        Quantity("majority", lambda rows, weights: share(rows.majority == rows.labels, weights), pseudo=lambda units: 0.0),
        scored("log-loss"),
        Quantity(
            "brier",
            lambda rows, weights: share(squared_errors(rows), weights),
            high=most,
            pseudo=lambda units: 2 * (most / max(units.count, 1)) ** 2,
        ),
        Quantity("calibration-error", calibration_error),
    )


def of_rare(labels: Array, classes: Sequence[str]) -> tuple[Quantity, ...]:
    """AUPRC of every class under 10 % of `labels`; its note says what guessing would reach."""
    shares = np.bincount(labels, minlength=len(classes)) / max(len(labels), 1)
    return tuple(_auprc(one, classes[one], float(part)) for one, part in enumerate(shares) if part < RARE)


def _auprc(one: int, name: str, part: float) -> Quantity:
    return Quantity(
        "auprc",
        lambda rows, weights: average_precision(rows.labels == one, rows.probabilities[:, one], weights),
        over="folds",
        counted=lambda rows: rows.labels == one,
        of=name,
        needs=f"no image of {name}",
        note=f"guessing reaches {part:.3f}",
    )


def of_class(one: int, name: str) -> tuple[Quantity, ...]:
    """Recall and precision (of the most probable class), and AUROC against the rest."""
    return (
        Quantity(
            "recall",
            lambda rows, weights: share(rows.said == one, weights),
            among=lambda rows: rows.labels == one,
            of=name,
            needs=f"no image of {name}",
        ),
        Quantity(
            "precision",
            lambda rows, weights: share(rows.labels == one, weights),
            among=lambda rows: rows.said == one,
            of=name,
            needs=f"nothing was called {name}",
        ),
        Quantity(
            "auroc",
            lambda rows, weights: auroc(rows.labels == one, rows.probabilities[:, one], weights),
            over="folds",
            pseudo=lambda units: pseudo_variance("auroc", _against_rest(units, one)),
            wide=lambda units: few_units("auroc", _against_rest(units, one)),
            of=name,
            needs=f"needs images of {name} and of others",
        ),
    )


def _against_rest(units: Units, one: int) -> Units:
    return dataclasses.replace(units, strata=(units.strata == one).astype(int))
