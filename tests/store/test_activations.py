from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frostline.errors import StoreFull
from frostline.store import activations
from frostline.store.activations import ActivationStore, seal
from frostline.store.files import crc32
from tests.store.values import key

ROWS = np.arange(5 * 3 * 4, dtype=np.float16).reshape(5, 3, 4)

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from frostline.store import activations
from frostline.store.activations import ActivationStore, seal
from frostline.store.files import crc32
from tests.store.values import key
writer = ActivationStore(Path(sys.argv[1])).writer(key(), (1000, 10), "float32")
writer.array[:500] = 1
print("half", flush=True)
time.sleep(60)
"""


def fill(store: ActivationStore, cut: str = "layer3") -> None:
    with store.writer(key(cut), ROWS.shape, ROWS.dtype) as writer:
        writer.array[:3] = ROWS[:3]
        assert store.get(key(cut)) is None
        writer.array[3:] = ROWS[3:]


def entry(folder: Path, suffix: str) -> Path:
    return folder / f"{key().id}{suffix}"


def test_an_entry_filled_in_slices_comes_back(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path / "cache")
    assert key() not in store
    fill(store)
    found = ActivationStore(tmp_path / "cache").get(key())
    assert isinstance(found, np.memmap)
    assert found.dtype == ROWS.dtype
    assert np.array_equal(found, ROWS)
    assert key("layer4") not in store
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_an_error_while_filling_leaves_nothing(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path)
    with pytest.raises(RuntimeError), store.writer(key(), (4, 4), "float32"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [10, -1, -30])
def test_a_flipped_bit_makes_the_entry_missing(tmp_path: Path, where: int) -> None:
    fill(ActivationStore(tmp_path))
    content = bytearray(entry(tmp_path, ".npy").read_bytes())
    content[where] ^= 4
    entry(tmp_path, ".npy").write_bytes(content)
    assert ActivationStore(tmp_path).get(key()) is None


def test_a_bit_flipped_after_publishing_is_found_by_the_store_that_made_the_entry(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path)
    fill(store)
    with entry(tmp_path, ".npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 4]))
    assert store.get(key()) is None


def test_what_was_made_here_is_read_for_its_checksum_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> int:
        read.append(path)
        return crc32(path)

    monkeypatch.setattr(activations, "crc32", counted)
    store = ActivationStore(tmp_path)
    fill(store)
    assert store.get(key()) is not None and len(read) == 1
    assert ActivationStore(tmp_path).get(key()) is not None and len(read) == 2


def test_several_entries_sealed_together_are_whole(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path)
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(store.writer(key(f"cut{place}"), ROWS.shape, ROWS.dtype)) for place in range(5)]
        for place, writer in enumerate(writers):
            writer.array[:] = ROWS + place
        seal(writers)
    for place in range(5):
        assert np.array_equal(ActivationStore(tmp_path).get(key(f"cut{place}")), ROWS + place)  # type: ignore[arg-type]


def test_what_is_deleted_while_it_is_sealed_is_told_when_it_is_published(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path / "cache")
    with pytest.raises(StoreFull), store.writer(key(), ROWS.shape, ROWS.dtype) as writer:
        shutil.rmtree(tmp_path / "cache")
        seal([writer])
    assert store.refusals and store.get(key()) is None


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("length", [0, 20, -1])
def test_a_truncated_entry_is_missing_and_can_be_written_again(tmp_path: Path, suffix: str, length: int) -> None:
    store = ActivationStore(tmp_path)
    fill(store)
    path = entry(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:length])
    assert store.get(key()) is None
    fill(store)
    assert np.array_equal(store.get(key()), ROWS)  # type: ignore[arg-type]


def test_the_folder_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path / "cache")
    fill(store)
    found = store.get(key())
    shutil.rmtree(tmp_path / "cache")
    assert np.array_equal(found, ROWS)  # type: ignore[arg-type]
    assert store.get(key()) is None
    assert store.bytes_used() == 0
    with pytest.raises(StoreFull), store.writer(key(), ROWS.shape, ROWS.dtype):
        shutil.rmtree(tmp_path / "cache")
    fill(store)
    assert key() in store


def test_the_budget_counts_published_and_unpublished_entries(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, budget_bytes=1000)
    fill(store, "layer1")
    used = store.bytes_used()
    assert used > ROWS.nbytes
    with store.writer(key("layer2"), ROWS.shape, ROWS.dtype), pytest.raises(StoreFull, match="--cache-size"):
        store.writer(key("layer3"), (200,), "float32")
    with pytest.raises(StoreFull, match="1,000 bytes"):
        store.writer(key("layer4"), (10**6,), "float32")


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, reserve_bytes=2**62)
    with pytest.raises(StoreFull, match="free"):
        fill(store)
    assert list(tmp_path.iterdir()) == []


def test_kill_9_while_filling_leaves_no_entry_and_its_space_comes_back(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert len(list(tmp_path.iterdir())) == 1
    store = ActivationStore(tmp_path)
    assert store.get(key()) is None
    assert store.bytes_used() == 0


# Eviction ------------------------------------------------------------------------------------------------------------


def add(store: ActivationStore, cut: str, worth: float, rows: int = 100) -> None:
    with store.writer(key(cut), (rows, 256), np.float32, worth) as writer:
        writer.array[:] = 1


def test_what_saves_least_a_byte_makes_room(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, budget_bytes=350_000)  # three of a hundred kilobytes
    for cut, worth in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        add(store, cut, worth)
    add(store, "d", 2.5)
    assert [cut for cut in "abcd" if key(cut) in store] == ["a", "c", "d"] and store.evicted == 1
    with pytest.raises(StoreFull):
        add(store, "e", 1.5)  # not worth what it would cost
    assert store.bytes_used() <= 350_000


def test_nothing_is_removed_in_vain(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, budget_bytes=350_000)
    for cut, worth in (("a", 1.0), ("b", 5.0), ("c", 5.0)):
        add(store, cut, worth)
    with pytest.raises(StoreFull):
        add(store, "large", 3.0, rows=250)  # two would have to go, and one is worth more
    assert all(key(cut) in store for cut in "abc")


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    """A mapped file that is deleted keeps its place on the disk: the bound would be broken behind its back."""
    store = ActivationStore(tmp_path, budget_bytes=250_000)
    add(store, "a", 1.0)
    add(store, "b", 2.0)
    held = store.get(key("a"))
    assert held is not None
    view = held[3:5].T
    del held
    add(store, "c", 3.0)
    assert [cut for cut in "abc" if key(cut) in store] == ["a", "c"] and float(view.sum()) == 512
    del view
    gc.collect()
    add(store, "d", 2.5)
    assert [cut for cut in "abcd" if key(cut) in store] == ["c", "d"]


def test_of_equals_the_one_that_was_used_last_stays(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, budget_bytes=250_000)
    for cut in "ab":
        add(store, cut, 1.0)
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0) if file.stem == key("a").id else (9, 9))
    assert store.get(key("a")) is not None
    gc.collect()
    add(store, "c", 2.0)
    assert [cut for cut in "abc" if key(cut) in store] == ["a", "c"]


def test_without_a_worth_nothing_is_evicted(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, budget_bytes=250_000)
    for cut in "ab":
        add(store, cut, 0.0)
    with pytest.raises(StoreFull):
        add(store, "c", 0.0)
    assert store.evicted == 0
