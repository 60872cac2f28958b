from __future__ import annotations

import math

import pytest

from frostline.errors import OptionError
from frostline.terms.quantities import byte_count, duration, plural, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("30m", 1800), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("1H 5M", 3900), ("5min", 300)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["30", "", "0m", "m", "-5m", "1d", "30m1h"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match="write for example 30m, 90s or 1h30m") as caught:
        seconds(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("0", 0), ("7b", 7), ("8G", 8 * 10**9), ("1TB", 10**12)],
)
def test_sizes(text: str, expected: int) -> None:
    assert byte_count(text) == expected


@pytest.mark.parametrize("text", ["2", "", "GB", "-1GB", "2 apples", "2iB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match="write for example 2GB, 500MB or 0") as caught:
        byte_count(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [(0.42, "0.4 s"), (48, "48 s"), (59.7, "1 min 00 s"), (252, "4 min 12 s"), (7500, "2 h 05 min"), (math.inf, "unknown")],
)
def test_a_duration_is_read_as_it_is_written(given: float, text: str) -> None:
    assert duration(given) == text


def test_plural() -> None:
    assert [plural(number, "image") for number in (1, 2, 12_345)] == ["1 image", "2 images", "12,345 images"]
