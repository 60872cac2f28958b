"""Files damaged between two lives of a run: what can be made again is, what cannot is one clear message."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import frostline as fl
from frostline import cli
from frostline.data import Geometry, build_store, read
from frostline.errors import RunFolderError
from frostline.store import records
from frostline.store.activations import ActivationStore
from frostline.store.results import ResultStore
from frostline.store.run_folder import RunFolder
from tests.durability.lives import Finished, Search, Whole, decided, finished, temporary_files, unfinished
from tests.pictures import make_folder
from tests.store.values import SETTINGS, key, result, verdict

Damage = Callable[[Path], None]


def flip(path: Path, bit: int) -> None:
    """Turn one bit; -1 is the last."""
    content = bytearray(path.read_bytes())
    place = bit % (8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def in_the_middle(path: Path) -> None:
    flip(path, 4 * path.stat().st_size)


def at_the_start(path: Path) -> None:
    flip(path, 3)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def every(count: int, size: int) -> Iterator[int]:
    """At most `count` bits of a file of `size` bytes, evenly spread, all of the first 160 bytes among them."""
    yield from range(min(8 * size, 1280))
    yield from range(1280, 8 * size, max(1, 8 * size // count))


# --- single files, many bits ------------------------------------------------------------------------------------------


def test_whatever_bit_flips_in_a_result_it_is_left_out_or_as_it_was(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    whole = store.save(result()).read_bytes()
    path, before = tmp_path / f"{result().trial.id}.npz", store.load_all()[result().trial.id]
    for bit in every(300, len(whole)):
        path.write_bytes(whole)
        flip(path, bit)
        found = store.load_all().get(result().trial.id)
        assert bool(found) != bool(store.notes)
        if found is not None:
            assert np.array_equal(found.probabilities, before.probabilities) and found.trial == before.trial


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_whatever_bit_flips_in_stored_activations_they_are_missing_or_as_they_were(tmp_path: Path, suffix: str) -> None:
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    with ActivationStore(tmp_path).writer(key(), rows.shape, rows.dtype) as writer:
        writer.array[:] = rows
    path = tmp_path / f"{key().id}{suffix}"
    whole = path.read_bytes()
    for bit in every(300, len(whole)):
        path.write_bytes(whole)
        flip(path, bit)
        found = ActivationStore(tmp_path).get(key())
        assert found is None or np.array_equal(found, rows)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_whatever_bit_flips_in_stored_pixels_they_are_as_they_were(tmp_path: Path, suffix: str) -> None:
    dataset, geometry = read(make_folder(tmp_path / "data", {"a": 3, "b": 3})), Geometry(8, 8)
    _, store = build_store(dataset, geometry, tmp_path / "cache")
    expected, path = np.array(store.pixels), store.path.with_suffix(suffix)
    whole = path.read_bytes()
    for bit in every(100, len(whole)):
        path.write_bytes(whole)
        flip(path, bit)
        assert np.array_equal(build_store(dataset, geometry, tmp_path / "cache")[1].pixels, expected)


def test_whatever_bit_flips_in_a_verdict_it_is_refused_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    records.write_verdict(path, verdict())
    whole = path.read_bytes()
    for bit in every(2000, len(whole)):
        path.write_bytes(whole)
        flip(path, bit)
        try:
            assert records.read_verdict(path) == verdict()
        except RunFolderError as error:
            assert "same search again" in str(error)


def test_whatever_bit_flips_in_a_configuration_it_is_refused_or_as_it_was(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, SETTINGS, "0.1") as run:
        run.write_section("sizes", {"finals": {"epochs": 10, "scratch_epochs": 20}})
    path = tmp_path / "config.yaml"
    whole = path.read_bytes()
    for bit in every(4000, len(whole)):
        path.write_bytes(whole)
        flip(path, bit)
        try:
            with RunFolder.create(tmp_path, SETTINGS, "0.1") as run:
                assert run.section("sizes") == {"finals": {"epochs": 10, "scratch_epochs": 20}}
        except RunFolderError as error:
            assert str(path) in str(error) and "another folder with -o" in str(error) and "\n" not in str(error)


# --- a whole run ------------------------------------------------------------------------------------------------------


def continued(search: Search, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.run(search.arguments(out))
    return code, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncated, emptied, in_the_middle, at_the_start])
def test_a_run_whose_files_were_all_damaged_comes_to_the_same_verdict(
    damage: Damage, search: Search, reference: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels, activations and their records, some of the results, the splits, the interim verdict, evidence and facts."""
    out = unfinished(reference, tmp_path / "run")
    for name in ("splits.csv", "verdict.json", "evidence.json", "facts.json"):
        shutil.copy(reference.path / name, out / name)
    cached = [path for path in (out / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in cached} == {".npy", ".json"} and len(cached) >= 6
    results = sorted((out / "results").glob("*.npz"))[::9]
    for path in (*cached, *results, *out.glob("*.csv"), *out.glob("*.json")):
        damage(path)
    whole = kept_but(out, results)
    code, said = continued(search, out, capsys)
    assert code == 0, said
    assert decided(out) == reference.decided
    assert whole.items() <= finished(out).items()
    notes = fl.Run(out).verdict.notes
    for path in (*results, out / "verdict.json"):
        assert any(path.name in note and "damaged" in note for note in notes), path
    assert (out / "splits.csv").read_bytes() == (reference.path / "splits.csv").read_bytes()
    assert intact(out / "cache") >= intact(reference.path / "cache")
    assert temporary_files(out) == []


def kept_but(out: Path, damaged: list[Path]) -> Finished:
    """The results that are still whole, as they lie on the disk."""
    names = {path.name for path in damaged}
    aside = out.with_name("aside")
    aside.mkdir()
    for path in damaged:
        path.rename(aside / path.name)
    found = finished(out)
    for path in damaged:
        (aside / path.name).rename(path)
    assert not names & set(found)
    return found


def intact(cache: Path) -> set[str]:
    """The names of the entries whose arrays have the checksum that their record says."""
    import zlib

    found = set()
    for record in cache.rglob("*.json"):
        label, array = json.loads(record.read_text()), record.with_suffix(".npy")
        content = array.read_bytes() if "crc32" in label else np.load(array, mmap_mode="r").tobytes()
        if zlib.crc32(content) == label.get("crc32", label.get("checksum")):
            found.add(array.name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncated, emptied, in_the_middle, at_the_start])
def test_a_run_whose_configuration_was_damaged_is_one_clear_message(
    damage: Damage, search: Search, reference: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = unfinished(reference, tmp_path / "run")
    whole, before = (out / "config.yaml").read_bytes(), finished(out)
    damage(out / "config.yaml")
    code, said = continued(search, out, capsys)
    assert code == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("frostline: ") and str(out / "config.yaml") in last and "another folder with -o" in last
    assert finished(out) == before
    (out / "config.yaml").write_bytes(whole)
    code, said = continued(search, out, capsys)
    assert code == 0, said
    assert decided(out) == reference.decided


@pytest.mark.slow
@pytest.mark.parametrize("name", ["verdict.json", "evidence.json", "facts.json"])
def test_a_finished_run_makes_a_damaged_document_again(
    name: str, search: Search, reference: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its finished trials; the test set's mark stays what it was."""
    out = tmp_path / "run"
    shutil.copytree(reference.path, out)
    opened = fl.Run(out).verdict.test_opened_at
    in_the_middle(out / name)
    code, said = continued(search, out, capsys)
    assert code == 0, said
    assert decided(out) == reference.decided
    assert fl.Run(out).verdict.test_opened_at == opened
    assert finished(out).keys() == finished(reference.path).keys()
