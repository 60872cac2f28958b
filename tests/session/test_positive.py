"""Of two classes the one that is looked for may be named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import frostline as fl
from frostline.errors import DataError

RECIPES = ("pixels: logistic", "all: freeze | head: linear")


def test_sensitivity_and_thresholds_are_those_of_the_class_that_was_named(
    textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    runs = {
        name: fl.search(textures, backbone_name, out=tmp_path / name, recipe=RECIPES, size=64, positive=name)
        for name in ("across", "along")
    }
    details = {name: run.verdict.detail for name, run in runs.items()}
    assert {name: detail.positive for name, detail in details.items()} == {"across": "across", "along": "along"}
    for name, run in runs.items():
        model = json.loads((run.path / "model" / "model.json").read_text())
        assert model["classes"][1] == name
        config = (run.path / "config.yaml").read_text()
        assert f"positive: {name}" in config
        assert f"--positive {name}" in (run.path / "report.html").read_text(encoding="utf-8")
    scores = [run.verdict.score.interval.value for run in runs.values()]
    assert scores[0] == pytest.approx(scores[1], abs=0.05), "AUROC is the same whichever class is looked for"


def test_a_class_that_is_not_there_is_refused(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'acros' is not one of across, along\. Nearest: across"):
        fl.search(textures, backbone_name, out=tmp_path / "run", positive="acros")
