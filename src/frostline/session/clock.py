"""The time a search has, and the user's wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


class TimeUp(Exception):
    """A trial ran past the moment at which the search must close."""


class StopRequested(Exception):
    """The user asked to stop; what is finished is kept."""


@dataclass
class Clock:
    """Monotonic seconds since the start, against an optional limit.

    Attributes:
        limit_s: for search, refit, test and report together; None for none.
        kept_s: seconds at the end that nothing may use until they are given free, beyond every reserve.
        stopping: becomes true when the user asks to stop.
        spent: seconds of each part so far.
    """

    limit_s: float | None = None
    now: Callable[[], float] = time.monotonic
    kept_s: float = 0.0
    stopping: bool = False
    started: float = field(init=False)
    spent: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.now()

    def spend(self, name: str, seconds: float) -> None:
        """Note that a part took so long; of parts with one name the sum counts."""
        self.spent[name] = self.spent.get(name, 0.0) + seconds

    def elapsed(self) -> float:
        return self.now() - self.started

    def left(self, reserve_s: float = 0.0) -> float | None:
        """Seconds that may still be spent when `reserve_s` are kept for later; None without a limit."""
        return None if self.limit_s is None else self.limit_s - self.elapsed() - self.kept_s - reserve_s

    def allows(self, seconds: float, reserve_s: float = 0.0) -> bool:
        """Work of so many seconds fits before the limit."""
        left = self.left(reserve_s)
        return left is None or seconds <= left

    def deadline(self, reserve_s: float | None = None) -> float | None:
        """When less than `reserve_s` is left, as `now` tells the time; None where that never is."""
        return None if reserve_s is None or self.limit_s is None else self.started + self.limit_s - self.kept_s - reserve_s

    def watch(self, reserve_s: float | None = None) -> Callable[[], None]:
        """A function to call often: raises when the user asked to stop, or when less than `reserve_s` is left."""
        deadline = self.deadline(reserve_s)

        def check() -> None:
            if self.stopping:
                raise StopRequested
            if deadline is not None and self.now() > deadline:
                raise TimeUp

        return check


@dataclass(frozen=True)
class Moment:
    """A second of this machine's monotonic clock, as it can be told to another machine.

    Processes of one machine share that clock; between machines the time of day is what they have in common.

    Attributes:
        of_day: the same moment in seconds since 1970. boot: names the machine, and its start; empty where that is not known.
    """

    monotonic: float
    of_day: float
    boot: str

    @classmethod
    def at(cls, second: float) -> Moment:
        return cls(second, time.time() + second - time.monotonic(), _boot())

    def here(self) -> float:
        """The second of this process's monotonic clock."""
        return self.monotonic if self.boot and self.boot == _boot() else time.monotonic() + self.of_day - time.time()


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""
