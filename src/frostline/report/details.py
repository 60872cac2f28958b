"""What stands beside the primary metric, as sentences and as cells of tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from frostline.report.charts import rankings_picture
from frostline.report.figures import Picture, reliabilities_picture, reliability_picture
from frostline.report.numbers import listed, metric_name, score, score_range
from frostline.report.words import HOW_SHORT, OVER_FOLDS
from frostline.terms.detail import (
    SEALED,
    Bin,
    ClassDetail,
    Detail,
    Measure,
    ModelDetail,
    OperatingPoint,
    PatientDetail,
    Subgroups,
)
from frostline.terms.interval import Interval
from frostline.terms.quantities import count, plural, plural_of
from frostline.terms.verdict import GROUP, IMAGE, Verdict

NAMES = {
    "auroc": "AUROC",
    "majority": "accuracy of always saying the most frequent class of the training side",
    "log-loss": "log-loss (lower is better)",
    "brier": "Brier score (lower is better)",
    "calibration-error": "expected calibration error (lower is better)",
    "auprc": "AUPRC",
}
SHORT = {"log-loss": "log-loss", "brier": "Brier", "calibration-error": "calibration error"}
MODELS = {"chosen": "chosen recipe", "control": "best control", "softmax-only": "softmax only"}
FEWEST = 10  # groups with a label, and without it, or it has no score by group: as in `stats.grouped`
MOST_CLASSES = 20  # of a confusion matrix on the page
SHOWN_SHORT = ("auroc", "average-precision", "balanced-accuracy", "accuracy", "log-loss", "brier", "calibration-error")


@dataclass(frozen=True)
class Table:
    """A table of the page: the first cell of a row names it.

    Attributes:
        columns: headings; all but the first hold numbers.
        note: words under it; may be empty.
        dense: many columns: intervals stand below their values.
        heat: for each cell but a row's first, 0..1: how strongly it is shaded; empty for none.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    heat: tuple[tuple[float, ...], ...] = ()
    dense: bool = False


@dataclass(frozen=True)
class DetailSection:
    """The whole section: what it was measured on, tables in order, and the pictures after the first ones.

    Attributes:
        rankings: ROC and precision-recall curves; None in verdicts of old.
        picture: of the calibration, a panel a label where an image may have several; None where there is nothing to draw.
    """

    lead: tuple[str, ...]
    before: tuple[Table, ...]
    rankings: Picture | None
    rankings_caption: str
    picture: Picture | None
    caption: str
    after: tuple[Table, ...]
    notes: tuple[str, ...]


AS_MEASURED = "out-of-fold predictions as they are, not corrected for any choice"


def measured_of(detail: Detail | None, metric: str) -> float | None:
    """The chosen recipe's value of a metric as the detail has it; None where it has none."""
    measures = detail.models[0].measures if detail is not None else ()
    found = next((one.interval for one in measures if one.name == metric and not one.of), None)
    return None if found is None else found.value


def which_number(verdict: Verdict) -> str:
    """Where the chosen recipe's score stands on the page in several forms, and what tells these apart; else empty."""
    metric, name = verdict.metric, metric_name(verdict.metric)
    found = [(score(verdict.score.interval.value, metric), f"in the verdict ({HOW_SHORT.get(verdict.score.how, '')})")]
    if verdict.chosen.score is not None:
        found.append((score(verdict.chosen.score.value, metric), f"in the ranking ({OVER_FOLDS})"))
    measured = measured_of(verdict.detail, metric)
    if verdict.detail is not None and measured is not None and verdict.detail.how != SEALED:
        found.append((score(measured, metric), f"in detail ({AS_MEASURED})"))
    if len({value for value, _ in found}) < 2:
        return ""
    said = "; ".join(f"{value} {where}" for value, where in found)
    return f"The same recipe's {name} stands here in several forms: {said}. Quote the verdict's."


# --- sentences -------------------------------------------------------------------------------------------------------


def origin(detail: Detail) -> str:
    """`624 images of the sealed test set`, or on which folds."""
    chosen = detail.models[0]
    if detail.how == SEALED:
        return f"{plural(chosen.images, 'image')} of the sealed test set"
    return f"out-of-fold predictions for {plural(chosen.images, 'image')} in {plural(chosen.folds, 'fold')}"


def threshold_origin(detail: Detail) -> str:
    """Where the thresholds come from."""
    if detail.how == SEALED:
        return (
            "Thresholds were fixed on the out-of-fold predictions of the search; no sealed image helped to choose them. They"
            " are used as they are on the refitted model, which saw more images."
        )
    return (
        "Each fold's threshold was fixed on the other folds of its repeat: no prediction for an image helped to choose the one"
        " that it is held to."
    )


def short_lines(detail: Detail) -> list[str]:
    """A few lines for a terminal: the chosen recipe's measures, its operating points, its patients, where subgroups stand."""
    chosen = detail.models[0]
    chosen_here = "" if detail.how == SEALED else ", not corrected for having chosen on them"
    lines = [f"Beside it, on {origin(detail)}{chosen_here}: {_short_measures(chosen.measures)}."]
    points = [said for point in chosen.operating if (said := _short_point(point, detail))]
    lines += [" ".join([*points, _short_origin(detail)])] if points else []
    if detail.patients is not None:
        lines.append(_short_patients(detail.patients, detail))
    if detail.subgroups:
        names = listed([one.column for one in detail.subgroups])
        lines.append(f"By {names}, descriptive only: in the report.")
    return lines


def _short_origin(detail: Detail) -> str:
    where = "out-of-fold predictions" if detail.how == SEALED else "the other folds"
    return f"(Thresholds fixed on {where}.)"


def _short_measures(measures: Sequence[Measure]) -> str:
    found = {one.name: one for one in measures}
    said = [_short_measure(found[name], found) for name in SHOWN_SHORT if name in found]
    return ", ".join([*said, *(_short_measure(one, found) for one in measures if one.name == "auprc")])


def _short_measure(one: Measure, others: dict[str, Measure]) -> str:
    name = SHORT.get(one.name, NAMES.get(one.name, metric_name(one.name))) + (f" of {one.of}" if one.of else "")
    if one.interval is None:
        return f"{name} not defined ({one.note})"
    baseline = others.get("majority") if one.name == "accuracy" else None
    against = f", majority {_value(baseline.interval)}" if baseline is not None else ""
    return f"{name} {_value(one.interval)} ({_range(one.interval)}{against})"


def _short_point(point: OperatingPoint, detail: Detail) -> str:
    rule = "Youden's threshold" if point.target is None else f"Specificity {score(point.target, '')} aimed at"
    if not point.thresholds:
        return f"{rule}: none, {point.note}."
    reached = f"sensitivity {_with(point.sensitivity)}, specificity {_with(point.specificity)}"
    return f"{rule}, P({detail.positive}) ≥ {_thresholds(point)}: {reached}."


def _short_patients(found: PatientDetail, detail: Detail) -> str:
    mixed = f", {plural(found.mixed, 'group')} with several labels left out" if found.mixed else ""
    by_name = {one.name: one for one in found.measures}
    said = [_short_measure(by_name[name], {}) for name in ("auroc", "balanced-accuracy") if name in by_name]
    if not said:
        return f"By group: none has one label alone ({plural(found.mixed, 'group')} with several)."
    scores = ", ".join(said)
    return f"By group ({plural(found.groups, 'group')}, mean probability of its images{mixed}): {scores}."


# --- cells -----------------------------------------------------------------------------------------------------------


def _value(interval: Interval | None) -> str:
    return "not defined" if interval is None else score(interval.value, "")


def _range(interval: Interval | None) -> str:
    return "" if interval is None else score_range(interval, "")


def _with(interval: Interval | None) -> str:
    """`.912 (.880 to .941)`."""
    if interval is None or score(interval.low, "") == score(interval.high, ""):
        return _value(interval)
    return f"{_value(interval)} ({_range(interval)})"


def _thresholds(point: OperatingPoint) -> str:
    low, high = min(point.thresholds), max(point.thresholds)
    return score(low, "") if low == high else f"{score(low, '')} to {score(high, '')}"


def measure_title(one: Measure, classes: int = 2, several: bool = False) -> str:
    """`AUROC`, `AUPRC of scar`; for more than two classes, or several labels, it is said what an AUROC is the mean of."""
    name = NAMES.get(one.name, metric_name(one.name))
    if several and not one.of:
        return f"{name}, mean over labels"
    if one.name == "auroc" and classes > 2 and not one.of:
        name = "AUROC (mean over classes, each against the rest)"
    return f"{name} of {one.of}" if one.of else name


# --- the section -----------------------------------------------------------------------------------------------------


def detail_section(verdict: Verdict) -> DetailSection | None:
    """None where the verdict has no detail: it is interim, or was written before there were any."""
    detail = verdict.detail
    if detail is None:
        return None
    before = [_confusion_table(detail)] if detail.confusion and len(detail.classes) <= MOST_CLASSES else []
    before += [_measures_table(detail, verdict)]
    before += [_operating_table(detail)] if detail.positive else []
    after = [_label_table(detail), _label_points(detail)] if detail.several else [_class_table(detail)]
    after += [_label_patients(detail)] if any(one.patients is not None for one in detail.per_class) else []
    after += [_patient_table(detail, detail.patients)] if detail.patients is not None else []
    after += [_subgroup_table(one, detail) for one in detail.subgroups]
    return DetailSection(
        lead=_lead(detail),
        before=tuple(before),
        rankings=_rankings_picture(detail),
        rankings_caption=_rankings_caption(detail),
        picture=_reliability_picture(detail),
        caption=_caption(detail.reliability.bins, detail),
        after=tuple(after),
        notes=detail.notes,
    )


def _lead(detail: Detail) -> tuple[str, ...]:
    unit = "groups (patients)" if detail.unit == GROUP else plural_of(detail.unit)
    said = [
        f"Measured on {origin(detail)}. Intervals come from a bootstrap over {unit}, as the verdict's do, but for the recipes"
        " as they are: what choosing among them adds is in the verdict's intervals alone."
    ]
    if detail.how != SEALED:
        said.append(
            "These numbers are as measured: unlike the verdict's score they are not corrected for having chosen this recipe among"
            " others on the same images. What needs a ranking (AUROC, AUPRC) and balanced accuracy are computed in every fold and"
            " averaged, never pooled over folds, whose models' scores are not comparable; the rest is taken over all images."
        )
    return tuple(said)


def _measures_table(detail: Detail, verdict: Verdict) -> Table:
    names = [(one.name, one.of) for one in detail.models[0].measures]
    titles = {(one.name, one.of): measure_title(one, len(detail.classes), detail.several) for one in detail.models[0].measures}
    cells = [{(one.name, one.of): one for one in model.measures} for model in detail.models]
    rows = [(titles[name], *(_cell(found.get(name)) for found in cells)) for name in names]
    columns = ("measure", *(MODELS.get(model.name, model.name) for model in detail.models))
    note = f"{_origin_note(detail)} {_models_note(detail.models, verdict)}"
    return Table("Beside the primary metric", columns, tuple(rows), note)


def _bare(one: Measure | None) -> str:
    """As `_cell`, without the note."""
    if one is None:
        return ""
    return f"not defined ({one.note})" if one.interval is None else _cell(dataclasses.replace(one, note=""))


def _origin_note(detail: Detail) -> str:
    """Which of the page's several scores a table holds."""
    return "On the sealed test set." if detail.how == SEALED else f"{AS_MEASURED[0].upper()}{AS_MEASURED[1:]}."


def _cell(one: Measure | None) -> str:
    if one is None:
        return ""
    if one.interval is None:
        return f"not defined: {one.note}"
    return _with(one.interval) + (f"; {one.note}" if one.note else "")


def _models_note(models: Sequence[ModelDetail], verdict: Verdict) -> str:
    several = len({row.backbone for row in verdict.rows if row.backbone}) > 1
    named = [
        f"{MODELS.get(one.name, one.name)}: {one.recipe}{f' on {one.backbone}' if several and one.backbone else ''}"
        + (f" ({plural(one.folds, 'fold')})" if one.folds != models[0].folds else "")
        for one in models
    ]
    return "; ".join(named) + "."


def _operating_table(detail: Detail) -> Table:
    rows = [_point_row(model, point) for model in detail.models for point in model.operating]
    note = f"Sensitivity is the share of {detail.positive} that is recognised, specificity that of {detail.classes[0]}. "
    columns = ("model and rule", f"threshold of P({detail.positive})", "sensitivity", "specificity reached")
    return Table("Operating points", columns, tuple(rows), note + threshold_origin(detail))


def _point_row(model: ModelDetail, point: OperatingPoint) -> tuple[str, ...]:
    return (f"{MODELS.get(model.name, model.name)}, {_rule(point)}", *_point_cells(point))


def _rule(point: OperatingPoint) -> str:
    return "Youden's" if point.target is None else f"specificity {score(point.target, '')} aimed at"


def _point_cells(point: OperatingPoint) -> tuple[str, str, str]:
    if not point.thresholds:
        return f"none: {point.note}", "", ""
    return (
        _thresholds(point) + (f" ({point.note})" if point.note else ""),
        _with(point.sensitivity),
        _with(point.specificity),
    )


def _rankings_picture(detail: Detail) -> Picture | None:
    if not detail.rankings:
        return None
    labelled = [(MODELS.get(one.model, one.model) if detail.positive else one.of, one) for one in detail.rankings]
    return rankings_picture(labelled)


def _rankings_caption(detail: Detail) -> str:
    what = f"P({detail.positive})" if detail.positive else "each class against the rest, by the chosen recipe"
    how = "" if detail.how == SEALED else " Mean of the folds' curves; scores of different folds' models are not pooled."
    return f"How well {what} ranks the images. Dotted: no skill at all.{how}"


def _reliability_picture(detail: Detail) -> Picture | None:
    if detail.reliability.bins:
        return reliability_picture(detail.reliability)
    labels = [one.reliability for one in detail.per_class if one.reliability is not None and one.measures]
    return reliabilities_picture(labels) if labels else None


def _caption(bins: Sequence[Bin], detail: Detail) -> str:
    if detail.several:
        return (
            "Calibration of the chosen recipe, label by label: what was predicted (across) against how often it came true (up)."
            " On the dotted line both agree. Bands: 95 % intervals; open dots: fewer than five predictions. All panels have the"
            " same axes, no longer than they need to be."
        )
    what = f"P({detail.reliability.of})" if detail.reliability.of else "the most probable class's probability"
    return (
        f"Calibration of the chosen recipe, {plural(len(bins), 'bin')} of {what}: on the dotted line what is said comes true"
        " as often as it is said. Bands: 95 % intervals; open dots: fewer than five predictions; beside it their numbers."
    )


def _class_table(detail: Detail) -> Table:
    rows = tuple((one.name, count(one.images), *(_cell(measure) for measure in one.measures)) for one in detail.per_class)
    said = "Recall and precision of the most probable class; AUROC of each class against the rest. The chosen recipe."
    note = f"{_origin_note(detail)} {said}"
    return Table("Class by class", ("class", "images", "recall", "precision", "AUROC"), rows, note)


def _label_table(detail: Detail) -> Table:
    note = (
        f"{_origin_note(detail)} The chosen recipe; each label on the images of which it is known whether they have it."
        " Prevalence is the average precision of guessing. A label that is too rare to be scored has no numbers and is not in"
        " the mean."
    )
    columns = ("label", "images with it", "prevalence", "AUROC", "average precision", "calibration error")
    return Table("Label by label", columns, tuple(map(_label_row, detail.per_class)), note, dense=True)


def _label_row(one: ClassDetail) -> tuple[str, ...]:
    if not one.measures:
        return (one.name, "", "", "not scored", "", "")
    found = {measure.name: measure for measure in one.measures}
    known = one.images if one.known is None else one.known
    cells = (_bare(found.get(name)) for name in ("auroc", "auprc", "calibration-error"))
    return (one.name, f"{count(one.images)} of {count(known)}", f"{one.images / max(known, 1):.1%}", *cells)


def _label_points(detail: Detail) -> Table:
    """Sensitivity and specificity of each label at thresholds of its own."""
    rules = next((one.operating for one in detail.per_class if one.operating), ())
    headings = (f"{what}, {_rule(rule)}" for rule in rules for what in ("threshold", "sensitivity", "specificity"))
    rows = [
        (one.name, *(cell for point in one.operating for cell in _dense_point(point)))
        for one in detail.per_class
        if len(one.operating) == len(rules) > 0
    ]
    return Table("Operating points, label by label", ("label", *headings), tuple(rows), threshold_origin(detail), dense=True)


def _dense_point(point: OperatingPoint) -> tuple[str, str, str]:
    return _point_cells(point) if point.thresholds else (f"none ({point.note})", "", "")


def _label_patients(detail: Detail) -> Table:
    """Each label by group: the mean probability of a group's images, where all of them agree on the label."""
    rows = [_label_patients_row(one, one.patients) for one in detail.per_class if one.patients is not None]
    note = (
        "The mean probability of a group's images against the group's answer; groups whose images differ in a label are left"
        f" out for that label. Too few: fewer than {FEWEST} groups with the label, or without it. By image: as above."
    )
    columns = ("label", "groups", "left out", "AUROC by group", "by image", "average precision by group", "by image")
    return Table("Label by label, by group (patient)", columns, tuple(rows), note, dense=True)


def _label_patients_row(one: ClassDetail, found: PatientDetail) -> tuple[str, ...]:
    grouped, single = ({measure.name: measure for measure in measures} for measures in (found.measures, one.measures))
    if not grouped:
        return (one.name, count(found.groups), count(found.mixed), "too few", _bare(single.get("auroc")), "", "")
    pairs = [_bare(of.get(name)) for name in ("auroc", "auprc") for of in (grouped, single)]
    return (one.name, count(found.groups), count(found.mixed), *pairs)


def label_cells(detail: Detail) -> tuple[tuple[str, str, str, str, str], ...]:
    """For a terminal: label, images with it, AUROC, average precision, sensitivity and specificity at Youden's threshold."""
    return tuple(_short_label(one) for one in detail.per_class)


def _short_label(one: ClassDetail) -> tuple[str, str, str, str, str]:
    found = {measure.name: measure.interval for measure in one.measures}
    if not found:
        return one.name, "", "not scored", "", ""
    reached = next((f"{_value(p.sensitivity)} / {_value(p.specificity)}" for p in one.operating if p.thresholds), "no threshold")
    return (
        one.name,
        f"{count(one.images)} of {count(one.known or 0)}",
        _with(found.get("auroc")),
        _with(found.get("auprc")),
        reached,
    )


def _confusion_table(detail: Detail) -> Table:
    rows = tuple(
        (f"is {name}", *(_number(one) for one in counts)) for name, counts in zip(detail.classes, detail.confusion, strict=True)
    )
    note = "Images, by the chosen recipe" + ("." if detail.how == SEALED else "; with several repeats the mean over them.")
    note += " Shaded by the share of the row."
    heat = tuple(tuple(one / max(sum(counts), 1e-9) for one in counts) for counts in detail.confusion)
    return Table("Confusion matrix", ("", *(f"called {name}" for name in detail.classes)), rows, note, heat)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _patient_table(detail: Detail, found: PatientDetail) -> Table:
    images = {one.name: one for one in detail.models[0].measures}
    rows = [(measure_title(one, len(detail.classes)), _cell(one), _cell(images.get(one.name))) for one in found.measures]
    for point, by_image in zip(found.operating, detail.models[0].operating, strict=False):
        for name in ("sensitivity", "specificity"):
            rows.append((f"{name}, {_rule(point)}", _with(getattr(point, name)), _with(getattr(by_image, name))))
    mixed = f" {plural(found.mixed, 'group')} whose images have several labels left out." if found.mixed else ""
    note = f"{plural(found.groups, 'group')}: the mean probability of a group's images against the group's label.{mixed}"
    return Table("By group (patient)", ("measure", "by group", "by image"), tuple(rows), note)


def _subgroup_table(found: Subgroups, detail: Detail) -> Table:
    shown = next((one.measures for one in found.values if one.measures), ())
    grouped = detail.unit != IMAGE
    sizes = ("images", plural_of(detail.unit)) if grouped else ("images",)
    columns = (found.column, *sizes, *(measure_title(one, len(detail.classes), detail.several) for one in shown))
    width = max(1, len(shown))
    rows = tuple(
        (
            one.value,
            *((count(one.images), count(one.units)) if grouped else (count(one.images),)),
            *((_cell(measure) for measure in one.measures) if one.measures else (one.note, *([""] * (width - 1)))),
        )
        for one in found.values
    )
    columns = columns if shown else (*columns, "score")
    missing = f" {plural(found.missing, 'image')} with nothing in this column left out." if found.missing else ""
    note = (
        "Descriptive: many looks at few images each, corrected for nothing. Whether two of these differ would need the interval"
        f" of their difference, which is not claimed here.{missing}"
    )
    points = " Sensitivity and specificity at Youden's threshold of all images." if len(shown) > 1 else ""
    return Table(f"By {found.column}", columns, rows, note + points)
