"""What every backend offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

Watch = Callable[[], None]  # called often while something long is going on; what it raises ends that


@dataclass(frozen=True)
class Lost:
    """In the place of a result: every process that worked on the item died. `reason` is one sentence."""

    reason: str


@dataclass(frozen=True)
class Node:
    """What one of several machines has."""

    cpus: int
    gpus: int = 0


class Backend(Protocol):
    """Carries out a call on items that do not depend on each other."""

    @property
    def workers(self) -> int:
        """How many items are worked on at a time."""

    def start(self) -> None:
        """Begin to make ready what `run` will need, without waiting for it."""

    def run(
        self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], watch: Watch
    ) -> Generator[tuple[I, R | Lost], None, None]:
        """Each item that `ask` gives, with `call(item, watch)`, in the order in which they are finished.

        Close the iterator (`contextlib.closing`) if it is not taken to its end: what is under way then is given up.

        Args:
            call: a module-level function, or a value that can be pickled; what it raises ends the run and is raised here.
            ask: gives the next item, or None where there is none now. It is called when there is somebody to work on an item,
                never sooner, and again after each result: the items may depend on what has been finished.
            watch: called often while waiting; what it raises ends the run. The call gets one too.
        """

    def close(self) -> None:
        """End whatever is running; nothing stays behind."""
