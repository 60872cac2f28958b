"""Which stored arrays make room for another one: those that save the fewest seconds a byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """An entry of a cache.

    Attributes:
        name: unique. bytes: on disk.
        worth: seconds that it saves a byte, as the planner has it.
        used: when it was last written or handed out, in any unit.
    """

    name: str
    bytes: int
    worth: float
    used: float


def to_evict(entries: Sequence[Stored], missing: int, worth: float) -> list[Stored] | None:
    """Entries worth less than `worth` that free at least `missing` bytes: the least worth a byte first, of equals the one
    unused for longest; None where all of them together do not: then nothing is gained by removing any.
    """
    found: list[Stored] = []
    for entry in sorted(entries, key=lambda one: (one.worth, one.used, one.name)):
        if missing <= 0 or entry.worth >= worth:
            break
        found.append(entry)
        missing -= entry.bytes
    return found if missing <= 0 else None
