"""A run's trials, report and model in MLflow."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from frostline.api import Run
from frostline.store.run_folder import RunFolder
from frostline.terms.verdict import Row

LONGEST = 500  # characters of a parameter, the most that every store takes
PARENT = "mlflow.parentRunId"
FILES = ("verdict.json", "results.csv", "splits.csv", "config.yaml", "report.html")


def log_run(run: Run, experiment: str = "frostline", tracking_uri: str | None = None, include_model: bool = True) -> str:
    """Write `run` down as one MLflow run with a child for each recipe; the id of that run.

    Args:
        tracking_uri: None for what MLflow is set to.

    Raises:
        MlflowException: the store cannot be reached.
    """
    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    place = found.experiment_id if found is not None else client.create_experiment(experiment)
    parent = str(client.create_run(place, run_name=run.path.name).info.run_id)
    _log_parent(client, parent, run)
    for row in run.verdict.rows:
        _log_row(client, place, parent, row)
    for name in FILES:
        if (run.path / name).exists():
            client.log_artifact(parent, str(run.path / name))
    if include_model and run.has_model:
        client.log_artifacts(parent, str(run.path / "model"), "model")
    client.set_terminated(parent)
    return parent


def _log_parent(client: MlflowClient, parent: str, run: Run) -> None:
    settings = asdict(RunFolder.open(Path(run.path)).settings)
    params = [Param(name, str(value)[:LONGEST]) for name, value in settings.items() if value not in (None, (), "")]
    chosen, score = run.verdict.chosen, run.verdict.score
    params += [Param("recipe", chosen.recipe[:LONGEST]), Param("family", chosen.family), Param("backbone", chosen.backbone)]
    values = {score.metric: score.interval.value, "ci_low": score.interval.low, "ci_high": score.interval.high}
    tags = [RunTag("how", score.how), *(RunTag(one.claim, one.verdict.value) for one in run.verdict.claims)]
    client.log_batch(parent, _metrics({**values, "seconds": run.verdict.seconds}), params, tags)


def _log_row(client: MlflowClient, place: str, parent: str, row: Row) -> None:
    child = client.create_run(place, tags={PARENT: parent}, run_name=row.recipe[:200]).info.run_id
    params = [Param(name, str(value)[:LONGEST]) for name, value in asdict(row).items() if isinstance(value, str) and value]
    score = row.score
    values = {} if score is None else {row.metric: score.value, "ci_low": score.low, "ci_high": score.high}
    client.log_batch(child, _metrics({**values, "seconds": row.seconds, "trials": row.trials}), params)
    client.set_terminated(child)


def _metrics(values: dict[str, float]) -> list[Metric]:
    return [Metric(name, float(value), 0, 0) for name, value in values.items() if math.isfinite(value)]
