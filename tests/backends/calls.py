"""What the workers of the tests are asked to do; they import this by its name."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from frostline.backends import Lost, Watch


def square(item: int, watch: Watch) -> int:
    return item * item


def square_slowly(item: int, watch: Watch) -> int:
    """The first items take longest, so that they are not finished in order."""
    time.sleep(0.3 / item)
    return item * item


def who(item: int, watch: Watch) -> tuple[int, str]:
    """The process that works on `item`, and its `WORKER`; it takes long enough for another to be needed too."""
    time.sleep(0.2)
    return os.getpid(), os.environ.get("WORKER", "")


@dataclass(frozen=True)
class Near:
    """An item that has use of what items of that name have left where they ran."""

    near: str


def node_of(item: object, watch: Watch) -> str:
    """The machine of a cluster that works on `item`."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def device(item: object, watch: Watch) -> tuple[int, str]:
    """The process that works on `item`, and the GPUs that it sees; it takes long enough for another to be needed too."""
    time.sleep(0.3)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "all")


def five_is_too_much(item: int, watch: Watch) -> int:
    if item == 5:
        raise OverflowError("five is too much")
    return item


class Particular(Exception):
    """Cannot be made again from what `pickle` keeps of it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def particular(item: int, watch: Watch) -> int:
    raise Particular(1, item)


@dataclass(frozen=True)
class DieAt:
    """Squares, but is killed at `item`: the first time only where a file `once` is given, else always."""

    item: int
    once: Path | None = None

    def __call__(self, item: int, watch: Watch) -> int:
        if item == self.item and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item


def for_ever(item: Path, watch: Watch) -> None:
    """Says where it runs, and works until it is stopped."""
    (item / str(os.getpid())).touch()
    while True:
        watch()
        time.sleep(0.01)


@dataclass(frozen=True)
class Heavy:
    """A call that counts how often it is sent."""

    log: Path

    def __setstate__(self, state: dict[str, Path]) -> None:
        object.__setattr__(self, "log", state["log"])
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, item: int, watch: Watch) -> int:
        time.sleep(0.05)
        return os.getpid()


def ready() -> None:
    """What a new worker does first."""
    sys.modules["tests.backends.made_ready"] = sys


def made_ready(item: int, watch: Watch) -> bool:
    return "tests.backends.made_ready" in sys.modules


def lost(item: int, watch: Watch) -> Lost:
    """As a crew's member answers whose fellows died: the item is lost, this worker is not."""
    return Lost(f"{item} was lost")
