"""ask -> plan -> run -> tell -> decide.

Names are loaded when they are first used: a plan for very many images needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frostline.session.close import Finished, Handover
    from frostline.session.ledger import Listener, Silent
    from frostline.session.planned import plan
    from frostline.session.prepare import AlreadyFinished
    from frostline.session.request import Request
    from frostline.session.searching import Interrupted, search, stoppable
    from frostline.session.work import Work

_HOMES = {
    "AlreadyFinished": "prepare",
    "Finished": "close",
    "Handover": "close",
    "Interrupted": "searching",
    "Listener": "ledger",
    "Request": "request",
    "Silent": "ledger",
    "Work": "work",
    "plan": "planned",
    "search": "searching",
    "stoppable": "searching",
}

__all__ = [
    "AlreadyFinished",
    "Finished",
    "Handover",
    "Interrupted",
    "Listener",
    "Request",
    "Silent",
    "Work",
    "plan",
    "search",
    "stoppable",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
