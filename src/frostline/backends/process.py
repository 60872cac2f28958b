"""Several processes beside this one, each working on one item at a time."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from frostline.backends.backend import Lost, Watch

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

TRIES = 3  # processes that an item may cost
POLL_S = 0.1
_SERVE = "import sys; sys.path[:] = sys.argv[2:]; from frostline.backends.worker import serve; serve(int(sys.argv[1]))"


@dataclass(eq=False)
class Given(Generic[I]):
    """An item, and how many workers died over it."""

    item: I
    deaths: int = 0


class Process:
    """A process for each of `environments`, started when it is first needed and kept until `close`.

    A process that dies takes nothing but its own item with it: that is given to a new one, and after three deaths it is lost.
    The processes end when this one does, however it ends.

    Arguments:
        environments: variables that each worker has besides this process's own.
        prepare: a module-level function that a new worker calls before anything else, to have its imports behind it.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]], prepare: Callable[[], None] | None = None) -> None:
        self.environments = tuple(environments)
        self.prepare = prepare
        self._workers: list[Worker] = []

    @property
    def workers(self) -> int:
        return len(self.environments)

    def start(self) -> None:
        """Start every worker, without waiting for any."""
        while self._start_one() is not None:
            pass

    def run(
        self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], watch: Watch
    ) -> Generator[tuple[I, R | Lost], None, None]:
        """See `Backend.run`; the call's own `watch` does nothing: what ends a run early ends its workers."""
        again: deque[Given[I]] = deque()
        try:
            while True:
                watch()
                self._hand_out(call, ask, again)
                busy = [worker for worker in self._workers if worker.given is not None]
                if not busy:
                    return
                for worker in ready(busy):
                    given, answer = self._taken(worker)
                    if answer is None and given.deaths < TRIES:
                        again.append(given)
                    else:
                        yield given.item, answer[0] if answer is not None else Lost(_reason(worker))
        finally:
            for worker in [one for one in self._workers if one.given is not None]:
                self._end(worker)

    def close(self) -> None:
        for worker in list(self._workers):
            self._end(worker)

    def _hand_out(self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], again: deque[Given[I]]) -> None:
        """An item for everybody who has none; those whose worker died come first."""
        while self._free():
            item = None if again else ask()
            if not again and item is None:
                return
            given = again.popleft() if again else Given(item)
            self._idle().give(call, given)

    def _free(self) -> bool:
        return sum(worker.given is not None for worker in self._workers) < self.workers

    def _idle(self) -> Worker:
        """A living worker that has nothing to do; `_free` says that there is one, or room for one."""
        for worker in [one for one in self._workers if one.given is None]:
            if worker.alive:
                return worker
            self._end(worker)
        started = self._start_one()
        assert started is not None
        return started

    def _start_one(self) -> Worker | None:
        """A new worker in the first place that is free; None where there is none."""
        taken = {worker.place for worker in self._workers}
        place = next((one for one in range(self.workers) if one not in taken), None)
        if place is None:
            return None
        worker = Worker(place, self.environments[place])
        if self.prepare is not None:
            worker.send(self.prepare, None)
        self._workers.append(worker)
        return worker

    def _taken(self, worker: Worker) -> tuple[Given[Any], tuple[Any] | None]:
        """What the worker was given and the result in a tuple, or None when it died over it."""
        given = worker.given
        assert given is not None
        try:
            finished, answer = worker.answer()
        except (EOFError, OSError):
            given.deaths += 1
            self._end(worker)
            return given, None
        if not finished:
            raise answer
        return given, (answer,)

    def _end(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)


class Worker:
    """A process that answers one question at a time.

    Not one of `multiprocessing`'s: those run the caller's own script once more, and fail where it has no `__main__` guard.
    """

    def __init__(self, place: int, environment: Mapping[str, str]) -> None:
        self.place = place
        self.given: Given[Any] | None = None
        self._call: object = None
        self.connection, theirs = Pipe()
        command = [sys.executable, "-c", _SERVE, str(theirs.fileno()), *map(str, sys.path)]
        with theirs, _without_interrupts():
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def give(self, call: object, given: Given[Any]) -> None:
        """The call travels with the first item of a run alone: it may be much larger than its items."""
        self.given = given
        self.send(None if call is self._call else call, given.item)
        self._call = call

    def send(self, call: object, item: object) -> None:
        message = pickle.dumps((call, item))
        with contextlib.suppress(OSError):  # it is dead: found when its answer is looked for
            self.connection.send_bytes(message)

    def answer(self) -> tuple[bool, Any]:
        message = self.connection.recv_bytes()
        self.given = None
        finished, answer = pickle.loads(message)
        return finished, answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self) -> int:
        """How it ended: the negative number of a signal, or the exit code."""
        return self._process.wait()

    @property
    def end_words(self) -> str:
        return signal.Signals(-self.code).name if self.code < 0 else f"exit code {self.code}"


def ready(workers: Sequence[Worker]) -> list[Worker]:
    """Those of `workers` that have answered or died, after a short while."""
    there = wait([worker.connection for worker in workers], POLL_S)
    return [worker for worker in workers if worker.connection in there]


def _reason(worker: Worker) -> str:
    how = worker.end_words
    return f"{TRIES} processes died over it, the last one by {how}; the system may be short of memory, try fewer --workers."


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started in here never sees a Ctrl-C, which a terminal sends to all; ours waits until the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
