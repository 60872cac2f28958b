"""Whether the places that a cluster cannot do without still answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Place = tuple[str, int]  # host, port

AWAY_S = 30.0  # that the head may be away: Ray itself ends this process after sixty seconds
EVERY_S = 1.0  # between two looks at the head
ANSWER_S = 1.0  # that it may take to answer


@dataclass(eq=False)
class Pulse:
    """Looks at both places as often as it is asked, at the head once a second.

    Attributes:
        own: of the cluster, in this machine: once it refuses it is gone, and a word to it ends this process; None for none.
        head: what the cluster is known by; it may come back.
        now: seconds, on some clock.
    """

    own: Place | None
    head: Place
    now: Callable[[], float] = time.monotonic
    _looked: float = field(init=False)
    _away_since: float | None = None  # the first look that it did not answer: nobody looks while the search is busy with itself

    def __post_init__(self) -> None:
        self._looked = self.now()

    def missing(self) -> str:
        """A sentence's part that says who is gone; empty while everybody is there."""
        if self.own is not None and _refused(self.own):
            return f"nobody answers any more at {_words(self.own)}, its place in this machine"
        if self.now() - self._looked >= EVERY_S:
            answers = _answers(self.head)
            self._looked = self.now()
            self._away_since = None if answers else self._looked if self._away_since is None else self._away_since
        away = 0.0 if self._away_since is None else self._looked - self._away_since
        return f"its head at {_words(self.head)} has not answered for {away:.0f} s" if away > AWAY_S else ""


def _refused(place: Place) -> bool:
    """Certain: whatever listened there has ended. Somebody who is slow has not."""
    try:
        socket.create_connection(place, ANSWER_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _answers(place: Place) -> bool:
    try:
        socket.create_connection(place, ANSWER_S).close()
    except OSError:
        return False
    return True


def _words(place: Place) -> str:
    return f"{place[0]}:{place[1]}"
