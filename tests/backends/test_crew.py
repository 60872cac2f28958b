"""Processes that carry out one item together: all of them answer, or none is left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline.backends import Crew
from frostline.errors import CrewLost
from tests.backends import calls


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew([{"WORKER": "first"}, {"WORKER": "second"}])
    yield made
    made.close()


def nothing() -> None:
    """Nobody watches."""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_answers_come_in_order_and_the_processes_stay(crew: Crew) -> None:
    first, again = (crew.run(calls.who, [1, 2], nothing) for _ in range(2))
    assert [name for _, name in first] == ["first", "second"]
    assert first == again and len({pid for pid, _ in first}) == 2


def test_one_that_dies_ends_all(crew: Crew) -> None:
    pids = [pid for pid, _ in crew.run(calls.who, [1, 2], nothing)]
    with pytest.raises(CrewLost, match=r"process 2 of the 2 .* died by SIGKILL"):
        crew.run(calls.DieAt(7), [3, 7], nothing)
    assert all(map(gone, pids))
    assert crew.run(calls.square, [3, 4], nothing) == [9, 16]  # by new ones


def test_what_one_raises_is_raised_here_and_ends_all(crew: Crew) -> None:
    pids = [pid for pid, _ in crew.run(calls.who, [1, 2], nothing)]
    with pytest.raises(OverflowError, match="five is too much"):
        crew.run(calls.five_is_too_much, [5, 6], nothing)
    assert all(map(gone, pids))


def test_what_the_watch_raises_ends_all_at_once(crew: Crew, tmp_path: Path) -> None:
    def watch() -> None:
        if len(list(tmp_path.iterdir())) == 2:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        crew.run(calls.for_ever, [tmp_path, tmp_path], watch)
    assert all(gone(int(file.name)) for file in tmp_path.iterdir()) and time.monotonic() - begun < 60
