"""The main job on real files: from images to verdict, page and model; stopped, continued, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import frostline as fl
from frostline import api
from frostline.errors import RunFolderError
from frostline.stats.metrics import score
from frostline.store.results import ResultStore
from tests.session.conftest import RECIPES

SIZE = 64


@pytest.fixture(scope="module")
def run(textures: Path, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return fl.search(textures, backbone_name, out=out, recipe=RECIPES, size=SIZE)


def test_every_recipe_gets_a_row_with_an_interval(run: fl.Run) -> None:
    assert set(run.table["recipe"]) == set(RECIPES)
    finished = run.table[run.table["status"] != "not-run"]
    assert (finished["ci_low"] <= finished["mean"]).all() and (finished["mean"] <= finished["ci_high"]).all()
    assert len(finished) == len(RECIPES)


def test_the_files_of_a_run_are_there(run: fl.Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    assert {"config.yaml", "splits.csv", "results", "results.csv", "predictions.parquet", "verdict.json", "report.html"} <= names
    model = {path.name for path in (run.path / "model").iterdir()}
    always = {"model.safetensors", "model.json", "README.md", "trained-on.txt"}
    assert always <= model <= always | {"config.json"}


def test_the_exported_weights_are_those_that_were_scored_on_the_sealed_images(run: fl.Run, textures: Path) -> None:
    assert run.verdict.score.how == "sealed-test" and run.verdict.test_opened_at
    splits = pd.read_csv(run.path / "splits.csv")
    column = next(name for name in splits.columns if splits[name].isin(["sealed"]).any())
    sealed = splits[splits[column] == "sealed"]
    assert len(sealed) == run.verdict.score.images
    found = list(fl.predict(run.path, [textures / name for name in sealed["path"]]))
    probabilities = np.array([[one.probabilities[name] for name in ("across", "along")] for one in found])
    labels = np.array([("across", "along").index(Path(one.file).parent.name) for one in found])
    assert score(run.verdict.metric, labels, probabilities) == pytest.approx(run.verdict.score.interval.value, abs=0.02)


def test_no_sealed_image_is_in_any_prediction_of_the_search(run: fl.Run) -> None:
    splits = pd.read_csv(run.path / "splits.csv")
    column = next(name for name in splits.columns if splits[name].isin(["sealed"]).any())
    sealed = set(splits[splits[column] == "sealed"]["path"])
    predicted = set(pd.read_parquet(run.path / "predictions.parquet")["sample"])
    assert sealed and not sealed & predicted


def test_what_stands_beside_the_score_is_measured_on_the_same_sealed_images(run: fl.Run) -> None:
    detail, score = run.verdict.detail, run.verdict.score
    assert detail is not None and (detail.how, detail.unit, detail.positive) == ("sealed-test", "image", "along")
    chosen = detail.models[0]
    auroc = next(one for one in chosen.measures if one.name == run.verdict.metric)
    assert auroc.interval is not None and chosen.images == score.images
    for mine, theirs in zip(astuple(auroc.interval), astuple(score.interval), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert sum(map(sum, detail.confusion)) == score.images
    assert all(len(point.thresholds) <= 1 for point in chosen.operating) and len(chosen.operating) == 2
    assert 'id="detail"' in run.report_path.read_text()


def test_the_chosen_model_is_taken_apart_on_a_fold_that_it_was_not_fitted_on(run: fl.Run) -> None:
    evidence, stages = run.evidence, fl.load_backbone("timm/test_resnet", pretrained=False).stage_names
    kept = [fate.name for fate in evidence.fates if fate.name != "head"]
    assert kept and set(kept) <= set(stages)
    assert [one.stage for one in evidence.rewinds if one.to == "random"] == kept
    trained = [fate.name for fate in evidence.fates if fate.trained and fate.name != "head"]
    assert [one.stage for one in evidence.rewinds if one.to == "pretrained"] == trained
    assert [one.stage for one in evidence.likeness] == kept
    assert {one.weights for one in evidence.filters} >= {"pretrained", "random"}
    splits = pd.read_csv(run.path / "splits.csv")
    first = next(name for name in splits.columns if splits[name].isin(["validation"]).any())
    for one in evidence.mistakes:
        row = splits.iloc[one.row - 2]
        assert row[first] == "validation" and row["class"] == one.truth != one.said
        assert one.picture is None and one.attention is None, "pictures only where they were asked for"
    assert "images that fold r0f0 held out" in evidence.measured_on
    assert not any("not taken apart" in note for note in evidence.notes)


def test_pictures_of_images_stand_on_the_page_only_where_they_were_asked_for(
    run: fl.Run, backbone_name: str, tmp_path: Path
) -> None:
    assert "data:image/jpeg" not in run.report_path.read_text()
    noise = np.random.default_rng(0)
    for number in range(48):  # nothing to be learnt: some are wrong
        (tmp_path / "data" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = noise.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
    recipes = ["weights: random | all: freeze | head: linear", "stem: freeze | conv1.5 .. layer4: drop | head: linear"]
    out = tmp_path / "run"
    shown = fl.search(tmp_path / "data", backbone_name, out=out, recipe=recipes, size=32, include_images=True)
    assert shown.evidence.mistakes
    for one in shown.evidence.mistakes:
        assert one.picture is not None and one.picture.uri.startswith("data:image/jpeg;base64,")
        assert one.attention is not None and one.control is not None and one.attention != one.control
    assert "--include-images" in shown.report_path.read_text()


def test_every_number_of_the_verdict_on_the_page_is_in_the_files(run: fl.Run) -> None:
    page, document = run.report_path.read_text(), json.loads((run.path / "verdict.json").read_text())
    value = f"{document['score']['value']:.3f}".replace("0.", ".", 1)
    assert f"AUROC {value}" in page
    for row in run.table[run.table["mean"].notna()].itertuples():
        assert f'data-key="{row.mean!r}"' in page and f'data-key="{row.ci_low!r}"' in page


def test_a_finished_run_is_not_opened_again(run: fl.Run, textures: Path, backbone_name: str) -> None:
    before = (run.path / "verdict.json").read_bytes()
    again = fl.search(textures, backbone_name, out=run.path, recipe=RECIPES, size=SIZE)
    assert (run.path / "verdict.json").read_bytes() == before
    assert again.verdict == run.verdict


def test_another_search_in_the_same_folder_is_refused(run: fl.Run, textures: Path, backbone_name: str) -> None:
    with pytest.raises(RunFolderError, match="seed"):
        fl.search(textures, backbone_name, out=run.path, recipe=RECIPES, size=SIZE, seed=1)


def test_the_report_can_be_written_again_from_the_files(run: fl.Run) -> None:
    page = run.report_path.read_text()
    run.report_path.unlink()
    assert api.rewrite_report(run.path).read_text() == page


def test_model_json_names_no_code_and_loads_without_frostlines_run(run: fl.Run, tmp_path: Path) -> None:
    description = json.loads((run.path / "model" / "model.json").read_text())
    assert description["recipe"] == run.verdict.chosen.recipe
    assert fl.load(run.path / "model").classes == ("across", "along")


def command(textures: Path, backbone_name: str, out: Path) -> list[str]:
    words = [sys.executable, "-m", "frostline", "search", str(textures), "-b", backbone_name, "-o", str(out), "--size", str(SIZE)]
    return words + [word for line in RECIPES for word in ("--recipe", line)]


@pytest.mark.slow
def test_killed_at_any_moment_it_continues_to_the_same_verdict(
    run: fl.Run, textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    finished: set[str] = set()
    for wanted in (4, 12):
        process = subprocess.Popen(command(textures, backbone_name, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list(out.glob("results/*.npz"))) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = {path.name for path in out.glob("results/*.npz")}
        assert finished <= now
        assert len(ResultStore(out / "results").load_all()) == len(now)
        finished = now
    done = subprocess.run(command(textures, backbone_name, out), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    mine, theirs = fl.Run(out).verdict, run.verdict
    assert (mine.chosen.recipe, mine.chosen.configuration) == (theirs.chosen.recipe, theirs.chosen.configuration)
    assert mine.score.interval.value == pytest.approx(theirs.score.interval.value, abs=1e-3)


def test_a_shorter_time_later_loses_nothing_that_is_finished(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    out, options = tmp_path / "run", {"recipe": [RECIPES[0], RECIPES[1], RECIPES[3], RECIPES[4]], "size": SIZE, "limit": 60}
    before = fl.search(textures, backbone_name, out=out, **options)
    (out / "verdict.json").unlink()
    after = fl.search(textures, backbone_name, out=out, time="1s", **options)
    assert {(row.recipe, row.folds) for row in after.verdict.rows} == {(row.recipe, row.folds) for row in before.verdict.rows}
    assert all(row.folds for row in after.verdict.rows)
    assert not after.verdict.not_run


@pytest.mark.slow
def test_too_little_time_still_ends_with_a_final_verdict(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    """What did not fit is said; what was run has a verdict."""
    run = fl.search(textures, backbone_name, out=tmp_path / "short", size=SIZE, time="20s")
    assert run.verdict.not_run
    assert run.verdict.chosen.recipe
    assert not run.verdict.interim
    assert run.report_path.exists()
