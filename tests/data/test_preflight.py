"""What `check` finds in data that are wrong in many ways at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline.data.decoding import preview
from frostline.data.preflight import check
from frostline.data.reading import read
from frostline.errors import DataError
from frostline.terms.finding import Checkup, Weight
from tests.data.files import dicom_file
from tests.data.pictures import folders, noise, picture, table


def kinds(found: Checkup) -> dict[str, list[str]]:
    """Kind -> the files that its findings are about."""
    assert found.dataset is not None
    samples = found.dataset.samples
    return {one.kind: [samples[index].path for index in one.images] for one in found.findings}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Two classes of 12, and one of everything that is wrong."""
    root = folders(tmp_path / "data", {"ill": 12, "well": 12}, height=60, width=70)
    ill, well = root / "ill", root / "well"
    picture(ill / "tiny.png", 91, 8, 9)
    Image.new("L", (60, 60), 7).save(ill / "constant.png")
    Image.fromarray(np.random.default_rng(0).integers(99, 101, (60, 60)).astype(np.uint8)).save(ill / "blank.png")
    picture(well / "long.png", 92, 60, 300)
    shutil.copy(ill / "000.png", ill / "copy.png")
    shutil.copy(ill / "001.png", well / "disputed.png")
    with Image.open(ill / "002.png") as image:
        image.save(ill / "again.jpg", quality=90)
    picture(well / "x.jpg", 93).rename(well / "lying.png")
    first = Image.fromarray(noise(94, 60, 60))
    first.save(well / "film.gif", save_all=True, append_images=[first.rotate(90), first])
    values = np.asarray(noise(95, 60, 60, 1)).astype(np.uint16)
    values[3, 3] = 65535
    Image.fromarray(values).save(well / "narrow.png")
    (well / "cut.png").write_bytes((well / "003.png").read_bytes()[:900])
    return root


def test_everything_that_is_wrong_is_found_with_its_images(messy: Path) -> None:
    before = sorted(messy.rglob("*"))
    found = check(messy)
    assert sorted(messy.rglob("*")) == before, "nothing is changed"
    which = kinds(found)
    assert which["tiny"] == ["ill/tiny.png"]
    assert which["constant"] == ["ill/constant.png"] and which["blank"] == ["ill/blank.png"]
    assert which["long"] == ["well/long.png"]
    assert which["equal files"] == ["ill/000.png", "ill/copy.png"]
    assert which["equal files, different labels"] == ["ill/001.png", "well/disputed.png"]
    assert sorted(which["near-duplicates"]) == ["ill/002.png", "ill/again.jpg"]
    assert which["name of another type"] == ["well/lying.png"]
    assert which["several frames"] == ["well/film.gif"]
    assert which["range set by few pixels"] == ["well/narrow.png"]
    assert which["unreadable"] == ["well/cut.png"] and found.refused
    assert "mixed files" in which
    weights = [finding.weight for finding in found.findings]
    assert weights == sorted(weights, key=list(Weight).index), "the heaviest first"


def test_a_search_is_told_the_same_without_names(messy: Path) -> None:
    (messy / "well" / "cut.png").unlink()
    notes = read(messy).notes
    for said in ("1 image has a single value", "nearly blank", "times as long as wide", "several frames", "another type than"):
        assert sum(said in note for note in notes) == 1, said
    assert not any("tiny.png" in note or "film.gif" in note for note in notes)


def test_the_table_has_a_row_for_each_class_and_part(tmp_path: Path) -> None:
    rows = [[f"{part}/{label}{i}.png", label, part, f"p{i % 3}"]
            for part, count in (("train", 6), ("test", 3)) for label in ("ill", "well") for i in range(count)]  # fmt: skip
    found = check(table(tmp_path, ["path", "label", "split", "patient"], rows))
    assert [(kind.part, kind.name, kind.images, kind.groups) for kind in found.kinds] == [
        ("train", "ill", 6, 3), ("train", "well", 6, 3), ("test", "ill", 3, 3), ("test", "well", 3, 3),
    ]  # fmt: skip
    assert [kind.share for kind in found.kinds] == [0.5] * 4
    assert found.kinds[0].files == (("PNG", 6),) and found.kinds[0].bits == (8,) and found.kinds[0].channels == (3,)
    flattered = [finding for finding in found.findings if "groups are in more than one" in finding.sentence]
    assert len(flattered) == 1 and flattered[0].weight is Weight.SPOILS
    assert not found.refused


def test_copies_across_the_users_splits_are_named(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/ill": 6, "train/well": 6, "test/ill": 3, "test/well": 3})
    shutil.copy(root / "train" / "ill" / "000.png", root / "test" / "ill" / "copy.png")
    assert kinds(check(root))["equal files across splits"] == ["test/ill/copy.png", "train/ill/000.png"]


def test_a_scanner_that_gives_the_class_away(tmp_path: Path) -> None:
    """One clinic's pictures are larger, and that clinic sees the ill."""
    root = folders(tmp_path, {"well": 24}, height=40, width=50)
    for number in range(24):
        picture(root / "ill" / f"{number}.png", 500 + number, 40, 64)
    (finding,) = (one for one in check(root).findings if one.kind == "gives a class away")
    assert "AUROC 1.00" in finding.sentence and "width" in finding.sentence.lower()
    assert not [one for one in check(folders(tmp_path / "b", {"ill": 24, "well": 24})).findings if "gives" in one.kind]


def test_a_class_told_by_its_kind_of_file_or_its_brightness(tmp_path: Path) -> None:
    root = folders(tmp_path / "a", {"well": 24})
    for number in range(24):
        picture(root / "ill" / f"{number}.jpg", 500 + number)
    assert any("JPEG file alone tells" in finding.sentence or "PNG file alone tells" in finding.sentence
               for finding in check(root).findings)  # fmt: skip
    dark = folders(tmp_path / "b", {"well": 24})
    (dark / "ill").mkdir()
    for number in range(24):
        Image.fromarray(noise(700 + number) // 6).save(dark / "ill" / f"{number}.png")
    assert any("Brightness alone tells" in finding.sentence or "Contrast alone tells" in finding.sentence
               for finding in check(dark).findings)  # fmt: skip


def test_dicom_with_and_without_windows_is_no_one_scale(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    for number in range(4):
        values = np.asarray(noise(number, 40, 40, 1)).astype(np.uint16) * 16
        window = {"WindowCenter": 2000, "WindowWidth": 1000} if number < 2 else {}
        dicom_file(tmp_path / "ab"[number % 2] / f"{number}.dcm", values, PatientID=f"p{number}", **window)
    assert any("2 DICOM files name a window and 2 do not" in note for note in read(tmp_path).notes)


def test_parts_that_differ_are_said(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/ill": 40, "train/well": 40})
    (root / "test" / "well").mkdir(parents=True)
    for number in range(40):
        Image.fromarray(255 - noise(900 + number) // 4).save(root / "test" / "well" / f"b{number}.png")
        picture(root / "test" / "ill" / f"{number}.png", 1200 + number)
    sentences = [finding.sentence for finding in check(root).findings if finding.kind == "parts differ"]
    assert any("in test look unlike those in train" in sentence for sentence in sentences)


def test_data_that_a_search_refuses_are_described_as_far_as_they_can_be(tmp_path: Path) -> None:
    root = folders(tmp_path / "a", {"ill": 4, "well": 4})
    (root / "ill" / "empty.png").touch()
    found = check(root)
    assert found.refused and "ill/empty.png: the file is empty" in found.findings[0].sentence and found.dataset is not None
    alone = check(folders(tmp_path / "b", {"ill": 4}))
    assert alone.refused and alone.dataset is None and "one class only" in alone.findings[0].sentence


def test_a_preview_shows_the_whole_picture(tmp_path: Path) -> None:
    import io

    for shape in ((40, 80), (80, 40), (1, 9000)):
        path = picture(tmp_path / "x.png", 1, *shape)
        with Image.open(io.BytesIO(preview(path, 32))) as image:
            assert max(image.size) == 32
    with pytest.raises(DataError, match=r"gone\.png"):
        preview(tmp_path / "gone.png", 32)
