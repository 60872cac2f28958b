from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frostline.errors import RunFolderError
from frostline.store import records
from frostline.terms.evidence import Evidence, Fate, Probe
from frostline.terms.result import Outcome
from frostline.terms.verdict import Interval
from tests.store.values import DATASET, PLAN, result, trial, verdict


def test_a_verdict_comes_back_as_it_was(tmp_path: Path) -> None:
    records.write_verdict(tmp_path / "verdict.json", verdict())
    assert records.read_verdict(tmp_path / "verdict.json") == verdict()


def test_a_bare_verdict_comes_back_as_it_was(tmp_path: Path) -> None:
    bare = dataclasses.replace(verdict(), control=None, claims=(), test={}, smallest_detectable_difference=None, interim=True)
    records.write_verdict(tmp_path / "verdict.json", bare)
    assert records.read_verdict(tmp_path / "verdict.json") == bare


def test_a_verdict_from_before_there_were_details_still_loads(tmp_path: Path) -> None:
    records.write_verdict(tmp_path / "verdict.json", verdict())
    document = json.loads((tmp_path / "verdict.json").read_text())
    del document["detail"], document["checksum"]
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    assert records.read_verdict(tmp_path / "verdict.json") == verdict()


def test_the_verdict_file_has_the_promised_fields(tmp_path: Path) -> None:
    records.write_verdict(tmp_path / "verdict.json", verdict())
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["schema_version"] == 1
    assert {"recipe", "family", "backbone"} <= set(document["chosen"])
    score = {"metric": "auroc", "value": 0.89, "ci_low": 0.85, "ci_high": 0.93, "how": "sealed-test"}
    assert score.items() <= document["score"].items()
    helps, undetermined = document["claims"]
    numbers = {"difference": 0.05, "ci_low": 0.01, "ci_high": 0.09, "probability": 0.99, "needed_images": None, "reason": ""}
    assert ({"claim": "pretraining-helps", "verdict": "helps"} | numbers).items() <= helps.items()
    assert undetermined["verdict"] == "undetermined" and undetermined["difference"] is None
    assert document["tied"] == ["all: freeze | head: linear"]
    assert document["smallest_detectable_difference"] == 0.02
    assert document["test_opened_at"] == "2026-01-01T00:00:00Z"
    assert document["seconds"] == 61.0


def test_nan_is_null_in_json_and_nan_again_when_read(tmp_path: Path) -> None:
    odd = dataclasses.replace(verdict(), delta=math.nan, seconds=math.inf)
    records.write_verdict(tmp_path / "verdict.json", odd)
    text = (tmp_path / "verdict.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert math.isnan(records.read_verdict(tmp_path / "verdict.json").delta)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "cannot be read"), ("{}", "schema_version None"), ('{"schema_version": 1}', "damaged: 'metric'")]
)
def test_a_damaged_verdict_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(RunFolderError, match=words):
        records.read_verdict(tmp_path / "verdict.json")
    with pytest.raises(RunFolderError, match="has not come to a verdict"):
        records.read_verdict(tmp_path / "none.json")


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    evidence = Evidence(
        "auroc",
        (Probe("r", "random", "layer1", None, 0.3, Interval(0.7, 0.6, 0.8)),),
        None,
        (Fate("head", "random", "7", True, 10), Fate("stem", "transferred", "abc", True, 5, 0.25, 0.5)),
    )
    records.write_evidence(tmp_path / "evidence.json", evidence)
    assert records.read_evidence(tmp_path / "evidence.json") == evidence
    (tmp_path / "evidence.json").write_text('{"schema_version": 1, "metric": 3}')
    with pytest.raises(RunFolderError, match="damaged"):
        records.read_evidence(tmp_path / "evidence.json")


def test_results_csv_has_a_row_a_recipe_and_the_promised_columns(tmp_path: Path) -> None:
    records.write_results_csv(tmp_path / "results.csv", verdict())
    table = pd.read_csv(tmp_path / "results.csv")
    promised = "recipe,family,backbone,metric,mean,ci_low,ci_high,trials,seconds,trained_parameters,status,"
    assert ",".join(table.columns).startswith(promised)
    assert table["mean"][0] == 0.9 and math.isnan(table["mean"][1])
    assert list(table["status"]) == ["chosen", "failed"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(tmp_path: Path, cell: str) -> None:
    rows = (dataclasses.replace(verdict().chosen, note=cell),)
    records.write_results_csv(tmp_path / "results.csv", dataclasses.replace(verdict(), rows=rows))
    with (tmp_path / "results.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["note"] == f"'{cell}"


def test_negative_numbers_stay_numbers(tmp_path: Path) -> None:
    rows = (dataclasses.replace(verdict().chosen, score=Interval(-0.5, -1e-05, -0.25)),)
    records.write_results_csv(tmp_path / "results.csv", dataclasses.replace(verdict(), rows=rows))
    assert list(pd.read_csv(tmp_path / "results.csv").loc[0, ["mean", "ci_low", "ci_high"]]) == [-0.5, -1e-05, -0.25]


def test_splits_say_where_every_image_was_and_hide_the_groups(tmp_path: Path) -> None:
    records.write_splits(tmp_path / "splits.csv", DATASET, PLAN)
    table = pd.read_csv(tmp_path / "splits.csv", keep_default_na=False)
    assert list(table.columns) == ["path", "group", "class", "part", "r0f0", "r0f1"]
    assert list(table["r0f0"]) == ["train", "train", "validation", "validation", "sealed", "sealed"]
    assert list(table["r0f1"]) == ["validation", "validation", "train", "train", "sealed", "sealed"]
    assert table["group"][0] == table["group"][1] != table["group"][2]
    assert "patient" not in (tmp_path / "splits.csv").read_text()


def test_predictions_have_a_row_for_each_image_and_configuration(tmp_path: Path) -> None:
    failed = result(1, Outcome.FAILED)
    records.write_predictions(tmp_path / "predictions.parquet", [result(), failed], DATASET, np.arange(len(DATASET.samples)))
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(table) == 2 * 3
    assert set(table["trial"]) == {trial().id}
    assert list(table["sample"][:3]) == ["a/0.png", "a/2.png", "b/5.png"]
    assert list(table["label"][:3]) == ["a", "a", "b"]
    assert list(table["configuration"]) == ["l2=0.1"] * 3 + ["l2=1"] * 3
    assert set(table["fold"]) == {1} and set(table["repeat"]) == {0}
    assert not any("patient" in group for group in table["group"])
    expected = result().probabilities.reshape(-1, 2)
    assert table[["probability: a", "probability: b"]].to_numpy() == pytest.approx(expected, abs=1e-6)
