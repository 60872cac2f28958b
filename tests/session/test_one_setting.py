"""One recipe with one setting leaves a screening nothing to choose."""

from __future__ import annotations

from pathlib import Path

import pytest

import frostline as fl
from frostline.compute.trials import Fitted, fit_network
from frostline.session import explanation
from frostline.store.results import ResultStore

FIXED = "all: tune | head: linear | train: lr=0.0001 epochs=1"


def _rungs(run: fl.Run) -> set[str]:
    return {result.trial.budget.rung for result in ResultStore(run.path / "results").load_all().values()}


def test_it_is_not_screened_and_scores_as_beside_another(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    alone = fl.train(textures, backbone_name, FIXED, out=tmp_path / "alone", size=64)
    beside = fl.search(
        textures, backbone_name, recipe=(FIXED, FIXED.replace("0.0001", "0.001")), out=tmp_path / "beside", size=64
    )
    assert _rungs(alone) == {"full", "sealed"}
    assert _rungs(beside) > _rungs(alone), "two recipes are screened"
    scores = [{row.recipe: row.score.value for row in run.verdict.rows if row.score} for run in (alone, beside)]
    assert scores[0][FIXED] == pytest.approx(scores[1][FIXED], abs=0.02)


def test_the_chosen_network_is_taken_apart_as_it_was_judged(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def fit(*given: object) -> Fitted:
        fitted = fit_network(*given)
        taken.append(fitted.forked)
        return fitted

    monkeypatch.setattr(explanation, "fit_network", fit)
    run = fl.train(textures, backbone_name, FIXED, out=tmp_path / "run", size=64)
    assert taken == [1], "its one epoch on the common fold is not run twice"
    assert not any((run.path / "cache" / "checkpoints").iterdir()), "nobody looks back any more"
