"""Heads of different folds are fitted side by side, on every thread that the search has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import frostline as fl
from frostline.backends import Threads
from frostline.session import frozen

HEADS = ("all: freeze | head: linear", "all: freeze | head: mlp(16)")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_as_many_folds_at_once_as_there_are_threads(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def threads(workers: int) -> Threads:
        seen.append((workers, torch.get_num_threads()))
        return Threads(workers)

    monkeypatch.setattr(frozen, "Threads", threads)
    monkeypatch.setattr("frostline.compute.kernels._probe_threads", lambda *_: 2)  # which may find that one is enough here
    fl.search(textures, backbone_name, recipe=HEADS, out=tmp_path / "run", size=64)
    assert seen and all(pair == (2, 1) for pair in seen), seen


def test_the_first_split_of_a_line_comes_before_the_last_of_the_one_before_it() -> None:
    given = list(frozen._one_ahead(["a", "b", "c"], [1, 2, 3]))
    assert given == [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("c", 1), ("b", 2), ("b", 3), ("c", 2), ("c", 3)]
    assert list(frozen._one_ahead(["a", "b"], [1])) == [("a", 1), ("b", 1)]
    assert list(frozen._one_ahead(["a"], [1, 2])) == [("a", 1), ("a", 2)]
