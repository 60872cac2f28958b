"""The files that people and other programs read: tables, the verdict, the evidence, the predictions."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from frostline.errors import RunFolderError
from frostline.store.files import replacing, write_text
from frostline.store.values import MISSHAPEN, build, plain, read_document, read_value, write_document, write_value
from frostline.terms.cell import cell
from frostline.terms.data import UNKNOWN, Dataset, SplitPlan, in_words
from frostline.terms.detail import Detail
from frostline.terms.evidence import Evidence
from frostline.terms.result import IntArray, Outcome, Result
from frostline.terms.verdict import SCHEMA_VERSION, Claim, Comparison, Interval, Row, Score, Verdict, Word

RESULT_COLUMNS = (
    *("recipe", "family", "backbone", "metric", "mean", "ci_low", "ci_high", "trials", "seconds", "trained_parameters", "status"),
    *("folds", "configuration", "screened", "flops", "note", "schema_version"),
)

_SPLIT_NAME = re.compile(r"(?:r(?P<repeat>\d+))?f(?P<fold>\d+)|h(?P<holdout>\d+)")


# --- results.csv and splits.csv --------------------------------------------------------------------------------------


def write_results_csv(path: Path, verdict: Verdict) -> None:
    """A row a recipe, in the verdict's order; columns `RESULT_COLUMNS`."""
    write_text(path, _csv_text(RESULT_COLUMNS, [_row_out(row) | {"schema_version": SCHEMA_VERSION} for row in verdict.rows]))


def write_splits(path: Path, dataset: Dataset, plan: SplitPlan) -> None:
    """A row an image: path, group (hashed), class (labels with bars between them), part, and its place in each split.

    The place is `train`, `validation`, `sealed` or nothing.
    """
    write_text(path, splits_text(dataset, plan))


def splits_text(dataset: Dataset, plan: SplitPlan) -> str:
    """What stands in `splits.csv`."""
    names = [split.name for split in plan.splits]
    places: list[dict[str, str]] = [{} for _ in dataset.samples]
    for split in plan.splits:
        for word, indices in (("train", split.train), ("validation", split.validation), ("sealed", plan.sealed)):
            for index in indices:
                places[index][split.name] = word
    if not plan.splits:
        sealed = set(plan.sealed)
        names, places = ["sealed"], [{"sealed": "sealed" if i in sealed else ""} for i in range(len(dataset.samples))]
    rows = (
        {"path": sample.path, "group": group, "class": in_words(sample, dataset.classes), "part": sample.part or "", **place}
        for sample, group, place in zip(dataset.samples, hashed_groups(dataset), places, strict=True)
    )
    return _csv_text(("path", "group", "class", "part", *names), rows)


def _csv_text(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def hashed_groups(dataset: Dataset) -> list[str]:
    """Each sample's group as 16 hexadecimal digits, `""` where there is none.

    The same group gives the same digits within one data set. This keeps names out of files that are passed around; it
    does not stop somebody who has the images and can guess the identifiers.
    """
    known = {s.group for s in dataset.samples if s.group is not None}
    digits = {group: hashlib.sha256(f"{dataset.fingerprint}\0{group}".encode()).hexdigest()[:16] for group in known}
    return ["" if sample.group is None else digits[sample.group] for sample in dataset.samples]


# --- verdict.json and evidence.json ----------------------------------------------------------------------------------


def write_verdict(path: Path, verdict: Verdict) -> None:
    """`verdict` as JSON with a `schema_version` and a `checksum`; a number that is not finite is null."""
    fields = {
        "chosen": _row_out(verdict.chosen),
        "control": None if verdict.control is None else _row_out(verdict.control),
        "score": _score_out(verdict.score),
        "claims": [_claim_out(claim) for claim in verdict.claims],
        "tied": list(verdict.tied),
        "smallest_detectable_difference": verdict.smallest_detectable_difference,
        "test_opened_at": verdict.test_opened_at,
        "seconds": verdict.seconds,
        "metric": verdict.metric,
        "delta": verdict.delta,
        "interim": verdict.interim,
        "first_words": verdict.first_words,
        "not_run": list(verdict.not_run),
        "notes": list(verdict.notes),
        "test": {name: _score_out(score) for name, score in verdict.test.items()},
        "rows": [_row_out(row) for row in verdict.rows],
        "detail": None if verdict.detail is None else plain(verdict.detail),
    }
    write_document(path, fields)


def read_verdict(path: Path) -> Verdict:
    """The verdict that `write_verdict` wrote.

    Raises:
        RunFolderError: the file is missing, damaged or of another schema.
    """
    document = read_document(path)
    try:
        return _verdict_in(document)
    except MISSHAPEN as error:
        raise RunFolderError(f"{path} is damaged: {error}. Run the same search again: finished trials are kept.") from error


def write_evidence(path: Path, evidence: Evidence) -> None:
    """`evidence` as JSON with a `schema_version`."""
    write_value(path, evidence)


def read_evidence(path: Path) -> Evidence:
    """The evidence that `write_evidence` wrote.

    Raises:
        RunFolderError: the file is missing, damaged or of another schema.
    """
    return read_value(path, Evidence)


def _interval_out(interval: Interval | None, value: str = "value") -> dict[str, float | None]:
    """An interval, flat; all null where there is none."""
    numbers = (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    return {name: _finite(number) for name, number in zip((value, "ci_low", "ci_high"), numbers, strict=True)}


def _interval_in(data: dict[str, Any], value: str = "value") -> Interval:
    return build(Interval, {"value": data[value], "low": data["ci_low"], "high": data["ci_high"]})


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


def _flat(item: Any, interval: str) -> dict[str, Any]:
    """The fields of the dataclass `item` but the one named `interval`."""
    return {name: value for name, value in plain(item).items() if name != interval}


def _row_out(row: Row) -> dict[str, Any]:
    return _flat(row, "score") | _interval_out(row.score, "mean")


def _row_in(data: dict[str, Any]) -> Row:
    score = None if data["mean"] is None else plain(_interval_in(data, "mean"))
    return build(Row, _without(data, "mean") | {"score": score})


def _score_out(score: Score) -> dict[str, Any]:
    return _flat(score, "interval") | _interval_out(score.interval)


def _score_in(data: dict[str, Any]) -> Score:
    return build(Score, _without(data, "value") | {"interval": plain(_interval_in(data))})


def _claim_out(claim: Claim) -> dict[str, Any]:
    """The claim with its comparison's numbers beside it; the rest of the comparison under `comparison`."""
    found = claim.comparison
    return {
        "claim": claim.claim,
        "verdict": claim.verdict.value,
        **_interval_out(None if found is None else found.difference, "difference"),
        "probability": None if found is None else found.probability,
        "needed_images": claim.needed_images,
        "reason": claim.reason,
        "comparison": None if found is None else _without(_flat(found, "difference"), "probability"),
    }


def _claim_in(data: dict[str, Any]) -> Claim:
    comparison = None
    if data["comparison"] is not None:
        difference = plain(_interval_in(data, "difference"))
        fields = data["comparison"] | {"difference": difference, "probability": data["probability"]}
        comparison = build(Comparison, fields)
    return Claim(str(data["claim"]), Word(data["verdict"]), comparison, data["needed_images"], str(data["reason"]))


def _without(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in (name, "ci_low", "ci_high")}


def _verdict_in(document: dict[str, Any]) -> Verdict:
    return Verdict(
        metric=str(document["metric"]),
        delta=build(float, document["delta"]),
        chosen=_row_in(document["chosen"]),
        control=None if document["control"] is None else _row_in(document["control"]),
        score=_score_in(document["score"]),
        claims=tuple(_claim_in(claim) for claim in document["claims"]),
        tied=tuple(document["tied"]),
        rows=tuple(_row_in(row) for row in document["rows"]),
        smallest_detectable_difference=document["smallest_detectable_difference"],
        seconds=build(float, document["seconds"]),
        test_opened_at=document["test_opened_at"],
        first_words=str(document["first_words"]),
        not_run=tuple(document["not_run"]),
        notes=tuple(document["notes"]),
        test={name: _score_in(score) for name, score in document["test"].items()},
        interim=bool(document["interim"]),
        detail=None if document.get("detail") is None else build(Detail, document["detail"]),
    )


# --- predictions.parquet ---------------------------------------------------------------------------------------------


def write_predictions(path: Path, results: Iterable[Result], dataset: Dataset, units: IntArray) -> None:
    """A row for each image, configuration and finished trial, so that a reviewer can run another test.

    Columns: sample, group (hashed), unit (number of what the bootstrap draws), split, repeat, fold, trial, backbone, recipe,
    configuration, rung, label, then `probability: CLASS` for every class. Where an image may have several labels `label` holds
    them with bars between them, and `answer: LABEL` (1, 0, null for not known) stands before the probabilities.

    Args:
        units: (N,) of every image of the data set.
    """
    images, schema = _image_table(dataset, units), _prediction_schema(dataset)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for result in results:
            if result.outcome is Outcome.DONE and result.indices.size:
                writer.write_table(_prediction_table(result, images, dataset.classes, schema))


def _prediction_schema(dataset: Dataset) -> pa.Schema:
    text = pa.dictionary(pa.int32(), pa.string())
    columns = [
        ("sample", text),
        ("group", text),
        ("unit", pa.int32()),
        ("split", text),
        ("repeat", pa.int32()),
        ("fold", pa.int32()),
    ]
    columns += [("trial", text), ("backbone", text), ("recipe", text), ("configuration", text), ("rung", text), ("label", text)]
    columns += [(f"answer: {name}", pa.int8()) for name in dataset.classes if dataset.several]
    columns += [(f"probability: {name}", pa.float32()) for name in dataset.classes]
    return pa.schema(columns, metadata={"schema_version": str(SCHEMA_VERSION)})


def _image_table(dataset: Dataset, units: IntArray) -> pa.Table:
    """What the rows of one image have in common, for every image of the data set."""
    columns: dict[str, Any] = {
        "sample": pa.array([sample.path for sample in dataset.samples], pa.string()),
        "group": pa.array(hashed_groups(dataset), pa.string()),
        "unit": pa.array(units, pa.int32()),
        "label": pa.array([in_words(sample, dataset.classes) for sample in dataset.samples], pa.string()),
    }
    if dataset.several:
        for position, name in enumerate(dataset.classes):
            answers = (sample.answers[position] for sample in dataset.samples)
            columns[f"answer: {name}"] = pa.array([None if one == UNKNOWN else one for one in answers], pa.int8())
    return pa.table(columns)


def _prediction_table(result: Result, images: pa.Table, classes: Sequence[str], schema: pa.Schema) -> pa.Table:
    """The rows of one trial, configuration after configuration."""
    trial, count = result.trial, len(result.indices)
    repeat, fold = _repeat_and_fold(trial.split)
    settings = len(trial.configurations)
    rows = settings * count
    taken = images.take(np.tile(result.indices, settings))
    columns: dict[str, Any] = dict(zip(taken.column_names, taken.columns, strict=True))
    shared = {"split": trial.split, "trial": trial.id, "backbone": trial.backbone, "recipe": str(trial.recipe)}
    for name, value in (shared | {"rung": trial.budget.rung}).items():
        columns[name] = _chosen([value], np.zeros(rows, np.int32))
    columns["repeat"], columns["fold"] = np.full(rows, repeat, np.int32), np.full(rows, fold, np.int32)
    columns["configuration"] = _chosen(trial.configurations, np.repeat(np.arange(settings, dtype=np.int32), count))
    for position, name in enumerate(classes):
        columns[f"probability: {name}"] = result.probabilities[:, :, position].astype(np.float32).ravel()
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


def _chosen(values: Sequence[str], which: IntArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(which, pa.int32()), pa.array(list(values), pa.string()))


def _repeat_and_fold(split: str) -> tuple[int, int]:
    """From the split's name: `r1f3` -> (1, 3), `h2` -> (2, 0), `val` -> (0, 0)."""
    match = _SPLIT_NAME.fullmatch(split)
    if match is None:
        return 0, 0
    return int(match["repeat"] or match["holdout"] or 0), int(match["fold"] or 0)
