"""Durations, sizes and counts as people write and read them."""

from __future__ import annotations

import math
import re

from frostline.errors import OptionError

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
_BYTES = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgt]i?b?|b)", re.IGNORECASE)


def seconds(text: str) -> float:
    """`30m`, `90s`, `1h30m`, `1.5h` in seconds.

    Raises:
        OptionError: it is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text.strip().lower().replace(" ", ""))
    total = sum(float(match[unit] or 0) * size for unit, size in (("h", 3600), ("m", 60), ("s", 1))) if match else 0.0
    if total <= 0:
        what = "no time at all" if match and any(match.groupdict().values()) else "not a duration"
        raise OptionError(f"time {text!r} is {what}: write for example 30m, 90s or 1h30m.")
    return total


def byte_count(text: str) -> int:
    """`2GB`, `2G`, `500 MB`, `1.5GiB` in bytes; `0` is none.

    Raises:
        OptionError: it is something else.
    """
    if text.strip() == "0":
        return 0
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"size {text!r} is not a number of bytes: write for example 2GB, 500MB or 0.")
    unit = match["unit"].lower()
    power = "bkmgt".index(unit[0])
    return int(float(match["number"]) * (1024 if "i" in unit else 1000) ** power)


def duration(seconds: float) -> str:
    """`0.4 s`, `48 s`, `4 min 12 s`, `2 h 05 min`."""
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """`1 image`, `2 images`, `2 sets of like images`."""
    return f"{count(number)} {noun if number == 1 else plural_of(noun)}"


def plural_of(noun: str) -> str:
    """`images`, `sets of like images`."""
    head, of, rest = noun.partition(" of ")
    return f"{head}s{of}{rest}"
