"""The other side of `process.py`: a process that answers one question at a time, for as long as somebody listens."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

Answer = tuple[bool, Any]  # (True, the result), or (False, the exception)


def serve(descriptor: int) -> None:
    """Answer what comes through the socket `descriptor`, until its other end is closed: then this process ends at once.

    Messages are pickled (call, item) pairs; a call of None means the one before, and an item of None that the call is made
    without any and not answered: so a worker is made ready.
    """
    connection: Connection[bytes, bytes] = Connection(descriptor)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    call: Callable[..., Any] | None = None
    while True:
        answer, call = _answered(inbox.get(), call)
        if answer is not None:
            connection.send_bytes(answer)


def _listen(connection: Connection[bytes, bytes], inbox: SimpleQueue[bytes]) -> None:
    """A thread of its own notices the end of the process that asks also while a question is being worked on."""
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)


def _answered(message: bytes, before: Callable[..., Any] | None) -> tuple[bytes | None, Callable[..., Any] | None]:
    """The pickled answer, and the call that the next message may mean."""
    call = before
    try:
        sent, item = pickle.loads(message)
        call = before if sent is None else sent
        assert call is not None
        if item is None:
            call()
            return None, None
        return pickle.dumps((True, call(item, nothing))), call
    except Exception as error:
        return raised(error), call


def nothing() -> None:
    """The `watch` of a call in a worker: whoever wants it to end ends the process."""


def raised(error: Exception) -> bytes:
    """As it is where it survives being sent, else its words; with the traceback as a note either way."""
    note = f"In a worker process:\n{''.join(traceback.format_exception(error))}"
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an exception may refuse to be pickled or, with arguments of its own, to be made again
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return pickle.dumps((False, error))
