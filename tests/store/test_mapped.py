"""What is in a file travels by its place, and arrives as it was."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from frostline.store.mapped import Mapped, received, sendable

VALUES = np.random.default_rng(0).normal(size=(200, 3, 40)).astype(np.float32)


@pytest.fixture
def stored(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "values.npy", VALUES)
    return np.load(tmp_path / "values.npy", mmap_mode="r")


PARTS = {
    "all of it": lambda array: array,
    "some columns": lambda array: array[:, :, 7:19],
    "some rows": lambda array: array[50:90],
    "every other row, backwards": lambda array: array[::-2],
    "one value": lambda array: array[3, 1, 2:3],
    "as a plain array": lambda array: np.asarray(array)[:, 1],
    "transposed": lambda array: array.T,
    "nothing": lambda array: array[:0],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_mapped_file_arrives_as_it_was(stored: np.ndarray, part: str) -> None:
    sent = pickle.dumps(sendable(PARTS[part](stored)))
    assert len(sent) < 500
    found = received(pickle.loads(sent))
    assert np.array_equal(found, PARTS[part](VALUES)) and not found.flags.writeable


def test_a_mapping_that_starts_within_a_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\0" * 10_000 + VALUES.tobytes())
    array = np.memmap(tmp_path / "raw", np.float32, mode="r", offset=10_000, shape=VALUES.shape)
    assert np.array_equal(received(sendable(array[4:, 1])), VALUES[4:, 1])


def test_what_was_received_may_be_sent_on(stored: np.ndarray) -> None:
    again = sendable(received(sendable(stored[:, 2])))
    assert isinstance(again, Mapped) and np.array_equal(received(again), VALUES[:, 2])


def test_an_array_in_memory_travels_itself() -> None:
    assert sendable(VALUES) is VALUES and received(VALUES) is VALUES


def test_a_file_that_was_deleted_travels_as_its_bytes(stored: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "values.npy").unlink()
    assert np.array_equal(received(pickle.loads(pickle.dumps(sendable(stored[:, 1])))), VALUES[:, 1])
