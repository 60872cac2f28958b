"""One task after the other in this process: what every other backend must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def run(function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
    """The answer to each task, in the order in which they finish: here the order given."""
    return map(function, tasks)
