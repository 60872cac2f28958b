from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from frostline.data import Geometry, PixelStore, build_store, check_channels, input_notes, read
from frostline.errors import OptionError
from frostline.terms.backbone import InputSpec
from tests.data.pictures import folders, noise

COLOUR = InputSpec(3, 32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GRAY = InputSpec(1, 32, 32, (0.45,), (0.22,))
SQUARE = Geometry(32, 32)


def store(root: Path, folder: Path) -> PixelStore:
    return build_store(read(root), SQUARE, folder)[1]


def test_the_choice_between_repeating_and_summing_is_said(tmp_path: Path) -> None:
    gray = store(folders(tmp_path / "data", {"ill": 3, "well": 3}, channels=1), tmp_path / "store")
    (note,) = input_notes(gray, COLOUR, "timm/resnet18")
    assert "gray is repeated" in note and "timm/resnet18?channels=1" in note
    assert input_notes(gray, GRAY, "timm/resnet18?channels=1") == []


def test_colours_for_a_gray_network_are_said(tmp_path: Path) -> None:
    colour = store(folders(tmp_path / "data", {"ill": 3, "well": 3}), tmp_path / "store")
    assert input_notes(colour, COLOUR, "b") == []
    (note,) = input_notes(colour, GRAY, "b")
    assert "shown their brightness" in note


def test_values_that_cannot_fit_are_said(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number, 40, 40) // 16).save(path)
    dim = store(tmp_path / "data", tmp_path / "store")
    (note,) = input_notes(dim, COLOUR, "timm/resnet18")
    assert "do not fit what timm/resnet18 expects" in note and "0.48, 0.46, 0.41" in note


def test_many_channels_ask_for_a_network_that_takes_them(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 255, (40, 40, 5)).astype(np.uint8)
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    many = store(tmp_path / "data", tmp_path / "store")
    with pytest.raises(OptionError, match=r"5 channels.*timm/resnet18\?channels=5"):
        check_channels(many, COLOUR, "timm/resnet18")
    check_channels(many, InputSpec(5, 32, 32, (0.5,) * 5, (0.25,) * 5), "timm/resnet18?channels=5")
    check_channels(many, InputSpec(5, 32, 32, (0.5,) * 5, (0.25,) * 5), "x")
