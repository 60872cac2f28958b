"""Several processes that carry out one item together: each has a part of it, and without one of them there is no result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from frostline.backends.backend import Watch
from frostline.backends.process import Given, Worker, ready
from frostline.errors import CrewLost

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

GRACE_S = 1.0  # in which whoever complains of a process that died may be overtaken by the news of its death


class Crew:
    """A process for each of `environments`, started by the first `run` and kept for the next one if all goes well.

    They end when this process does, however it ends.

    Arguments:
        environments: variables that each has besides this process's own.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self.environments = tuple(environments)
        self._workers: list[Worker] = []

    def run(self, call: Callable[[I, Watch], R], parts: Sequence[I], watch: Watch) -> list[R]:
        """`call(part, watch)` of each part, all at the same time, in their order; anything but success ends every process.

        Args:
            call: a module-level function, or a value that can be pickled. Its own `watch` does nothing.
            parts: one a process.
            watch: called often while waiting; what it raises ends the run.

        Raises:
            CrewLost: a process died. Else what a call raised.
        """
        finished = False
        try:
            self._start()
            for worker, part in zip(self._workers, parts, strict=True):
                worker.give(call, Given(part))
            answers = self._answers(watch)
            finished = True
            return answers
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """End every process at once."""
        while self._workers:
            self._workers.pop().end()

    def _start(self) -> None:
        if not all(worker.alive for worker in self._workers):
            self.close()
        if not self._workers:
            for place, environment in enumerate(self.environments):
                self._workers.append(Worker(place, environment))

    def _answers(self, watch: Watch) -> list[Any]:
        found: dict[int, Any] = {}
        while len(found) < len(self._workers):
            watch()
            for worker in ready([one for one in self._workers if one.given is not None]):
                found[worker.place] = self._answer(worker)
        return [found[place] for place in range(len(self._workers))]

    def _answer(self, worker: Worker) -> Any:
        try:
            finished, answer = worker.answer()
        except (EOFError, OSError):
            raise self._lost(worker) from None
        if finished:
            return answer
        dead = self._dead()
        raise answer if dead is None else self._lost(dead) from answer

    def _dead(self) -> Worker | None:
        """Who died, where the others fail for want of it."""
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until:
            for worker in self._workers:
                if not worker.alive:
                    return worker
            time.sleep(0.05)
        return None

    def _lost(self, worker: Worker) -> CrewLost:
        return CrewLost(
            f"process {worker.place + 1} of the {len(self._workers)} that trained one network together died by"
            f" {worker.end_words}, so that the others were ended too; the system may be short of memory."
        )
