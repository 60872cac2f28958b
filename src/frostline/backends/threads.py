"""Several threads of this process: for calls that spend their time in compiled code that lets others run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from frostline.backends.backend import Lost, Watch

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

POLL_S = 0.1


@dataclass(frozen=True)
class Threads:
    """Nothing is sent anywhere and nothing has to be started: worth it for items of a tenth of a second already."""

    workers: int

    def start(self) -> None:
        """There is nothing to make ready."""

    def run(
        self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], watch: Watch
    ) -> Generator[tuple[I, R | Lost], None, None]:
        """See `Backend.run`; what is under way when the run ends early is waited for: until it looks at its `watch`."""
        under_way: dict[Future[R], I] = {}
        over = Event()

        def check() -> None:
            if over.is_set():
                raise _Over

        with ThreadPoolExecutor(self.workers) as pool:
            try:
                while True:
                    watch()
                    while len(under_way) < self.workers and (item := ask()) is not None:
                        under_way[pool.submit(call, item, check)] = item
                    if not under_way:
                        return
                    finished, _ = wait(under_way, POLL_S, FIRST_COMPLETED)
                    for future in finished:
                        yield under_way.pop(future), future.result()
            finally:
                over.set()

    def close(self) -> None:
        """Nothing is running."""


class _Over(Exception):
    """Ends a call whose run has ended; nobody is there to see it."""
