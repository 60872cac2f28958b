from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from frostline.data import plan_splits, read
from frostline.errors import DataError
from tests.data.pictures import folders, picture, table


def refusal(path: Path, test: Path, **options: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path, test=test, **options)
    return str(caught.value)


def others(root: Path, counts: dict[str, int]) -> Path:
    """As `folders`, with pictures that no other folder has."""
    seed = 500
    for folder, count in counts.items():
        for number in range(count):
            seed += 1
            picture(root / folder / f"{number:03d}.png", seed)
    return root


def test_an_external_test_set_is_sealed_and_everything_else_is_drawn_from(tmp_path: Path) -> None:
    data, test = folders(tmp_path / "data", {"a": 20, "b": 20}), others(tmp_path / "clinic", {"a": 3, "b": 2})
    found = read(data, test=test)
    assert Counter(sample.part for sample in found.samples) == {"train": 40, "test": 5}
    assert found.root == str(data) and found.fingerprint != read(data).fingerprint
    assert [s.path for s in found.samples if s.part == "train"] == [s.path for s in read(data).samples]
    plan = plan_splits(found, 0)
    assert plan.sealed_by == "user" and {found.samples[i].part for i in plan.sealed} == {"test"} and len(plan.sealed) == 5
    assert {found.samples[i].part for i in plan.pool} == {"train"} and len(plan.pool) == 40
    assert all((Path(found.root) / sample.path).is_file() for sample in found.samples)


def test_paths_lead_to_the_files_also_through_links(tmp_path: Path) -> None:
    folders(tmp_path / "far" / "away" / "data", {"a": 3, "b": 3})
    test = others(tmp_path / "clinic", {"a": 1, "b": 1})
    (tmp_path / "data").symlink_to(tmp_path / "far" / "away" / "data")
    found = read(tmp_path / "data", test=test)
    assert all((Path(found.root) / sample.path).is_file() for sample in found.samples)


def test_tables_and_own_val(tmp_path: Path) -> None:
    rows = [[f"{part}/{label}{i}.png", label, f"p{i}", part] for part in ("train", "val") for label in "ab" for i in range(4)]
    data = table(tmp_path / "data", ["path", "label", "patient", "split"], rows)
    test = table(tmp_path / "clinic", ["path", "label", "patient"], [[f"{i}.png", "ab"[i % 2], f"q{i}"] for i in range(6)])
    for seed in range(6):
        picture(test / f"{seed}.png", 500 + seed)
    found = read(data, test=test)
    assert Counter(sample.part for sample in found.samples) == {"train": 8, "val": 8, "test": 6}
    assert {sample.group for sample in found.samples if sample.part == "test"} == {f"q{i}" for i in range(6)}
    plan = plan_splits(found, 0)
    assert (plan.kind, plan.sealed_by, len(plan.sealed)) == ("own-validation", "user", 6)
    assert any(note.startswith(f"Test set {test}: Grouped by") for note in found.notes)
    held = read(data, test=test / "index.csv")
    assert held.samples == found.samples


def test_a_table_may_be_tested_on_folders(tmp_path: Path) -> None:
    data = table(tmp_path / "data", ["path", "kind", "label"], [[f"{i}.png", "ab"[i % 2], "x"] for i in range(8)])
    test = others(tmp_path / "clinic", {"a": 2, "b": 2})
    assert len(read(data, test=test, label="kind").samples) == 12


def test_folders_beside_a_table_have_no_subgroups_and_it_is_said(tmp_path: Path) -> None:
    rows = [[f"{i}.png", "ab"[i % 2], "MF"[i // 2 % 2]] for i in range(24)]
    data = table(tmp_path / "data", ["path", "label", "sex"], rows)
    test = others(tmp_path / "clinic", {"a": 2, "b": 2})
    found = read(data, test=test, subgroups=("sex",))
    assert {sample.subgroups for sample in found.samples if sample.part == "test"} == {()}
    (note,) = [note for note in found.notes if "no index.csv" in note]
    assert note.startswith(f"Test set {test}: ") and "nothing in sex" in note and "Add an index.csv" in note
    assert not any("no index.csv" in note for note in read(data, test=test).notes)


def test_patients_of_one_name_in_both_tables_are_said_with_what_to_do(tmp_path: Path) -> None:
    data = table(tmp_path / "data", ["path", "label", "patient"], [[f"{i}.png", "ab"[i % 2], f"p{i}"] for i in range(24)])
    test = table(tmp_path / "clinic", ["path", "label", "patient"], [[f"{i}.png", "ab"[i % 2], f"p{i}"] for i in range(3)])
    for seed in range(3):
        picture(test / f"{seed}.png", 500 + seed)
    (note,) = [note for note in read(data, test=test).notes if "more than one of train, val and test" in note]
    assert (
        note.startswith("3 groups")
        and "the same name in the patient column of both" in note
        and "give them different names" in note
    )


def test_classes_that_the_data_do_not_have_are_refused_and_missing_ones_said(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", {"healthy": 6, "sick": 6})
    said = refusal(data, others(tmp_path / "odd", {"helthy": 3, "sick": 1}))
    assert "helthy (3)" in said and "Nearest: healthy." in said and str(tmp_path / "odd") in said and "healthy, sick" in said
    found = read(data, test=others(tmp_path / "half", {"sick": 4}))
    assert any("test holds no image of healthy" in note for note in found.notes)


def test_two_test_sets_are_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", {"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2})
    said = refusal(data, others(tmp_path / "clinic", {"a": 2, "b": 2}))
    assert "test set of its own (4 images)" in said and "Leave --test out" in said


def test_a_test_set_in_parts_is_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", {"a": 4, "b": 4})
    clinic = others(tmp_path / "clinic", {"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    said = refusal(data, clinic)
    assert "divided into test, train" in said and str(clinic / "test") in said
    assert len(read(data, test=clinic / "test").samples) == 10


def test_images_that_are_in_both_are_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", {"a": 4, "b": 4})
    assert "8 images of the test set" in refusal(data, data)
    (tmp_path / "same").symlink_to(data)
    assert "a/000.png" in refusal(data, tmp_path / "same")


def test_a_test_set_that_is_not_there_gets_the_nearest(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", {"a": 4, "b": 4})
    folders(tmp_path / "clinic", {"a": 1})
    assert "Nearest: clinic" in refusal(data, tmp_path / "clinc")


def test_copies_and_lookalikes_that_cross_are_said(tmp_path: Path) -> None:
    data, test = folders(tmp_path / "data", {"a": 20, "b": 20}), others(tmp_path / "clinic", {"a": 3, "b": 3})
    (test / "a" / "copy.png").write_bytes((data / "a" / "001.png").read_bytes())
    Image.open(data / "b" / "002.png").save(test / "b" / "again.jpg", quality=80)
    found = read(data, test=test)
    plan = plan_splits(found, 0)
    assert any(
        "2 training images share a patient (the same name in the patient column of both), equal bytes or nearly" in note
        for note in plan.notes
    )
    assert any("1 pairs of near-duplicates are in two of" in note for note in found.notes)
    assert len(plan.pool) == 40  # the user's own images are never left out unasked


def test_the_order_of_creation_and_the_place_of_both_do_not_matter(tmp_path: Path) -> None:
    found = set()
    for place in ("one", "two"):
        data = folders(tmp_path / place / "data", {"a": 3, "b": 3})
        test = others(tmp_path / place / "clinic", {"b": 1, "a": 1})
        found.add(read(os.path.relpath(data), test=os.path.relpath(test)).fingerprint)
    assert len(found) == 1
