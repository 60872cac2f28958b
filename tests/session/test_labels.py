"""The main job on images with several labels, some of them not known, from a DataFrame: verdict, page, model and predictions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import frostline as fl
from frostline import data
from frostline.cli import run as command
from frostline.errors import OptionError
from tests.session.conftest import RECIPES

LABELS = ("across", "along", "bright")
SIZE = 32


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """160 noisy pictures of 80 patients with stripes across, along, both or none, some bright; some of `bright` not known."""
    root, generator, rows = tmp_path_factory.mktemp("several"), np.random.default_rng(0), []
    for number in range(160):
        across, along, bright = (bool(number >> bit & 1) for bit in range(3))
        wave = np.sin(np.arange(40) / (2 + number % 3)) * 50
        pixels = 90 + 60 * bright + across * wave[:, None, None] + along * wave[None, :, None]
        path = root / f"{number}.png"
        Image.fromarray(np.clip(pixels + generator.normal(0, 40, (40, 40, 3)), 0, 255).astype(np.uint8)).save(path)
        rows.append(
            (
                str(path),
                float(across),
                float(along),
                np.nan if number % 20 == 0 else float(bright),
                f"p{number // 2}",
                ("train", "test")[number >= 120],
            )
        )
    return pd.DataFrame(rows, columns=["path", *LABELS, "patient", "split"])


@pytest.fixture(scope="module")
def found(frame: pd.DataFrame, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    out = tmp_path_factory.mktemp("runs") / "labels"
    return fl.search(frame, backbone_name, out=out, recipe=(*RECIPES, "pixels: forest"), size=SIZE, label=LABELS)


def sealed_rows(run: fl.Run) -> pd.DataFrame:
    splits = pd.read_csv(run.path / "splits.csv")
    column = next(name for name in splits.columns if splits[name].isin(["sealed"]).any())
    return splits[splits[column] == "sealed"]


def test_every_recipe_and_control_is_compared_by_macro_auroc(found: fl.Run) -> None:
    assert found.verdict.metric == "auroc" and len(found.table) == len(RECIPES) + 1
    assert set(found.table["status"]) <= {"chosen", "tied", "control", "done"}
    assert found.verdict.claims[0].claim == "pretraining-helps" and found.verdict.claims[0].comparison is not None
    assert any("AUROC is the mean over 3 labels" in note for note in found.verdict.notes)
    assert found.verdict.score.interval.value > 0.8


def test_no_patient_is_on_two_sides(found: fl.Run, frame: pd.DataFrame) -> None:
    sealed = {Path(path).name for path in sealed_rows(found)["path"]}
    patients = frame.assign(name=[Path(path).name for path in frame["path"]])
    inside = patients["name"].isin(sealed)
    assert inside.sum() == 40 and not set(patients[inside]["patient"]) & set(patients[~inside]["patient"])


def test_the_score_is_that_of_the_exported_model_on_the_sealed_images(found: fl.Run, frame: pd.DataFrame) -> None:
    names = [Path(path).name for path in sealed_rows(found)["path"]]
    truth = frame.assign(name=[Path(path).name for path in frame["path"]]).set_index("name").loc[names]
    said = pd.DataFrame([one.probabilities for one in fl.predict(found.path, list(truth["path"]))], index=truth.index)
    areas = []
    for label in LABELS:
        known = truth[label].notna()
        areas.append(roc_auc_score(truth[label][known], said[label][known]))
    assert found.verdict.score.how == "sealed-test"
    assert np.mean(areas) == pytest.approx(found.verdict.score.interval.value, abs=0.01)


def test_each_label_has_its_numbers_and_thresholds(found: fl.Run) -> None:
    detail = found.verdict.detail
    assert detail is not None and detail.several and detail.confusion == () and not detail.reliability.bins
    assert detail.patients is None and detail.notes == ()
    assert [one.name for one in detail.per_class] == list(LABELS)
    assert [one.known for one in detail.per_class][:2] == [found.verdict.score.images] * 2
    assert detail.per_class[2].known < found.verdict.score.images  # type: ignore[operator]
    for one in detail.per_class:
        assert [measure.name for measure in one.measures] == ["auroc", "auprc", "calibration-error"]
        assert one.reliability is not None and sum(bin.predictions for bin in one.reliability.bins) == one.known
        assert [point.rule for point in one.operating] == ["youden", "specificity"]
        assert all(point.sensitivity is not None for point in one.operating)
    macro = {measure.name: measure.interval for measure in detail.models[0].measures}
    own = [one.measures[0].interval.value for one in detail.per_class]  # type: ignore[union-attr]
    assert macro["auroc"].value == pytest.approx(np.mean(own)) and {"average-precision", "log-loss"} <= set(macro)  # type: ignore[union-attr]


def test_each_label_is_scored_by_patient_where_its_images_agree(found: fl.Run) -> None:
    """The two images of every patient differ in `across`, and agree in `along`."""
    across, along, _ = (one.patients for one in found.verdict.detail.per_class)  # type: ignore[union-attr]
    assert across is not None and (across.groups, across.mixed, across.measures) == (0, 20, ())
    assert along is not None and (along.groups, along.mixed) == (20, 0)
    assert [one.name for one in along.measures] == ["auroc", "auprc", "calibration-error"]


def test_the_page_shows_every_label(found: fl.Run) -> None:
    page = found.report_path.read_text(encoding="utf-8")
    assert "Label by label" in page and "mean over labels" in page and "Confusion" not in page
    assert all(label in page for label in LABELS)
    assert "Operating points, label by label" in page and "Label by label, by group (patient)" in page and "too few" in page
    assert "Calibration of the chosen recipe, label by label" in page
    assert "each may have several labels" in found.methods and "the rarest label that they have" in found.methods


def test_predictions_hold_answers_and_probabilities(found: fl.Run) -> None:
    kept = pd.read_parquet(found.path / "predictions.parquet")
    assert {f"{what}: {label}" for what in ("answer", "probability") for label in LABELS} <= set(kept.columns)
    assert kept["answer: bright"].isna().any() and set(kept["answer: along"].unique()) == {0, 1}
    assert kept["label"].str.contains("across|along", regex=False).any()


def test_a_model_says_labels_by_their_thresholds(found: fl.Run, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    model = fl.load(found.path)
    described = json.loads((found.path / "model" / "model.json").read_text())
    assert model.thresholds == tuple(described["thresholds"]) and all(0 < one < 1 for one in model.thresholds)
    assert command(["predict", str(found.path), *frame["path"][:8]]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "file,label,confidence,error,across,along,bright"
    said = {row.split(",")[1] for row in rows[1:]}
    assert said <= {"none", *(f"{a}{b}{c}".strip("|") for a in ("", "across|") for b in ("", "along|") for c in ("", "bright"))}
    card = (found.path / "model" / "README.md").read_text()
    assert "labels, any number of them an image" in card


def test_one_threshold_for_all_labels_is_refused(found: fl.Run, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--threshold=0.5", "--abstain-below=0.5"):
        assert command(["predict", str(found.path), str(frame["path"].iloc[0]), option]) == 2
        assert "each from its own threshold" in capsys.readouterr().err


def test_an_exported_program_says_labels_by_their_thresholds(found: fl.Run, frame: pd.DataFrame, tmp_path: Path) -> None:
    made = fl.export_model(found.path, "torch", tmp_path / "out", check=list(frame["path"][:4]))
    assert made.parity.holds and "THRESHOLDS = [" in (tmp_path / "out" / "predict.py").read_text()
    with pytest.raises(OptionError, match="this one says several labels"):
        fl.export_model(found.path, "code", tmp_path / "code")


def test_the_most_confident_errors_are_single_answers(found: fl.Run) -> None:
    for one in found.evidence.mistakes:
        assert {one.said, one.truth} in [{label, f"not {label}"} for label in LABELS] and one.probability >= 0.5


def test_the_preflight_counts_labels(frame: pd.DataFrame) -> None:
    checked = fl.check(frame, label=LABELS)
    counted = {kind.name: kind.images for kind in checked.kinds if kind.part == "train"}
    assert counted == {label: int(frame[label][:120].sum()) for label in LABELS} and not checked.refused


def test_a_finished_run_is_shown_again(found: fl.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["show", str(found.path)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"label\s+images\s+AUROC\s+average precision", shown) and "average precision" in shown


def test_a_continued_search_changes_nothing(found: fl.Run, frame: pd.DataFrame, backbone_name: str) -> None:
    again = fl.search(frame, backbone_name, out=found.path, recipe=(*RECIPES, "pixels: forest"), size=SIZE, label=LABELS)
    assert again.verdict.score == found.verdict.score


def test_a_metric_that_needs_one_class_an_image_is_refused(frame: pd.DataFrame, backbone_name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="each the mean over labels"):
        fl.search(frame, backbone_name, out=tmp_path / "run", size=SIZE, label=LABELS, metric="accuracy")
    planned = fl.plan(frame, backbone_name, size=SIZE, label=LABELS, recipe=RECIPES, metric="average-precision")
    assert planned.metric == "average-precision" and planned.reach[0].difference > 0


def test_a_rare_label_is_learned_and_not_scored(frame: pd.DataFrame) -> None:
    rare = frame.assign(odd=[1.0 if number in (3, 50, 100) else 0.0 for number in range(len(frame))])
    root = Path(frame["path"][0]).parent
    found = data.read(root, frame=rare, label=",".join((*LABELS, "odd")))
    assert data.scored_labels(found).tolist() == [True, True, True, False]
    assert any("Too rare to be scored: odd (3)" in note for note in data.plan_splits(found, 0).notes)
