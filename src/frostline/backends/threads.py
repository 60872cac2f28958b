"""Several threads of this process: for calls that spend their time in compiled code that lets others run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
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
        """See `Backend.run`; what is under way when the run ends is waited for."""
        under_way: dict[Future[R], I] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            while True:
                watch()
                while len(under_way) < self.workers and (item := ask()) is not None:
                    under_way[pool.submit(call, item, _nothing)] = item
                if not under_way:
                    return
                finished, _ = wait(under_way, POLL_S, FIRST_COMPLETED)
                for future in finished:
                    yield under_way.pop(future), future.result()

    def close(self) -> None:
        """Nothing is running."""


def _nothing() -> None:
    """The `watch` of an item: they are short."""
