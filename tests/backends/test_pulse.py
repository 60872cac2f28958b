"""Whether a cluster is there is asked of real ports; time is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from frostline.backends.pulse import AWAY_S, Place, Pulse


def listening(port: int = 0) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen()
    return made


@pytest.fixture
def own() -> Iterator[socket.socket]:
    with listening() as made:
        yield made


@pytest.fixture
def head() -> Iterator[socket.socket]:
    with listening() as made:
        yield made


def place(server: socket.socket) -> Place:
    host, port = server.getsockname()
    return host, port


class Clock:
    seconds = 0.0

    def now(self) -> float:
        return self.seconds


def test_nobody_is_missing_while_both_answer(own: socket.socket, head: socket.socket) -> None:
    clock = Clock()
    pulse = Pulse(place(own), place(head), clock.now)
    for clock.seconds in (0.0, 2.0, 1000.0):
        assert pulse.missing() == ""


def test_the_own_place_is_missing_as_soon_as_it_refuses(own: socket.socket, head: socket.socket) -> None:
    pulse, words = Pulse(place(own), place(head)), f"127.0.0.1:{place(own)[1]}"
    assert pulse.missing() == ""
    own.close()
    assert words in pulse.missing()


def test_the_head_may_come_back(head: socket.socket) -> None:
    clock, there = Clock(), place(head)
    pulse = Pulse(None, there, clock.now)
    head.close()
    for clock.seconds in (2.0, AWAY_S - 1):
        assert pulse.missing() == ""
    with listening(there[1]):
        clock.seconds = AWAY_S + 10
        assert pulse.missing() == ""
    for clock.seconds in (AWAY_S + 12, 2 * AWAY_S + 9):
        assert pulse.missing() == ""
    clock.seconds = 2 * AWAY_S + 13
    assert f"its head at 127.0.0.1:{there[1]} has not answered for 31 s" in pulse.missing()


def test_a_search_that_was_busy_with_itself_looks_again_before_it_gives_up(head: socket.socket) -> None:
    """Long after the last look a head that is away for the first time is not gone yet."""
    clock = Clock()
    pulse = Pulse(None, place(head), clock.now)
    head.close()
    clock.seconds = 1000.0
    assert pulse.missing() == ""
