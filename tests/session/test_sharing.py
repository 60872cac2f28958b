"""How long a search waits for a store that is away."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from frostline.planning.forecast import CLOSING_S
from frostline.session import Silent
from frostline.session.clock import Clock, StopRequested
from frostline.session.sharing import shared_store
from frostline.store.shared import SharedStore
from tests.store.values import key


class Away:
    """A file system that never answers."""

    protocol = "away"

    def __getattr__(self, name: str) -> object:
        raise ConnectionError("no route to host")


def away(folder: Path, clock: Clock) -> SharedStore:
    found = shared_store(str(folder), Silent(), clock)
    assert found is not None
    found._fs = Away()
    return found


def test_a_wish_to_stop_ends_the_wait(tmp_path: Path) -> None:
    clock = Clock()
    store = away(tmp_path, clock)
    threading.Timer(0.3, lambda: setattr(clock, "stopping", True)).start()
    begun = time.monotonic()
    with pytest.raises(StopRequested):
        store.size(key())
    assert time.monotonic() - begun < 30 and not store.lost


def test_time_for_the_end_is_not_waited_away(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    store = away(tmp_path, clock)
    clock.started -= 1000 - CLOSING_S - 1  # a second is left
    begun = time.monotonic()
    assert store.size(key()) == 0 and store.lost
    assert time.monotonic() - begun < 20
