from __future__ import annotations

from pathlib import Path

import pytest

from frostline.data import read
from frostline.errors import DataError
from tests.data.pictures import picture, table

FOUR = [("x/1.png", "a"), ("x/2.png", "a"), ("y/3.png", "b"), ("y/4.png", "b")]


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_table_beats_folders(tmp_path: Path) -> None:
    rows = [(path, label, f"p{label}", "train") for path, label in FOUR]
    data = read(table(tmp_path, ("path", "label", "patient", "split"), rows))
    assert data.classes == ("a", "b")
    assert [s.group for s in data.samples] == ["pa", "pa", "pb", "pb"]
    assert {s.part for s in data.samples} == {"train"}
    assert any("Grouped by the column patient" in note for note in data.notes)


def test_any_case_semicolons_byte_order_mark_and_backslashes(tmp_path: Path) -> None:
    table(tmp_path, ("path", "label"), FOUR)
    text = "\ufeffPath;LABEL;note\n" + "\n".join(f"{p.replace('/', chr(92))};{c};x,y" for p, c in FOUR) + "\n\n"
    (tmp_path / "index.csv").write_text(text, encoding="utf-8")
    assert [s.path for s in read(tmp_path).samples] == [path for path, _ in FOUR]


def test_a_table_itself_may_be_given(tmp_path: Path) -> None:
    table(tmp_path, ("path", "label"), FOUR, name="mine.csv")
    assert len(read(tmp_path / "mine.csv").samples) == 4


def test_named_columns(tmp_path: Path) -> None:
    rows = [(path, label, str(i % 2), f"s{i}") for i, (path, label) in enumerate(FOUR)]
    root = table(tmp_path, ("path", "label", "kind", "site"), rows)
    data = read(root, label="kind", group="site")
    assert data.classes == ("0", "1")
    assert [s.group for s in data.samples] == ["s0", "s1", "s2", "s3"]
    assert "no column 'knd'" in refusal(root, label="knd") and "Nearest: kind" in refusal(root, label="knd")
    assert "Nearest: site" in refusal(root, group="sites")


def test_columns_for_a_folder_without_table(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    assert "no index.csv" in refusal(tmp_path, label="kind")


def test_labels_with_one_label_each_are_fine(tmp_path: Path) -> None:
    assert read(table(tmp_path, ("path", "labels"), FOUR)).classes == ("a", "b")


def test_missing_columns(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "lable"), FOUR)
    assert "no column label" in refusal(root) and "Nearest: lable" in refusal(root)
    (root / "index.csv").write_text("pathh,label\nx/1.png,a\n")
    assert "Nearest: pathh" in refusal(root)


def test_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("")
    assert "none" in refusal(tmp_path)
    (tmp_path / "index.csv").write_text("path,label\n")
    assert "no rows" in refusal(tmp_path)


def test_empty_cells_and_odd_rows_are_named_by_line(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "label"), FOUR)
    (root / "index.csv").write_text("path,label\nx/1.png,a\nx/2.png,\n")
    assert "lines 3" in refusal(root)
    (root / "index.csv").write_text("path,label\nx/1.png,a,b\n")
    assert "line 2 has 3 cells" in refusal(root)


def test_missing_files_name_the_nearest(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "label"), FOUR)
    (root / "index.csv").write_text("path,label\nx/1.jpg,a\nx/2.png,a\ny/3.png,b\n")
    message = refusal(root)
    assert "line 2: x/1.jpg" in message and "Nearest: 1.png" in message
    (root / "index.csv").write_text("path,label\nz/1.png,a\n")
    assert "no folder z" in refusal(root)


@pytest.mark.parametrize("outside", ["../secret.png", "/etc/passwd", "x/../../secret.png"])
def test_paths_outside_the_root(tmp_path: Path, outside: str) -> None:
    picture(tmp_path / "secret.png")
    root = table(tmp_path / "data", ("path", "label"), FOUR)
    (root / "index.csv").write_text(f"path,label\n{outside},a\n")
    assert "outside" in refusal(root)


def test_absolute_paths_below_the_root_are_fine(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "label"), FOUR)
    (root / "index.csv").write_text("path,label\n" + "".join(f"{root / p},{c}\n" for p, c in FOUR))
    assert [s.path for s in read(root).samples] == [path for path, _ in FOUR]


def test_no_image_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "index.csv").write_text("path,label\nnotes.txt,a\n")
    assert "no images by their names" in refusal(tmp_path)


def test_split_words(tmp_path: Path) -> None:
    words = ("training", "Train", "validation", "test")
    rows = [(f"{i}.png", "ab"[i % 2], words[(i // 2) % 4]) for i in range(16)]
    root = table(tmp_path, ("path", "label", "split"), rows)
    assert {s.part for s in read(root).samples} == {"train", "val", "test"}
    (root / "index.csv").write_text("path,label,split\n0.png,a,tset\n")
    assert "Nearest: test" in refusal(root)


def test_repeated_rows(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "label"), [*FOUR, FOUR[0]])
    assert len(read(root).samples) == 4
    assert any("1 rows repeat" in note for note in read(root).notes)
    table(tmp_path, ("path", "label"), [*FOUR, ("x/1.png", "b")])
    assert "x/1.png twice" in refusal(root)


def test_missing_patients_are_noted(tmp_path: Path) -> None:
    root = table(tmp_path, ("path", "label", "patient"), [(p, c, "" if i else "p") for i, (p, c) in enumerate(FOUR)])
    assert any("3 images name no patient" in note for note in read(root).notes)


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes(b"path,label\n\xff\xfe\x00,a\n")
    assert "UTF-8" in refusal(tmp_path)
