"""Checkpoints: there completely or not at all, never of another trajectory, and never beyond their room."""

from pathlib import Path

import pytest
import torch

from frostline.store.checkpoints import Checkpoint, CheckpointStore

STATE = Checkpoint({"model.weight": torch.arange(12.0).reshape(3, 4), "model.count": torch.tensor(7)}, (0.7, 0.1 + 0.2))


def store_in(folder: Path, room: int = 10**6) -> CheckpointStore:
    return CheckpointStore(folder / "checkpoints", room, beside=(folder / "others",))


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    assert store_in(tmp_path).save("a", "t", STATE)
    found = store_in(tmp_path).load("a", "t")
    assert found is not None and found.losses == STATE.losses and found.epochs == 2
    assert found.tensors.keys() == STATE.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in STATE.tensors.items())


def test_a_state_of_another_trajectory_is_not_taken(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.save("a", "t", STATE)
    assert store.load("a", "u") is None and store.load("b", "t") is None


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_state_is_missing_and_can_be_written_again(tmp_path: Path, suffix: str, damage: str) -> None:
    store = store_in(tmp_path)
    store.save("a", "t", STATE)
    file = store.folder / f"a.{suffix}"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    if damage != "remove":
        file.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    assert store.load("a", "t") is None
    assert store.save("a", "t", STATE) and store.load("a", "t") is not None


def test_nothing_is_kept_beyond_the_room_and_what_is_removed_makes_room(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.save("a", "t", STATE)
    used = store.bytes_used()
    small = store_in(tmp_path, room=used + 10)
    assert not small.save("b", "t", STATE) and small.load("b", "t") is None
    assert small.save("a", "t", STATE)  # in its own place
    (tmp_path / "others").mkdir()
    (tmp_path / "others/entry.npy").write_bytes(bytes(used))
    assert not small.save("a", "t", STATE)  # what lies beside takes room too
    (tmp_path / "others/entry.npy").unlink()
    assert small.bytes_used() == 0 and small.save("b", "t", STATE)
    small.clear()
    assert small.load("b", "t") is None and not list(small.folder.iterdir())


def test_the_folder_may_be_deleted_or_be_no_folder_at_all(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.load("a", "t") is None and store.bytes_used() == 0
    (tmp_path / "checkpoints").write_text("somebody's file")
    assert not store.save("a", "t", STATE)
