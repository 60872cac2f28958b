"""Searches on files that are no colour JPEGs: many channels, and the same pictures as DICOM, deep PNG and JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import frostline as fl
from frostline.errors import OptionError
from tests.data.files import dicom_file

RECIPES = ("all: freeze | head: linear", "weights: random | all: freeze | head: linear", "pixels: logistic")
SIZE = 64


def stripes(number: int, label: str, channels: int = 1) -> np.ndarray:
    """(72, 72, channels) of 12 bits, from 0 to 4095: stripes across or along under noise."""
    generator = np.random.default_rng(number)
    wave = np.sin(np.arange(72) / (2 + number % 3))[None, :, None] * 500 + generator.normal(0, 700, (72, 72, channels))
    values = wave if label == "along" else wave.transpose(1, 0, 2)
    return np.rint((values - values.min()) / np.ptp(values) * 4095).astype(np.uint16)


def searched(data: Path, backbone: str, out: Path) -> fl.Run:
    return fl.search(data, backbone, out=out, recipe=RECIPES, size=SIZE)


def test_images_of_five_channels_are_searched_and_predicted(backbone_name: str, tmp_path: Path) -> None:
    for number in range(28):
        label = ("across", "along")[number % 2]
        path = tmp_path / "data" / label / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, stripes(number, label, 5), photometric="minisblack", planarconfig="contig")
    with pytest.raises(OptionError, match=r"the images have 5 channels.*timm/test_resnet\?channels=5"):
        searched(tmp_path / "data", backbone_name, tmp_path / "run")
    run = searched(tmp_path / "data", f"{backbone_name}?channels=5", tmp_path / "run")
    assert any("takes 5 channels instead of 3" in note for note in run.verdict.notes)
    assert run.verdict.chosen.backbone in ("timm/test_resnet?channels=5", "")
    assert run.model.spec.channels == 5
    from frostline.api import predict

    answers = list(predict(run.path, [tmp_path / "data" / "along" / "1.tif"]))
    assert answers[0].label in ("across", "along") and answers[0].error is None


@pytest.mark.slow
def test_the_same_pictures_as_dicom_deep_png_and_jpeg_come_to_the_same_verdict(backbone_name: str, tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    for number in range(120):  # with parts of the user's own: drawn ones would depend on the files' bytes
        label, part = ("across", "along")[number % 2], "train" if number < 80 else "val"
        values = stripes(number, label)[..., 0]
        folders = {kind: tmp_path / kind / part / label for kind in ("dicom", "png", "jpeg")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        dicom_file(folders["dicom"] / f"{number:03}.dcm", values, BitsStored=12, HighBit=11, PatientID=f"p{number}")
        Image.fromarray(values).save(folders["png"] / f"{number:03}.png")
        Image.fromarray(np.rint(values / 4095 * 255).astype(np.uint8)).save(folders["jpeg"] / f"{number:03}.jpg", quality=95)
    runs = [searched(tmp_path / kind, backbone_name, tmp_path / f"run-{kind}") for kind in folders]
    assert len({run.verdict.chosen.recipe for run in runs}) == 1
    first, *others = [{claim.claim: claim.verdict for claim in run.verdict.claims} for run in runs]
    assert all(claims == first for claims in others)
    scores = [{row.recipe: row.score.value for row in run.verdict.rows if row.score} for run in runs]
    for recipe, score in scores[0].items():
        assert all(abs(one[recipe] - score) < 0.05 for one in scores[1:]), recipe
