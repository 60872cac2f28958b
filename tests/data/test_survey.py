"""A very large table, counted by its columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from frostline.data.columns import Asked
from frostline.data.survey import LARGE, surveyed
from frostline.errors import DataError

ROWS = LARGE + 400


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Three classes, a patient of about four images each, one image in ten without."""
    generator = np.random.default_rng(0)
    patients = [f"p{number}" if number % 10 else "" for number in generator.integers(0, ROWS // 4, ROWS)]
    return pd.DataFrame(
        {
            "path": [f"images/{number}.png" for number in range(ROWS)],
            "label": generator.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1]),
            "patient": patients,
            "split": generator.choice(["train", "valid", "test"], ROWS, p=[0.7, 0.1, 0.2]),
            "labels": generator.choice(["x|y", "y", "none", "z"], ROWS),
            "male": generator.choice(["1", "0", ""], ROWS),
        }
    )


def written(frame: pd.DataFrame, folder: Path, name: str = "index.csv") -> Path:
    frame.to_parquet(folder / name) if name.endswith(".parquet") else frame.to_csv(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize("name", ["index.csv", "index.parquet", "index.jsonl"])
def test_counts_are_those_of_the_table(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    if name.endswith("jsonl"):
        frame.to_json(tmp_path / name, orient="records", lines=True)
    else:
        written(frame, tmp_path, name)
    found = surveyed(tmp_path)
    assert found is not None and found.classes == ("a", "b", "c") and not found.several
    assert np.bincount(found.targets).tolist() == frame["label"].value_counts().sort_index().tolist()
    assert len(found.rows("test")) == (frame["split"] == "test").sum()
    assert len(found.rows("val")) == (frame["split"] == "valid").sum()
    nameless = (frame["patient"] == "").sum()
    assert found.grouped and len(np.unique(found.units)) == frame.loc[frame["patient"] != "", "patient"].nunique() + nameless
    assert any(f"{nameless:,} images name no patient" in note for note in found.notes)


def test_a_data_frame_is_counted_as_its_file_is(frame: pd.DataFrame, tmp_path: Path) -> None:
    from_file, at_hand = surveyed(written(frame, tmp_path)), surveyed(tmp_path, frame=frame)
    assert from_file is not None and at_hand is not None
    assert (from_file.targets == at_hand.targets).all() and (from_file.units == at_hand.units).all()


def test_several_labels_in_a_cell(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = written(frame, tmp_path)
    found = surveyed(file, Asked(label="labels"))
    assert found is not None and found.several and found.classes == ("x", "y", "z")
    assert (found.targets == 1).sum(axis=0).tolist() == [frame["labels"].str.contains(name).sum() for name in "xyz"]


def test_a_column_a_label_knows_what_is_not_known(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = written(frame.assign(old=frame["male"]), tmp_path)
    found = surveyed(file, Asked(label="male,old"))
    assert found is not None and found.classes == ("male", "old")
    for value, count in ((1, (frame["male"] == "1").sum()), (0, (frame["male"] == "0").sum())):
        assert (found.targets[:, 0] == value).sum() == count
    assert np.isnan(found.targets[:, 0]).sum() == (frame["male"] == "").sum()


def test_files_that_are_not_there_are_told_and_refuse_nothing(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = written(frame, tmp_path)
    found = surveyed(file)
    assert found is not None and not found.seen.files and any("None of these 200 files" in note for note in found.notes)
    (tmp_path / "images").mkdir()
    for number in range(0, ROWS, 2):
        (tmp_path / f"images/{number}.png").touch()
    Image.new("L", (40, 30)).save(tmp_path / "images/0.png")
    found = surveyed(file)
    assert found is not None and found.seen.sides == (30,) and found.seen.bytes[0] > 0
    assert any("cannot be read: about" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"path": "../elsewhere/1.png"}, "outside"),
        ({"path": "/etc/1.png"}, "outside"),
        ({"path": ""}, "no path in 1 rows"),
        ({"label": ""}, "empty 'label' in 1 rows"),
        ({"split": "dev"}, "expected train, val or test"),
        ({"label": "d", "split": "test"}, "none in train"),
    ],
)
def test_what_a_search_would_refuse_is_refused(
    frame: pd.DataFrame, tmp_path: Path, change: dict[str, str], expected: str
) -> None:
    damaged = frame.copy()
    for column, value in change.items():
        damaged.loc[700, column] = value
    with pytest.raises(DataError, match=expected):
        surveyed(written(damaged, tmp_path))


def test_small_tables_and_folders_are_left_to_be_read(frame: pd.DataFrame, tmp_path: Path) -> None:
    assert surveyed(written(frame.head(LARGE), tmp_path)) is None
    assert surveyed(tmp_path, frame=frame.head(10)) is None
    (tmp_path / "inner").mkdir()
    assert surveyed(tmp_path / "inner") is None
    (tmp_path / "inner/index.csv").write_text("path,label\n" + 'a.png,"x\n' * (LARGE + 1))
    assert surveyed(tmp_path / "inner") is None  # damaged: the reader says where
