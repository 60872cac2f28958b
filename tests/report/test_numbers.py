"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from frostline.report import numbers
from frostline.terms.verdict import Interval


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [(0.945, "auroc", ".945"), (1.0, "auroc", "1.000"), (-0.345, "log-loss", "-0.345"), (math.nan, "auroc", "not measured")],
)
def test_score(value: float, metric: str, text: str) -> None:
    assert numbers.score(value, metric) == text


def test_half_width_is_the_wider_side() -> None:
    assert numbers.half_width(Interval(0.95, 0.93, 0.96), "auroc") == "±.020"


def test_nothing_has_no_sign() -> None:
    assert numbers.signed_points(-0.0001, "auroc") == "0.0"
    assert numbers.points_range(Interval(0.0, -0.0001, 0.0102), "auroc") == "0.0 to 1.0 points"


def test_big() -> None:
    assert [numbers.big(n) for n in (950, 12_300, 657_410, 2_226_434, 1.8e9)] == ["950", "12.3 k", "657 k", "2.2 M", "1.8 G"]


def test_listed() -> None:
    assert [numbers.listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
