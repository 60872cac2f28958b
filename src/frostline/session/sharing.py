"""The store of activations that several runs share, opened."""

from __future__ import annotations

from frostline.session.ledger import Listener
from frostline.store.shared import PATIENCE_S, SharedStore
from frostline.terms.progress import Shared

WAITING_SHARE = 0.05  # of a time limit: what a store that is away may cost


def shared_store(url: str | None, listener: Listener, time_s: float | None) -> SharedStore | None:
    """What is asked before anything is computed; None where no store was named.

    Args:
        time_s: the limit of the search.

    Raises:
        OptionError: it is no place that can be written to.
    """
    if url is None:
        return None
    patience = PATIENCE_S if time_s is None else min(PATIENCE_S, WAITING_SHARE * time_s)
    found = SharedStore(url, patience, told=lambda sentence: listener.update(Shared(sentence)))
    found.check()
    return found
