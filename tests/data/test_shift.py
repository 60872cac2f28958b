from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline.data import appearance_notes, build_store, plan_splits, read
from frostline.data.decoding import Geometry
from frostline.data.shift import prevalence_notes
from tests.data.pictures import dataset, noise


def test_prevalence_shift_is_said() -> None:
    labels = [0] * 260 + [1] * 740 + [0] * 150 + [1] * 250
    data = dataset(labels, parts=["train"] * 1000 + ["test"] * 400)
    (note,) = prevalence_notes(data)
    assert "26.0% of train and 37.5% of test" in note
    assert note in plan_splits(data, 0).notes


def test_chance_and_missing_parts_are_not_a_shift() -> None:
    labels = [0] * 260 + [1] * 740 + [0] * 115 + [1] * 285
    assert prevalence_notes(dataset(labels, parts=["train"] * 1000 + ["val"] * 400)) == []
    assert prevalence_notes(dataset(labels)) == []


@pytest.mark.parametrize("shifted", [False, True])
def test_appearance_shift_is_said(tmp_path: Path, shifted: bool) -> None:
    for place, folder in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(60):
            pixels = noise(1000 * place + number).astype(float)
            pixels[:6] *= 0.4 if shifted and place >= 2 else 1.0  # a dark band above, as of another scanner
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / folder / f"{number}.png")
    data, store = build_store(read(tmp_path / "data"), Geometry(32, 32), tmp_path / "store")
    assert len(appearance_notes(data, store)) == int(shifted)
