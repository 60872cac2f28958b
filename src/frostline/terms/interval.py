"""A number and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, in the metric's own unit."""

    value: float
    low: float
    high: float
