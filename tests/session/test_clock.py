"""Time that is left, and when to stop."""

import time
from dataclasses import replace

import pytest

from frostline.session.clock import Clock, Moment, StopRequested, TimeUp


class Hands:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_what_is_left_counts_from_the_start_and_keeps_the_reserve() -> None:
    hands = Hands()
    clock = Clock(60.0, hands)
    hands.at += 20
    assert clock.left() == 40 and clock.left(15) == 25
    assert clock.allows(25, 15) and not clock.allows(26, 15)


def test_what_is_kept_back_is_nobodys_until_it_is_given_free() -> None:
    hands = Hands()
    clock = Clock(60.0, hands)
    clock.kept_s = 20.0
    assert clock.left(15) == 25 and not clock.allows(26, 15)
    assert clock.deadline(15) == hands.at + 25
    clock.kept_s = 0.0
    assert clock.left(15) == 45


def test_without_a_limit_everything_is_allowed() -> None:
    clock = Clock(None)
    assert clock.left() is None and clock.allows(1e9)
    clock.watch(5)()


def test_a_watch_ends_work_that_eats_into_the_reserve() -> None:
    hands = Hands()
    clock = Clock(60.0, hands)
    check = clock.watch(30)
    check()
    hands.at += 31
    with pytest.raises(TimeUp):
        check()


def test_a_watch_ends_work_when_the_user_asks_to_stop() -> None:
    clock = Clock(None)
    clock.stopping = True
    with pytest.raises(StopRequested):
        clock.watch()()


def test_a_moment_is_the_same_second_here_and_the_same_time_of_day_elsewhere() -> None:
    second = time.monotonic() + 30
    moment = Moment.at(second)
    assert moment.here() == second
    elsewhere = replace(moment, monotonic=second - 1e6, boot="another")
    assert elsewhere.here() == pytest.approx(second, abs=0.1)
