from __future__ import annotations

import pytest

from frostline.errors import OptionError
from frostline.terms.quantities import byte_count, seconds


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
    ("text", "expected"), [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("0", 0), ("7b", 7), ("1TB", 10**12)]
)
def test_sizes(text: str, expected: int) -> None:
    assert byte_count(text) == expected


@pytest.mark.parametrize("text", ["2", "", "GB", "-1GB", "2 apples", "2iB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match="write for example 2GB, 500MB or 0") as caught:
        byte_count(text)
    assert repr(text) in str(caught.value)
