"""Asking the hub without waiting a minute for a network that is not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies


@contextmanager
def no_patience_when_offline() -> Iterator[None]:
    """Where the hub's name does not even resolve, take its client's own cache or fail at once, instead of after many retries."""
    try:
        import huggingface_hub.constants as typed_constants
    except ImportError:
        yield
        return
    constants: Any = typed_constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _resolves(str(constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _resolves(address: str) -> bool:
    """Whether the host has an address. Behind a proxy only the proxy knows."""
    if getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(address).hostname, None)
    except OSError:
        return False
    return True
