"""Tables of other kinds, with other column names, and with several labels an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frostline.data import read
from frostline.errors import DataError
from frostline.terms.data import NO, UNKNOWN, YES, Dataset
from tests.data.pictures import picture, table
from tests.data.test_table import FOUR, refusal

SEVERAL = [("1.png", "a|b"), ("2.png", "a"), ("3.png", "No Finding"), ("4.png", "b"), ("5.png", "a"), ("6.png", "none")]


def pictures(root: Path, rows: list[tuple[str, ...]]) -> Path:
    for seed, (path, *_) in enumerate(rows):
        picture(root / path, seed)
    return root


def answers(data: Dataset) -> list[tuple[int, ...]]:
    return [sample.answers for sample in data.samples]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_every_kind_of_table_says_the_same(tmp_path: Path, suffix: str) -> None:
    rows = [(path, label, f"p{number // 2}") for number, (path, label) in enumerate(FOUR)]
    frame = pd.DataFrame(rows, columns=["path", "label", "patient"])
    pictures(tmp_path, rows)
    write = {
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".tsv": lambda path: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": frame.to_parquet,
        ".jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
    }[suffix]
    write(tmp_path / f"index{suffix}")
    found = read(tmp_path)
    assert [(s.path, found.classes[s.label], s.group) for s in found.samples] == rows
    assert found.fingerprint == read(tmp_path / f"index{suffix}").fingerprint == read(tmp_path, frame=frame).fingerprint


def test_columns_by_usual_names(tmp_path: Path) -> None:
    rows = [(path, label, str(number), "train") for number, (path, label) in enumerate(FOUR)]
    root = pictures(tmp_path, rows)
    pd.DataFrame(rows, columns=["Image Index", "Diagnosis", "Patient ID", "subset"]).to_csv(root / "index.csv", index=False)
    found = read(root)
    assert found.classes == ("a", "b") and [s.group for s in found.samples] == ["0", "1", "2", "3"]
    assert {s.part for s in found.samples} == {"train"}
    assert {"Paths from the column image index.", "Train, val and test from the column subset."} <= set(found.notes)


def test_columns_by_options(tmp_path: Path) -> None:
    rows = [(path, label, "train") for path, label in FOUR]
    root = pictures(tmp_path, rows)
    pd.DataFrame(rows, columns=["where", "what", "side"]).to_csv(root / "index.csv", index=False)
    found = read(root, path_column="where", label="what", split_column="side")
    assert found.classes == ("a", "b") and {s.part for s in found.samples} == {"train"}
    message = refusal(root, label="what")
    assert "--path-column" in message
    assert "Nearest: where" in refusal(root, path_column="wher", label="what")
    assert "Nearest: side" in refusal(root, path_column="where", label="what", split_column="sides")


def test_options_for_a_folder_without_table_name_the_option(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    assert "--split-column" in refusal(tmp_path, split_column="part")


def test_labels_parted_by_bars(tmp_path: Path) -> None:
    found = read(table(tmp_path, ("path", "label"), SEVERAL))
    assert found.several and found.classes == ("a", "b")
    assert answers(found) == [(YES, YES), (YES, NO), (NO, NO), (NO, YES), (YES, NO), (NO, NO)]
    assert any("parted by '|'; 2 images have none of them" in note for note in found.notes)
    assert any("Labels an image: 2 with none, 3 with 1, 1 with 2" in note for note in found.notes)


@pytest.mark.parametrize("mark", [";", ",", "/"])
def test_labels_parted_otherwise(tmp_path: Path, mark: str) -> None:
    rows = [(path, labels.replace("|", f"{mark} ")) for path, labels in SEVERAL]
    root = table(tmp_path, ("path", "labels"), rows)
    found = read(root, delimiter=mark if mark == "/" else None)
    assert found.classes == ("a", "b") and answers(found)[0] == (YES, YES)


def test_a_comma_in_the_name_of_a_class_parts_nothing(tmp_path: Path) -> None:
    found = read(table(tmp_path, ("path", "label"), [(path, f"{label}, benign") for path, label in FOUR]))
    assert not found.several and found.classes == ("a, benign", "b, benign")


def test_one_column_a_label_with_blanks(tmp_path: Path) -> None:
    rows = [("1.png", "1", ""), ("2.png", "0", "yes"), ("3.png", "1.0", "-1"), ("4.png", "no", "0")]
    root = table(tmp_path, ("path", "Effusion", "Mass"), rows)
    found = read(root, label="effusion,Mass")
    assert found.classes == ("Effusion", "Mass")
    assert answers(found) == [(YES, UNKNOWN), (NO, YES), (YES, UNKNOWN), (NO, NO)]
    np.testing.assert_array_equal(found.targets(), [[1, np.nan], [0, 1], [1, np.nan], [0, 0]])
    assert any("Not known, and left out of loss and metric of that label alone: Mass 2." in note for note in found.notes)


def test_one_column_a_label_is_suggested_and_checked(tmp_path: Path) -> None:
    rows = [("1.png", "1", "", "3"), ("2.png", "0", "1", "4"), ("3.png", "1", "0", "5"), ("4.png", "0", "0", "6")]
    root = table(tmp_path, ("path", "Effusion", "Mass", "age"), rows)
    assert "--label effusion,mass (one column a label)" in refusal(root)
    assert "Nearest: mass" in refusal(root, label="Effusion,Masss")
    message = refusal(root, label="Effusion,age")
    assert "line 2: the column 'age' holds '3'" in message and "-1 for not known" in message


def test_a_label_that_nobody_or_everybody_has(tmp_path: Path) -> None:
    rows = [("1.png", "1", "1"), ("2.png", "0", ""), ("3.png", "1", "1"), ("4.png", "0", "1")]
    root = table(tmp_path, ("path", "a", "b"), rows)
    assert "b (3 yes, 0 no)" in refusal(root, label="a,b")


def test_an_empty_cell_is_not_taken_for_no_label(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "labels"), [*SEVERAL, ("7.png", "")])
    assert "write none for an image without a label" in refusal(root)


def test_lists_in_a_data_frame(tmp_path: Path) -> None:
    root = pictures(tmp_path, SEVERAL)
    frame = pd.DataFrame({"path": [path for path, _ in SEVERAL], "labels": [["a", "b"], ["a"], ["none"], ["b"], ["a"], ["none"]]})
    assert answers(read(root, frame=frame))[:2] == [(YES, YES), (YES, NO)]
    frame["labels"] = frame["labels"].map(lambda labels: [] if labels == ["none"] else labels)
    with pytest.raises(DataError, match="rows 3, 6"):
        read(root, frame=frame)


def test_numbers_with_gaps_in_a_data_frame(tmp_path: Path) -> None:
    root = pictures(tmp_path, SEVERAL[:4])
    frame = pd.DataFrame(
        {"path": [path for path, _ in SEVERAL[:4]], "a": [1.0, 0.0, np.nan, 1.0], "b": [True, False, True, False]}
    )
    assert answers(read(root, frame=frame, label="a,b")) == [(YES, YES), (NO, NO), (UNKNOWN, YES), (YES, NO)]


def test_damaged_tables(tmp_path: Path) -> None:
    (tmp_path / "index.parquet").write_bytes(b"PAR1nonsense")
    assert "cannot be read as a Parquet file" in refusal(tmp_path)
    (tmp_path / "index.parquet").unlink()
    (tmp_path / "index.csv").write_text("path,label,Label\nx.png,a,b\n")
    assert "'label' twice" in refusal(tmp_path)


def test_parts_of_several_labels_and_a_test_set_beside(tmp_path: Path) -> None:
    data = table(tmp_path / "data", ("path", "labels"), SEVERAL)
    test = table(tmp_path / "test", ("path", "labels"), [("7.png", "b|a"), ("8.png", "none")])
    found = read(data, test=test)
    assert [s.answers for s in found.samples if s.part == "test"] == [(YES, YES), (NO, NO)]
    other = table(tmp_path / "other", ("path", "labels"), [("7.png", "c|a"), ("8.png", "none")])
    assert "classes that" in refusal(data, test=other)
    plain = table(tmp_path / "plain", ("path", "label"), FOUR)
    assert "one class an image" in refusal(data, test=plain)


def test_a_limit_keeps_rare_labels(tmp_path: Path) -> None:
    rows = [(f"{number}.png", "rare|common" if number < 3 else "common" if number % 2 else "none") for number in range(40)]
    found = read(table(tmp_path, ("path", "labels"), rows), limit=20)
    assert len(found.samples) <= 20 and int(found.targets()[:, 1].sum()) >= 2


# Hugging Face --------------------------------------------------------------------------------------------------------


def test_image_folder_with_metadata(tmp_path: Path) -> None:
    for part in ("train", "test"):
        table(tmp_path / part, ("path", "label"), FOUR)
        text = (tmp_path / part / "index.csv").read_text().replace("path,", "file_name,")
        (tmp_path / part / "metadata.csv").write_text(text)
        (tmp_path / part / "index.csv").unlink()
    found = read(tmp_path)
    assert len(found.samples) == 8 and found.classes == ("a", "b")
    assert found.samples[0].path == "test/x/1.png" and found.samples[0].part == "test"


def test_metadata_without_labels_leaves_the_classes_to_the_folders(tmp_path: Path) -> None:
    rows = [(f"{label}/{number}.png", "a caption") for number in range(3) for label in "ab"]
    pictures(tmp_path, rows)
    pd.DataFrame(rows, columns=["file_name", "text"]).to_csv(tmp_path / "metadata.csv", index=False)
    assert read(tmp_path).classes == ("a", "b")


@pytest.mark.parametrize("several", [False, True])
def test_a_data_set_saved_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = [str(picture(tmp_path / "files" / f"{number}.png", number)) for number in range(6)]
    kind = datasets.ClassLabel(names=["cat", "dog"])
    labels = [[0, 1], [1], [0], [1], [0], [1]] if several else [0, 1, 0, 1, 0, 1]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "labels" if several else "label": datasets.Sequence(kind) if several else kind,
            "patient": datasets.Value("string"),
        }
    )
    made = datasets.Dataset.from_dict(
        {"image": files, "labels" if several else "label": labels, "patient": list("aabbcc")}, features=features
    )
    made.save_to_disk(tmp_path / "one")
    found = read(tmp_path / "one")
    assert found.classes == ("cat", "dog") and [s.group for s in found.samples] == list("aabbcc")
    assert found.samples[0].has == ((0, 1) if several else (0,))
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "two")
    assert {s.part for s in read(tmp_path / "two").samples} == {"train", "test"}
    again = read(tmp_path / "two")
    assert len(again.samples) == 12 and again.root.startswith(str(tmp_path / "cache"))
