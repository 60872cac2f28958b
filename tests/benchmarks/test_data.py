"""Peers get exactly the images that a search trains on and seals."""

from pathlib import Path

import pytest

from benchmarks.data import from_run, from_seed, groups, write_tables
from benchmarks.peers.common import read_rows
from frostline.data import plan_splits, read
from frostline.store.records import write_splits
from frostline.store.run_folder import RunFolder
from frostline.terms.settings import Settings
from tests.pictures import make_folder


def run_folder(data: Path, out: Path, seed: int) -> Path:
    """A run as a search leaves it before its first trial."""
    dataset = read(data)
    settings = Settings(str(data), dataset.fingerprint, ("timm/test_resnet",), 64, "auroc", seed)
    with RunFolder.create(out, settings, "0") as run:
        write_splits(run.splits_path, dataset, plan_splits(dataset, seed))
    return out


@pytest.mark.parametrize("names", [("cat", "dog"), ("=cat", "-dog")])
def test_the_sealed_set_of_a_run_is_that_of_its_seed(tmp_path: Path, names: tuple[str, str]) -> None:
    data = make_folder(tmp_path / "data", dict.fromkeys(names, 130))
    rows = from_seed(data, seed=3)
    assert from_run(run_folder(data, tmp_path / "run", seed=3)) == rows
    assert (len(rows.train), len(rows.test), rows.test_is) == (208, 52, "sealed")
    assert not {path for path, _ in rows.train} & {path for path, _ in rows.test}
    assert all(Path(path).parent.name == label and Path(path).is_file() for path, label in rows.train + rows.test)


def test_where_nothing_is_sealed_the_first_split_is_used_and_said(images: Path, tmp_path: Path) -> None:
    rows = from_seed(images)
    assert from_run(run_folder(images, tmp_path / "run", seed=0)) == rows
    assert (len(rows.train), len(rows.test), rows.test_is) == (65, 16, "val")


def test_images_from_elsewhere_are_the_sealed_ones(images: Path, tmp_path: Path) -> None:
    dataset = read(images / "train", test=images / "val")
    settings = Settings(str(images / "train"), dataset.fingerprint, ("timm/test_resnet",), 64, "auroc", 0)
    with RunFolder.create(tmp_path / "run", settings, "0") as run:
        write_splits(run.splits_path, dataset, plan_splits(dataset, 0))
    rows = from_run(tmp_path / "run")
    assert (len(rows.train), len(rows.test), rows.test_is) == (65, 16, "sealed")
    assert {Path(path).resolve() for path, _ in rows.test} == set((images / "val").rglob("*.png"))


def test_patients_are_those_of_the_table(tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", {"cat": 20, "dog": 20})
    files = sorted(data.rglob("*.png"))
    lines = [f"{file.relative_to(data)},{file.parent.name},{number // 2}" for number, file in enumerate(files)]
    (data / "index.csv").write_text("\n".join(["path,label,patient", *lines]) + "\n", encoding="utf-8")
    found = groups(run_folder(data, tmp_path / "run", seed=0))
    assert {file: found[str(file)] for file in files}.keys() == set(files)
    assert all(found[str(one)] == found[str(other)] for one, other in zip(files[::2], files[1::2], strict=True))
    assert len(set(found.values())) == 20


def test_a_limit_takes_the_images_that_a_search_with_that_limit_takes(tmp_path: Path) -> None:
    data = make_folder(tmp_path, {"cat": 12, "dog": 12})
    rows = from_seed(data, seed=1, limit=12)
    limited = read(data, limit=12, seed=1)
    assert sorted(rows.train + rows.test) == [(str(data / one.path), limited.classes[one.label]) for one in limited.samples]


def test_tables_are_read_back_as_they_were_written(images: Path, tmp_path: Path) -> None:
    rows = from_seed(images)
    train, test = write_tables(rows, tmp_path / "tables")
    assert (read_rows(train), read_rows(test)) == (rows.train, rows.test)
