"""The store of activations that several runs share, opened."""

from __future__ import annotations

import math
import time
from functools import partial

from frostline.planning.forecast import CLOSING_S
from frostline.session.clock import Clock
from frostline.session.ledger import Listener
from frostline.store.shared import PATIENCE_S, SharedStore
from frostline.terms.progress import Shared

POLL_S = 0.1
WAITING_SHARE = 0.05  # of a time limit: what a store that is away may cost


def shared_store(url: str | None, listener: Listener, clock: Clock) -> SharedStore | None:
    """What is asked before anything is computed; None where no store was named.

    A store that is away is waited for until the user stops the search, and no longer than leaves time for its end.

    Raises:
        OptionError: it is no place that can be written to.
    """
    if url is None:
        return None
    patience = PATIENCE_S if clock.limit_s is None else min(PATIENCE_S, WAITING_SHARE * clock.limit_s)
    found = SharedStore(
        url,
        patience,
        told=lambda sentence: listener.update(Shared(sentence)),
        sleep=partial(_sleep, clock),
        most=lambda: math.inf if (left := clock.left(CLOSING_S)) is None else left,
    )
    found.check()
    return found


def _sleep(clock: Clock, seconds: float) -> None:
    """Wait so long, and no longer than until the user asks to stop: a signal alone wakes nobody."""
    watch, until = clock.watch(), clock.now() + seconds
    while (left := until - clock.now()) > 0:
        watch()
        time.sleep(min(POLL_S, left))
    watch()
