"""One recipe without a search, from the command line to an exported program: nothing between is replaced."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import frostline as fl
from frostline import cli
from tests.export.conftest import write_weights

LINE = "stem .. layer3: freeze | layer4: tune | head: linear | train: lr=0.001 epochs=3"


@pytest.fixture(scope="module")
def trained(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_weights(folder / "small.safetensors")
    words = ["train", str(stripes), "-b", f"timm/test_resnet={folder / 'small.safetensors'}", "--recipe", LINE]
    assert cli.run([*words, "--size", "64", "-o", str(folder / "run")]) == 0
    return folder / "run"


def test_the_run_has_the_score_of_this_recipe_alone_and_says_so(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["show", str(trained)]) == 0
    said = capsys.readouterr().out
    run = fl.Run(trained)
    assert list(run.table["recipe"]) == [run.verdict.chosen.recipe] and "train: lr=0.001 epochs=3" in run.verdict.chosen.recipe
    assert f"Use: {run.verdict.chosen.recipe}" in said
    assert run.verdict.score.interval.low <= run.verdict.score.interval.value <= run.verdict.score.interval.high


def test_its_model_says_what_was_frozen_and_what_was_trained(trained: Path) -> None:
    layers = json.loads((trained / "model" / "model.json").read_text())["layers"]
    assert {one["stage"] for one in layers if one["trained"]} == {"layer4", "head"}


def test_it_predicts_and_what_is_exported_loads_again_and_says_the_same(
    trained: Path, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["predict", str(trained), str(stripes)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    hits = [row["label"] == Path(row["file"]).parent.name for row in rows]
    assert len(rows) == 48 and sum(hits) > 30  # of the images that it was trained on
    assert cli.run(["export", str(trained), "--to", "torch", "-o", str(tmp_path / "out")]) == 0
    assert "no changed label" in capsys.readouterr().out
    program, pixels = torch.export.load(tmp_path / "out" / "model.pt2").module(), torch.randint(0, 256, (3, 3, 64, 64)).byte()
    assert torch.allclose(program(pixels), fl.load(trained)(pixels), atol=1e-5)


def test_the_same_command_again_trains_nothing(trained: Path, stripes: Path) -> None:
    before = (trained / "model" / "model.safetensors").stat().st_mtime_ns
    weights = trained.parent / "small.safetensors"
    words = ["train", str(stripes), "-b", f"timm/test_resnet={weights}", "--recipe", LINE, "--size", "64", "-o", str(trained)]
    assert cli.run(words) == 0
    assert (trained / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert pd.read_csv(trained / "results.csv").shape[0] == 1
