"""Everything that is shown beside the primary metric, computed from predictions that were kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from frostline.stats import operating
from frostline.stats.bootstrap import units_of
from frostline.stats.grouped import FEWEST, by_group, subgroups
from frostline.stats.measures import Quantity, Rows, always_shown, estimate, of_class, of_label, of_labels, of_rare, scored
from frostline.stats.metrics import as_two_classes
from frostline.stats.operating import CutRule
from frostline.stats.pool import Truth, configuration_name, result_key
from frostline.stats.reliability import reliability
from frostline.terms.data import Split
from frostline.terms.detail import (
    OUT_OF_FOLD,
    SEALED,
    ClassDetail,
    Detail,
    Measure,
    ModelDetail,
    OperatingPoint,
    PatientDetail,
    Reliability,
)
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL
from frostline.terms.verdict import Row

Array = npt.NDArray[Any]

CHOSEN = "chosen"
ORDER = (CHOSEN, "control", "softmax-only")


@dataclass(frozen=True, eq=False)
class Fold:
    """Predictions of one model on what one split held out.

    Attributes:
        indices: (n,) into the data set; probabilities: (n, classes).
        train: (m,) what that model was trained on.
    """

    split: str
    indices: Array
    probabilities: Array
    train: Array


@dataclass(frozen=True, eq=False)
class Model:
    """A recipe with everything that was predicted by it.

    Attributes:
        folds: out of fold.
        sealed: of the refitted model on the sealed images; None where they were not opened for this verdict.
    """

    recipe: str
    backbone: str
    folds: tuple[Fold, ...]
    sealed: Fold | None = None


@dataclass(frozen=True, eq=False)
class DetailSettings:
    """How it is measured.

    Attributes:
        metric: the primary one, which subgroups are scored by.
        specificity: that the second operating point keeps on its training side.
        columns: name -> (N,) text for every image of the data set, empty where nothing is said: subgroups.
    """

    metric: str
    specificity: float = 0.9
    columns: Mapping[str, Array] = field(default_factory=dict)
    replicates: int = 1000
    seed: int = 0


def describe(models: Mapping[str, Model], truth: Truth, settings: DetailSettings) -> Detail | None:
    """The detail of a verdict; None where the chosen recipe left no predictions.

    Args:
        models: `chosen`, and `control` and `softmax-only` where they exist.

    Measured on the sealed test set when the chosen recipe was tested there, else on the out-of-fold predictions of the
    chosen recipe's folds; a model without predictions there is left out with a note.
    """
    truth = truth.numbered()
    sealed = models[CHOSEN].sealed is not None
    several = truth.several
    shown = {name: _shown(models[name], models[CHOSEN], sealed) for name in ORDER if name in models}
    if not shown[CHOSEN]:
        return None
    seen = {name: _Seen.of(models[name], folds, truth, sealed, settings) for name, folds in shown.items() if folds}
    absent = [name for name, folds in shown.items() if not folds]
    where = "the sealed test set" if sealed else "the folds of the chosen recipe"
    notes = [f"The {name} ('{models[name].recipe}') left no predictions on {where}." for name in absent]
    chosen = seen[CHOSEN]
    columns = subgroups(chosen.repeats, truth, settings.columns, chosen.for_subgroups(), settings.replicates, settings.seed)
    return Detail(
        how=SEALED if sealed else OUT_OF_FOLD,
        unit=units_of(chosen.images, truth).name,
        classes=truth.classes,
        positive=truth.classes[operating.POSITIVE] if chosen.rules else "",
        models=tuple(one.model(name) for name, one in seen.items()),
        per_class=_labels(models[CHOSEN], shown[CHOSEN], truth, settings) if several else chosen.per_class(),
        confusion=() if several else confusion(chosen.repeats, len(truth.classes)),
        reliability=Reliability("", ()) if several else reliability(chosen.repeats, truth, settings.replicates, settings.seed),
        patients=None if several else chosen.patients(),
        subgroups=columns,
        notes=tuple(notes),
        several=several,
    )


# --- several labels an image -------------------------------------------------------------------------------------------


def of_one_label(folds: Sequence[Fold], truth: Truth, label: int) -> tuple[tuple[Fold, ...], Truth]:
    """A label as a question with two classes, on the images whose answer is known."""
    known = np.isfinite(truth.labels[:, label])
    own = dataclasses.replace(truth, labels=(truth.labels[:, label] == 1).astype(int), classes=("no", truth.classes[label]))
    asked = []
    for fold in folds:
        there = known[fold.indices]
        if there.any():
            seen = as_two_classes(fold.probabilities[there, label].astype(np.float64))
            asked.append(Fold(fold.split, fold.indices[there], seen, fold.train[known[fold.train]]))
    return tuple(asked), own


def _labels(model: Model, shown: Sequence[Fold], truth: Truth, settings: DetailSettings) -> tuple[ClassDetail, ...]:
    return tuple(_label(model, shown, truth, label, settings) for label in range(len(truth.classes)))


def _label(model: Model, shown: Sequence[Fold], truth: Truth, label: int, settings: DetailSettings) -> ClassDetail:
    name, (asked, own) = truth.classes[label], of_one_label(shown, truth, label)
    if not asked:
        return ClassDetail(name, 0, (), 0)
    training, _ = of_one_label(model.folds, truth, label)
    sealed = model.sealed is not None
    seen = _Seen.of(dataclasses.replace(model, folds=training), asked, own, sealed, settings)
    has = own.labels[seen.images] == 1
    shown_for = of_label(name, float(has.mean()))
    measures, points = seen.measured(shown_for)
    bins = reliability(seen.repeats, own, settings.replicates, settings.seed)
    return ClassDetail(name, int(has.sum()), measures, len(has), points, bins, seen.patients(shown_for))


def label_thresholds(folds: Sequence[Fold], truth: Truth) -> tuple[float, ...]:
    """Of every label: from which probability on it is said (`operating.best_f1` on out-of-fold predictions); .5 where none is."""
    found = []
    for label in range(len(truth.classes)):
        asked, own = of_one_label(folds, truth, label)
        labels = np.concatenate([own.labels[fold.indices] for fold in asked]) if asked else np.zeros(0, dtype=int)
        scores = np.concatenate([fold.probabilities[:, 1] for fold in asked]) if asked else np.zeros(0)
        threshold = operating.best_f1(labels == 1, scores)
        found.append(threshold if np.isfinite(threshold) else 0.5)
    return tuple(found)


def _shown(model: Model, chosen: Model, sealed: bool) -> tuple[Fold, ...]:
    """What a model is measured on: the sealed images, else the folds that the chosen recipe has too."""
    if sealed:
        return (model.sealed,) if model.sealed is not None else ()
    splits = {fold.split for fold in chosen.folds}
    return tuple(fold for fold in model.folds if fold.split in splits)


# --- from predictions to rows ----------------------------------------------------------------------------------------


def out_of_fold(results: Sequence[Result], row: Row, splits: Sequence[Split]) -> tuple[Fold, ...]:
    """The full-size predictions of one configuration of one recipe, a fold each, in the order of the splits.

    Predictions that are not all finite count as none, as in `pool.gather`.
    """
    order = {split.name: place for place, split in enumerate(splits)}
    found = []
    for result in results:
        trial = result.trial
        if result.outcome is not Outcome.DONE or trial.budget.rung != FULL or result_key(result) != (row.backbone, row.recipe):
            continue
        for number in range(len(trial.configurations)):
            predicted = result.probabilities[number]
            if configuration_name(trial, number) == row.configuration and np.isfinite(predicted).all():
                train = np.asarray(splits[order[trial.split]].train, dtype=int)
                found.append((order[trial.split], trial.id, Fold(trial.split, result.indices, predicted, train)))
    return tuple(fold for _, _, fold in sorted(found, key=lambda one: one[:2]))


def as_repeats(folds: Sequence[Fold], truth: Truth) -> tuple[Rows, ...]:
    """The folds in repeats: those of one repeat share no image."""
    repeats: list[list[Fold]] = []
    for fold in folds:
        home = next((one for one in repeats if not any(np.isin(fold.indices, other.indices).any() for other in one)), None)
        if home is None:
            repeats.append([fold])
        else:
            home.append(fold)
    return tuple(_rows(members, truth) for members in repeats)


def _rows(folds: Sequence[Fold], truth: Truth) -> Rows:
    images = np.concatenate([fold.indices for fold in folds]).astype(int)
    sizes = [len(fold.indices) for fold in folds]
    most = [0 if truth.several else int(np.bincount(truth.labels[fold.train], minlength=1).argmax()) for fold in folds]
    return Rows(
        images=images,
        labels=truth.labels[images],
        probabilities=np.concatenate([fold.probabilities for fold in folds]).astype(np.float64),
        fold=np.repeat(np.arange(len(folds)), sizes),
        majority=np.repeat(most, sizes),
        thresholds=np.zeros((len(images), 0)),
    )


def confusion(repeats: Sequence[Rows], classes: int) -> tuple[tuple[float, ...], ...]:
    """(true, said) -> images; the mean over the repeats."""
    counts = [confusion_matrix(rows.labels, rows.said, labels=range(classes)) for rows in repeats]
    return tuple(tuple(float(one) for one in row) for row in np.mean(counts, axis=0))


# --- one model -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Seen:
    """One model on what it is measured on.

    Attributes:
        rules: of the operating points; none unless there are two classes.
        trained: there were other predictions to fix thresholds on.
    """

    source: Model
    repeats: tuple[Rows, ...]
    truth: Truth
    rules: tuple[CutRule, ...]
    trained: bool
    settings: DetailSettings

    @classmethod
    def of(cls, model: Model, shown: Sequence[Fold], truth: Truth, sealed: bool, settings: DetailSettings) -> _Seen:
        rules = operating.cut_rules(settings.specificity) if len(truth.classes) == 2 and not truth.several else ()
        repeats = as_repeats(shown, truth)
        if sealed:
            training = as_repeats(model.folds, truth)
            cut = tuple(operating.fixed_elsewhere(rows, training, rules) for rows in repeats)
            return cls(model, cut, truth, rules, bool(training), settings)
        cut = tuple(operating.fixed_on_other_folds(rows, rules) for rows in repeats)
        return cls(model, cut, truth, rules, any(rows.folds > 1 for rows in repeats), settings)

    @property
    def images(self) -> Array:
        return np.unique(np.concatenate([rows.images for rows in self.repeats]))

    def model(self, name: str) -> ModelDetail:
        measures, points = self.measured(self._shown())
        units = units_of(self.images, self.truth).count
        folds = sum(rows.folds for rows in self.repeats)
        recipe, backbone = self.source.recipe, self.source.backbone
        return ModelDetail(name, recipe, backbone, len(self.images), units, folds, measures, points)

    def _shown(self) -> tuple[Quantity, ...]:
        if self.truth.several:
            return of_labels()
        return (*always_shown(len(self.truth.classes)), *of_rare(self.truth.labels[self.images], self.truth.classes))

    def measured(self, shown: Sequence[Quantity]) -> tuple[tuple[Measure, ...], tuple[OperatingPoint, ...]]:
        """These quantities, and the operating points."""
        return self._measured(shown, self.repeats, self.truth)

    def per_class(self) -> tuple[ClassDetail, ...]:
        labels = self.truth.labels[self.images]
        shown = [of_class(one, name) for one, name in enumerate(self.truth.classes)]
        found = iter(self._estimate([one for group in shown for one in group]))
        return tuple(
            ClassDetail(name, int((labels == one).sum()), tuple(next(found) for _ in shown[one]))
            for one, name in enumerate(self.truth.classes)
        )

    def patients(self, shown: Sequence[Quantity] = ()) -> PatientDetail | None:
        """By patient: `shown` of a label, where enough patients have it; or what is always shown of classes."""
        named = self.truth.patients
        if named is None or len(np.unique(named[self.images])) == len(self.images):
            return None
        grouped = by_group(self.repeats, self.truth)
        if not grouped.repeats:
            return PatientDetail(0, grouped.mixed, ())
        named_groups = np.unique(np.concatenate([rows.images for rows in grouped.repeats]))
        groups = len(named_groups)
        if shown and np.bincount(grouped.truth.labels[named_groups], minlength=2).min() < FEWEST:
            return PatientDetail(groups, grouped.mixed, ())
        measures, points = self._measured(shown or always_shown(len(self.truth.classes)), grouped.repeats, grouped.truth)
        return PatientDetail(groups, grouped.mixed, measures, points)

    def for_subgroups(self) -> tuple[Quantity, ...]:
        """The primary metric, and for two classes sensitivity and specificity at the first rule's threshold."""
        return (scored(self.settings.metric), *(operating.quantities(0) if self.rules else ()))

    def _measured(
        self, shown: Sequence[Quantity], repeats: Sequence[Rows], truth: Truth
    ) -> tuple[tuple[Measure, ...], tuple[OperatingPoint, ...]]:
        cuts = [one for number in range(len(self.rules)) for one in operating.quantities(number)]
        found = estimate(repeats, truth, [*shown, *cuts], self.settings.replicates, self.settings.seed)
        reached = found[len(shown) :]
        points = tuple(
            operating.operating_point(rule, number, repeats, reached[2 * number : 2 * number + 2], self.trained)
            for number, rule in enumerate(self.rules)
        )
        return found[: len(shown)], points

    def _estimate(self, quantities: Sequence[Quantity]) -> tuple[Measure, ...]:
        return estimate(self.repeats, self.truth, quantities, self.settings.replicates, self.settings.seed)


__all__ = ["DetailSettings", "Fold", "Model", "as_repeats", "confusion", "describe", "label_thresholds", "out_of_fold"]
