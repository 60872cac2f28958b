"""One item after the other, in this process: the simplest backend, and the one to look for a mistake with."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from frostline.backends.backend import Lost, Watch

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


@dataclass(frozen=True)
class Serial:
    """The caller's own process; the call gets the caller's own `watch`."""

    workers: int = 1

    def start(self) -> None:
        """There is nothing to make ready."""

    def run(
        self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], watch: Watch
    ) -> Generator[tuple[I, R | Lost], None, None]:
        """See `Backend.run`; an item is asked for after the one before was dealt with."""
        watch()
        while (item := ask()) is not None:
            yield item, call(item, watch)
            watch()

    def close(self) -> None:
        """Nothing is running."""
