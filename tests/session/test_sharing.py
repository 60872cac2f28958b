"""How long a search waits for a store that is away."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from frostline.planning.forecast import CLOSING_S
from frostline.session import Request, Silent
from frostline.session.clock import Clock, StopRequested
from frostline.session.prepare import prepare
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


def test_a_password_is_not_written_down(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    store, lines = "memory://me:secret@host/x", ("all: freeze | head: linear",)
    request = Request(textures, tmp_path / "run", (backbone_name,), lines, size=32, limit=80, store=store)
    prepare(request, Silent(), Clock(), "test").folder.close()
    files = [file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert any(b"memory://host/x" in inside for inside in files) and not any(b"secret" in inside for inside in files)
