"""A search with an external test set: sealed, opened once, part of what the run is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import frostline as fl
from frostline.errors import DataError, RunFolderError
from frostline.stats.metrics import score

SIZE = 64
RECIPES = ("all: freeze | head: linear", "pixels: logistic")
LABELS = ("across", "along")


def stripes(root: Path, each: int, seed: int) -> Path:
    """Textures as those of the fixture, of other images."""
    generator = np.random.default_rng(seed)
    for label in LABELS:
        (root / label).mkdir(parents=True)
        for index in range(each):
            wave = (np.sin(np.arange(72) / (2 + index % 3)) * 40 + 120)[None, :, None] + generator.normal(0, 60, (72, 72, 3))
            pixels = np.clip(wave if label == "along" else wave.transpose(1, 0, 2), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("clinic"), 20, 99)


@pytest.fixture(scope="module")
def run(textures: Path, clinic: Path, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    out = tmp_path_factory.mktemp("external") / "run"
    return fl.search(textures, backbone_name, test=clinic, out=out, recipe=RECIPES, size=SIZE)


def test_the_external_images_are_what_is_scored(run: fl.Run, clinic: Path) -> None:
    assert (run.verdict.score.how, run.verdict.score.images) == ("sealed-test", 40)
    files = [clinic / label / f"{index}.png" for label in LABELS for index in range(20)]
    probabilities = np.array([[one.probabilities[name] for name in LABELS] for one in fl.predict(run.path, files)])
    value = score(run.verdict.metric, np.repeat([0, 1], 20), probabilities)
    assert value == pytest.approx(run.verdict.score.interval.value, abs=1e-6)


def test_the_files_name_them_and_nothing_was_trained_on_them(run: fl.Run, textures: Path) -> None:
    splits = pd.read_csv(run.path / "splits.csv")
    sealed = splits[splits["part"] == "test"]
    assert len(sealed) == 40 and (sealed[[name for name in splits.columns if name.startswith("r")]] == "sealed").all().all()
    assert all((textures / path).is_file() for path in splits["path"])
    assert not set(sealed["path"]) & set(pd.read_parquet(run.path / "predictions.parquet")["sample"])


def test_the_page_and_the_command_name_the_test_set(run: fl.Run, clinic: Path) -> None:
    page = run.report_path.read_text()
    assert f"--test {clinic}" in page and "40 images, the user" in page
    assert f"--test {clinic}" in json.loads((run.path / "facts.json").read_text())["command"]


def test_it_belongs_to_the_run(run: fl.Run, textures: Path, clinic: Path, backbone_name: str, tmp_path: Path) -> None:
    before = (run.path / "verdict.json").read_bytes()
    fl.search(textures, backbone_name, test=str(clinic), out=run.path, recipe=RECIPES, size=SIZE)
    assert (run.path / "verdict.json").read_bytes() == before
    with pytest.raises(RunFolderError, match=f"with the test set {clinic}, now {textures}[)]"):
        fl.search(textures, backbone_name, out=run.path, recipe=RECIPES, size=SIZE)
    other = stripes(tmp_path / "other", 5, 7)
    with pytest.raises(RunFolderError, match=f"now {textures} with the test set {other}"):
        fl.search(textures, backbone_name, test=other, out=run.path, recipe=RECIPES, size=SIZE)
    assert (run.path / "verdict.json").read_bytes() == before


def test_the_plan_seals_the_same_images(run: fl.Run, textures: Path, clinic: Path, backbone_name: str) -> None:
    plan = fl.plan(textures, backbone_name, test=clinic, recipe=RECIPES, size=SIZE)
    assert (plan.pool, plan.sealed) == (280, 40)
    assert set(plan.notes) <= set(run.verdict.notes)


def test_an_unfit_test_set_is_refused_before_a_run_folder_is_made(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    odd = stripes(tmp_path / "odd", 2, 3)
    (odd / "along").rename(odd / "alnog")
    with pytest.raises(DataError, match=r"alnog \(2\).*Nearest: along"):
        fl.search(textures, backbone_name, test=odd, out=tmp_path / "run", recipe=RECIPES, size=SIZE)
    assert not (tmp_path / "run").exists()
