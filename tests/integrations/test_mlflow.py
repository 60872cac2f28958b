"""A run written down in MLflow's own file store."""

import math
from pathlib import Path

import pytest
from mlflow import MlflowClient

import frostline as fl
from frostline.integrations.mlflow import log_run


def test_trials_report_and_model_are_there_with_the_score(run: fl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = (tmp_path / "store").as_uri()
    parent = log_run(run, "trials", store)
    client = MlflowClient(store)
    found, score = client.get_run(parent), run.verdict.score
    assert found.data.metrics[score.metric] == pytest.approx(score.interval.value)
    assert found.data.params["recipe"] == run.verdict.chosen.recipe and found.data.tags["how"] == score.how
    place = client.get_experiment_by_name("trials").experiment_id
    children = client.search_runs([place], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert {one.data.params["recipe"] for one in children} == {row.recipe for row in run.verdict.rows}
    assert all(math.isfinite(value) for one in children for value in one.data.metrics.values())
    assert {one.path for one in client.list_artifacts(parent)} >= {"report.html", "verdict.json", "model"}
    assert any(one.path.endswith("model.safetensors") for one in client.list_artifacts(parent, "model"))
