"""The store of activations that several runs share, opened."""

from __future__ import annotations

from frostline.session.ledger import Listener
from frostline.store.shared import SharedStore
from frostline.terms.progress import Shared


def shared_store(url: str | None, listener: Listener) -> SharedStore | None:
    """
    Raises:
        OptionError: it is no place that can be written to.
    """
    if url is None:
        return None
    found = SharedStore(url, told=lambda sentence: listener.update(Shared(sentence)))
    found.check()
    return found
