"""A disk that is really full: one clear error, nothing finished is lost, and the same command continues."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import frostline as fl
from frostline import cli
from frostline.compute import features
from frostline.data import Geometry, build_store, read
from frostline.errors import DataError, DiskFull, StoreFull
from frostline.store.activations import RESERVE_BYTES, ActivationStore
from frostline.store.files import write_text
from frostline.store.results import ResultStore
from tests.durability.disks import PAGE, fill, small_disk
from tests.durability.lives import Search, Whole, begun, decided, kept, nothing_is_lost, temporary_files, unfinished
from tests.pictures import make_folder
from tests.store.values import key, result

MEGABYTES = 40
REFUSED = 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", MEGABYTES) as found:
        yield found


# --- single files -----------------------------------------------------------------------------------------------------


def test_a_result_that_finds_no_room_is_one_clear_error_and_leaves_the_others(disk: Path) -> None:
    store = ResultStore(disk / "results")
    store.save(result(1))
    before = kept(disk)
    filler = fill(disk)
    with pytest.raises(DiskFull, match=r"results has no room: .*; 0 bytes are free.*free some space, then the same command"):
        store.save(result(2))
    assert kept(disk) == before
    assert temporary_files(disk) == []
    filler.unlink()
    store.save(result(2))
    assert len(store.load_all()) == 2


def test_a_large_result_that_half_fits_is_the_same_error(disk: Path) -> None:
    """Its archive is written in many pieces: one of them fails in the middle."""
    fill(disk, 10 * PAGE)
    one = result()
    large = type(one)(one.trial, one.outcome, np.arange(200_000), np.zeros((2, 200_000, 2)))
    with pytest.raises(DiskFull):
        ResultStore(disk / "results").save(large)
    assert temporary_files(disk) == []


def test_a_file_that_finds_no_room_keeps_what_it_was(disk: Path) -> None:
    write_text(disk / "verdict.json", "before")
    fill(disk)
    with pytest.raises(DiskFull):
        write_text(disk / "verdict.json", "after" * 10_000)
    assert (disk / "verdict.json").read_text() == "before"


def test_activations_without_room_are_refused_when_they_are_begun(disk: Path) -> None:
    store = ActivationStore(disk / "cache", reserve_bytes=0)
    with pytest.raises(StoreFull, match="do not fit"):
        store.writer(key(), (MEGABYTES + 1, 2**20), np.uint8)
    with pytest.raises(StoreFull, match="No space left"):  # only with its header it is too large
        store.writer(key(), (MEGABYTES, 2**20), np.uint8)
    fill(disk)
    with pytest.raises(StoreFull):
        store.writer(key(), (1, 10), np.uint8)
    assert len(store.refusals) == 3


def test_a_disk_without_room_for_one_more_file_refuses_activations(tmp_path: Path) -> None:
    """Bytes are free and yet there is no room: nothing but the attempt tells."""
    with small_disk(tmp_path / "disk", MEGABYTES, files=3) as disk:
        store = ActivationStore(disk / "cache", reserve_bytes=0)
        (disk / "one").touch()
        with pytest.raises(StoreFull, match="No space left"):
            store.writer(key(), (100, 10), np.float32)
        assert store.refusals


def test_activations_that_fit_without_their_label_are_refused_and_leave_nothing(disk: Path) -> None:
    store = ActivationStore(disk / "cache", reserve_bytes=0)
    with pytest.raises(StoreFull), store.writer(key(), (100, 10), np.float32) as writer:
        writer.array[:] = 1
        fill(disk)
    assert key() not in store
    assert temporary_files(disk) == []


@pytest.mark.parametrize("reserve", [RESERVE_BYTES, 0])
def test_a_work_array_larger_than_the_disk_is_held_in_memory(disk: Path, monkeypatch: pytest.MonkeyPatch, reserve: int) -> None:
    """Filling a hole in a file of a full disk would kill the process."""
    monkeypatch.setattr(features, "RESERVE_BYTES", reserve)
    monkeypatch.setattr(features, "MAPPED_ABOVE", 0)
    small, large = (features.work_array((rows, 64), disk) for rows in (100, 200_000))
    large[:] = 1
    assert isinstance(small, np.memmap) == (reserve == 0) and not isinstance(large, np.memmap)
    filler = fill(disk, 2 * PAGE)
    features.work_array((2 * PAGE // 256 + 1, 64), disk)[:] = 1
    assert list(disk.iterdir()) == [filler]


@pytest.mark.parametrize("leave", [0, PAGE, 5 * PAGE])
def test_pixels_without_room_are_one_clear_error_and_leave_nothing(disk: Path, tmp_path: Path, leave: int) -> None:
    dataset, geometry = read(make_folder(tmp_path / "data", {"a": 6, "b": 6})), Geometry(48, 48)
    filler = fill(disk, leave)
    with pytest.raises((DataError, DiskFull), match=rf"{disk}.* bytes (are )?free"):
        build_store(dataset, geometry, disk / "cache")
    assert [path for path in disk.rglob("*") if path.is_file()] == [filler]
    filler.unlink()
    assert build_store(dataset, geometry, disk / "cache")[1].count == 12


def test_pixels_that_fit_without_their_record_are_one_clear_error(disk: Path, tmp_path: Path) -> None:
    dataset, geometry = read(make_folder(tmp_path / "data", {"a": 6, "b": 6})), Geometry(48, 48)
    _, store = build_store(dataset, geometry, disk / "cache")
    size = store.path.stat().st_size
    shutil.rmtree(disk / "cache")
    filler = fill(disk, -(-size // PAGE) * PAGE)
    with pytest.raises(DiskFull):
        build_store(dataset, geometry, disk / "cache")
    assert [path for path in disk.rglob("*") if path.is_file()] == [filler]


# --- whole searches ---------------------------------------------------------------------------------------------------


def frostline(search: Search, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code, and what it said to people."""
    capsys.readouterr()
    code = cli.run(search.arguments(out))
    return code, capsys.readouterr().err


def refused(code: int, said: str, out: Path) -> None:
    """One sentence that names the folder, the free bytes and what to do; no traceback and no log of one."""
    assert code == REFUSED, said
    assert "Traceback" not in said and "traceback" not in said
    last = said.strip().splitlines()[-1]
    assert re.match(rf"frostline: .*{out}.* ([\d,]+ bytes (are )?free).*[Ff]ree some space", last), last


def scores(document: dict[str, Any]) -> dict[str, float]:
    return {row["recipe"]: row["mean"] for row in document["rows"]}


@pytest.mark.slow
def test_a_search_without_room_for_activations_goes_on_and_says_so(
    search: Search, reference: Whole, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Activations that are computed in other batches differ in their last digits, and so do networks trained on them."""
    out = begun(reference, disk / "run")
    code, said = frostline(search, out, capsys)
    assert code == 0, said
    assert decided(out)["chosen"]["recipe"] == reference.decided["chosen"]["recipe"]
    assert scores(decided(out)) == pytest.approx(scores(reference.decided), abs=0.05)
    assert "activation cache had no room" in said
    assert any("activation cache had no room" in note for note in fl.Run(out).verdict.notes)
    assert not list((out / "cache" / "activations").glob("*.npy"))


@pytest.mark.slow
def test_a_disk_too_small_for_the_pixels_refuses_the_search_and_leaves_the_folder_free(
    search: Search, reference: Whole, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = disk / "run"
    filler = fill(disk, 100 * PAGE)
    refused(*frostline(search, out, capsys), out)
    assert not out.exists()
    filler.unlink()
    code, said = frostline(search, begun(reference, out), capsys)
    assert code == 0, said
    assert decided(out) == reference.decided


@pytest.mark.slow
def test_a_disk_that_fills_up_between_results_keeps_all_of_them(
    search: Search, reference: Whole, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = unfinished(reference, disk / "run", without=lambda name: name < "a")
    before = kept(out)
    (out / "splits.csv").write_bytes((reference.path / "splits.csv").read_bytes())
    filler = fill(disk, 20 * PAGE)
    refused(*frostline(search, out, capsys), out)
    full = kept(out)
    nothing_is_lost(before, full)
    filler.unlink()
    code, said = frostline(search, out, capsys)
    assert code == 0, said
    nothing_is_lost(full, kept(out))
    assert decided(out) == reference.decided


@pytest.mark.slow
def test_a_disk_that_fills_up_anywhere_while_closing_loses_nothing(
    search: Search, reference: Whole, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A little more room each time: tables, predictions, verdict, model, evidence, page and card fail one after the other."""
    out, attempts, leave = unfinished(reference, disk / "run"), 0, 0
    before, free = kept(out), shutil.disk_usage(disk).free
    while True:
        filler = fill(disk, leave)
        code, said = frostline(search, out, capsys)
        nothing_is_lost(before, kept(out))
        if code == 0:
            break
        refused(code, said, out)
        filler.unlink()
        attempts, leave = attempts + 1, 4 * PAGE + int(1.7 * leave / PAGE) * PAGE
        assert leave < free
    assert attempts > 3
    assert decided(out) == reference.decided
    assert temporary_files(out) == []
    assert fl.load(out).classes == fl.load(reference.path).classes
