from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from frostline.data import read
from frostline.errors import DataError, OptionError
from frostline.terms.finding import Weight, weight_of
from tests.data.pictures import folders, picture, table


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_folder_a_class(tmp_path: Path) -> None:
    data = read(folders(tmp_path, {"dog": 3, "cat": 2}))
    assert data.classes == ("cat", "dog")
    assert [sample.path for sample in data.samples] == [
        "cat/000.png", "cat/001.png", "dog/000.png", "dog/001.png", "dog/002.png",
    ]  # fmt: skip
    assert [sample.label for sample in data.samples] == [0, 0, 1, 1, 1]
    assert {sample.part for sample in data.samples} == {None}
    assert len({sample.digest for sample in data.samples}) == 5
    assert "5 images in 2 classes: cat 2, dog 3." in data.notes


def test_importing_and_reading_need_neither_torch_nor_sklearn(tmp_path: Path) -> None:
    folders(tmp_path, {"a": 2, "b": 2})
    code = f"import sys, frostline.data as d; d.read({str(tmp_path)!r}); assert not {{'torch', 'sklearn'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_parts(tmp_path: Path, name: str) -> None:
    data = read(folders(tmp_path, {"train/a": 3, "train/b": 3, f"{name}/a": 2, f"{name}/b": 2, "test/b": 1}))
    assert Counter(sample.part for sample in data.samples) == {"train": 6, "val": 4, "test": 1}
    assert any("test holds no image of a" in note for note in data.notes)


def test_train_alone_is_a_layout_too(tmp_path: Path) -> None:
    assert {s.part for s in read(folders(tmp_path, {"train/a": 2, "train/b": 2})).samples} == {"train"}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert read(folders(tmp_path, {"bus": 2, "train": 2})).classes == ("bus", "train")


def test_suffixes_in_any_case_and_clutter_is_ignored(tmp_path: Path) -> None:
    folders(tmp_path, {"a": 1, "b": 2, "__MACOSX/a": 2, ".cache": 2})
    for seed, name in enumerate(("x.JPG", "x.jpeg", "x.WebP", "x.bmp", "x.TIF", "x.tiff", "x.gif")):
        picture(tmp_path / "a" / name, 100 + seed)
    picture(tmp_path / "a" / "._x.png")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    data = read(tmp_path)
    assert data.classes == ("a", "b")
    assert len(data.samples) == 10


def test_order_and_fingerprint_do_not_depend_on_place_or_creation(tmp_path: Path) -> None:
    first = folders(tmp_path / "one", {"a": 3, "b": 3})
    second = tmp_path / "elsewhere"
    for file in sorted(first.rglob("*.png"), reverse=True):
        target = second / file.relative_to(first)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    assert read(first).fingerprint == read(second).fingerprint
    assert read(first).samples == read(second).samples


def test_fingerprint_sees_pixels_names_and_parts(tmp_path: Path) -> None:
    found = {read(folders(tmp_path / "1", {"a": 3, "b": 3})).fingerprint}
    found.add(read(folders(tmp_path / "2", {"a": 3, "c": 3})).fingerprint)
    found.add(read(folders(tmp_path / "3", {"train/a": 3, "train/b": 3})).fingerprint)
    other = folders(tmp_path / "4", {"a": 3, "b": 3})
    picture(other / "a" / "000.png", 99)
    assert len(found | {read(other).fingerprint}) == 4


def test_nested_images_belong_to_the_outer_class_and_links_do_not_loop(tmp_path: Path) -> None:
    folders(tmp_path, {"a/p1": 2, "a/p2": 1, "b": 2})
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert Counter(s.label for s in read(tmp_path).samples)[1] == 2
    assert len({s.path for s in read(tmp_path).samples}) == len(read(tmp_path).samples)


# Refusals


def test_missing_folder_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "xrays").mkdir()
    message = refusal(tmp_path / "xray")
    assert "is not there" in message and "Nearest: xrays" in message


def test_missing_parent(tmp_path: Path) -> None:
    assert "neither is" in refusal(tmp_path / "a" / "b")


def test_file_instead_of_folder(tmp_path: Path) -> None:
    message = refusal(picture(tmp_path / "a" / "x.png"))
    assert "is a file" in message and str(tmp_path / "a") in message


def test_no_images_says_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.nii", "y.nii", "notes.txt"):
        (tmp_path / "a" / name).write_text("x")
    message = refusal(tmp_path)
    assert "2 .nii, 1 .txt" in message and "or dcm" in message


def test_empty_folder(tmp_path: Path) -> None:
    assert "no files at all" in refusal(tmp_path)


def test_images_without_class_folders(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    assert "1 images but no class folders" in refusal(tmp_path)


def test_loose_images_beside_classes_are_noted(tmp_path: Path) -> None:
    picture(folders(tmp_path, {"a": 2, "b": 2}) / "x.png")
    assert any("1 images lie directly" in note for note in read(tmp_path).notes)


def test_one_class_only_names_the_folder_that_may_be_meant(tmp_path: Path) -> None:
    message = refusal(folders(tmp_path, {"data/a": 2, "data/b": 2}))
    assert "one class only (data)" in message and "a, b" in message


def test_class_with_one_image(tmp_path: Path) -> None:
    message = refusal(folders(tmp_path, {"a": 1, "b": 5}))
    assert "a (1)" in message and "at least 2" in message


def test_class_with_few_images_is_noted(tmp_path: Path) -> None:
    assert any("a (3)" in note for note in read(folders(tmp_path, {"a": 3, "b": 6})).notes)


def test_class_missing_in_train(tmp_path: Path) -> None:
    message = refusal(folders(tmp_path, {"train/cat": 2, "train/dog": 2, "test/cats": 2}))
    assert "'cats'" in message and "Nearest: cat" in message


def test_parts_without_train(tmp_path: Path) -> None:
    assert "no train/" in refusal(folders(tmp_path, {"trian/a": 2, "test/a": 2, "test/b": 2}))


def test_two_names_for_one_part(tmp_path: Path) -> None:
    assert "both mean 'val'" in refusal(folders(tmp_path, {"train/a": 2, "val/a": 2, "valid/a": 2}))


def test_folders_beside_parts(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/a": 2, "train/b": 2, "extra/a": 1})
    assert "extra" in refusal(root)
    shutil.rmtree(root / "extra")
    (root / "docs").mkdir()
    assert any("docs" in note for note in read(root).notes)


def test_parts_without_class_folders(tmp_path: Path) -> None:
    assert "expected a folder a class inside" in refusal(folders(tmp_path, {"train": 3, "test": 3}))


def test_parts_under_another_name(tmp_path: Path) -> None:
    message = refusal(folders(tmp_path, {"training/a": 2, "training/b": 2, "testing/a": 2, "testing/b": 2}))
    assert "Rename" in message


def test_empty_file_is_refused_by_name_or_left_out(tmp_path: Path) -> None:
    root = folders(tmp_path, {"a": 3, "b": 3})
    (root / "a" / "000.png").write_bytes(b"")
    message = refusal(root)
    assert "a/000.png" in message and "--allow-unreadable" in message
    data = read(root, allow_unreadable=True)
    assert len(data.samples) == 5
    assert any(note.startswith("1 files cannot be read") for note in data.notes) and "a/000" not in " ".join(data.notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file(tmp_path: Path) -> None:
    root = folders(tmp_path, {"a": 3, "b": 3})
    (root / "a" / "000.png").chmod(0)
    assert "Permission" in refusal(root)


def test_exact_duplicates_are_counted(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/a": 4, "train/b": 4, "val/a": 2, "val/b": 2})
    shutil.copy(root / "train/a/000.png", root / "train/a/copy.png")
    shutil.copy(root / "train/a/001.png", root / "val/a/copy.png")
    shutil.copy(root / "train/a/002.png", root / "train/b/copy.png")
    data = read(root)
    notes = " ".join(data.notes)
    assert "3 exact duplicates" in notes and ".png" not in notes
    rows = [data.samples[int(row) - 2] for row in re.findall(r"row (\d+)", notes)]
    assert [sample.path for sample in rows] == ["train/a/002.png", "train/b/copy.png"]
    assert "1 images are in more than one of" in notes
    assert "1 images have several files with different labels" in notes


# Limits


def test_limit_is_stratified_and_deterministic(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/a": 30, "train/b": 10, "val/a": 6, "val/b": 6})
    data = read(root, limit=26)
    counts = Counter((sample.part, sample.label) for sample in data.samples)
    assert counts == {("train", 0): 15, ("train", 1): 5, ("val", 0): 3, ("val", 1): 3}
    assert data == read(root, limit=26)
    assert data.samples != read(root, limit=26, seed=1).samples
    assert any("Limited to 26 of 52" in note for note in data.notes)


def test_limit_above_the_number_of_images_changes_nothing(tmp_path: Path) -> None:
    root = folders(tmp_path, {"a": 3, "b": 3})
    assert read(root, limit=100) == read(root)


def test_limit_keeps_groups_whole(tmp_path: Path) -> None:
    rows = [(f"{i:02d}.png", "ab"[i % 2], f"p{i // 4}") for i in range(40)]
    root = table(tmp_path, ("path", "label", "patient"), rows)
    data = read(root, limit=20)
    assert set(Counter(sample.group for sample in data.samples).values()) == {4}
    assert len(data.samples) == 20
    note = next(note for note in data.notes if note.startswith("Limited"))
    assert "in whole groups: 20 images of 5 groups, of 10." in note and weight_of(note) is Weight.LOOK


def test_limit_too_small(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least 4"):
        read(folders(tmp_path, {"a": 3, "b": 3}), limit=3)


def test_the_positive_class_of_two_comes_second(tmp_path: Path) -> None:
    folders(tmp_path, {"abnormal": 2, "normal": 3})
    data = read(tmp_path, positive="abnormal")
    assert data.classes == ("normal", "abnormal")
    assert {(Path(sample.path).parent.name, sample.label) for sample in data.samples} == {("abnormal", 1), ("normal", 0)}
    assert read(tmp_path, positive="normal").fingerprint == read(tmp_path).fingerprint != data.fingerprint
    assert "'norma' is not one of abnormal, normal" in refusal(tmp_path, positive="norma")


def test_a_positive_class_is_one_of_two(tmp_path: Path) -> None:
    assert "3 classes; leave it out" in refusal(folders(tmp_path, {"a": 2, "b": 2, "c": 2}), positive="b")
