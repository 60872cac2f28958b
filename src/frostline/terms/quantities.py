"""Durations and sizes as people write them."""

from __future__ import annotations

import re

from frostline.errors import OptionError

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
_BYTES = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>(?:[kmgt]i?)?b)", re.IGNORECASE)


def seconds(text: str) -> float:
    """`30m`, `90s`, `1h30m`, `1.5h` in seconds.

    Raises:
        OptionError: it is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text.strip().lower().replace(" ", ""))
    total = sum(float(match[unit] or 0) * size for unit, size in (("h", 3600), ("m", 60), ("s", 1))) if match else 0.0
    if total <= 0:
        raise OptionError(f"time {text!r} is not a duration: write for example 30m, 90s or 1h30m.")
    return total


def byte_count(text: str) -> int:
    """`2GB`, `500 MB`, `1.5GiB` in bytes; `0` is none.

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
