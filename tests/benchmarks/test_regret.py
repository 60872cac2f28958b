"""P5's table, whatever the searches chose."""

import pytest

from benchmarks.regret import _table, regret

REFERENCE = {"chosen": "a", "scores": {"a": 0.9, "b": 0.87}}


def test_regret_is_what_the_choice_lies_below_the_exhaustive_one() -> None:
    assert regret(REFERENCE, "b") == pytest.approx(3.0) and regret(REFERENCE, "a") == 0.0


def test_a_choice_outside_the_panel_has_none_and_does_not_end_the_table() -> None:
    assert regret(REFERENCE, "c") is None and regret({"chosen": None, "scores": {"a": 0.9}}, "a") is None
    lost = {"search": "c", "exhaustive": "a", "regret": None, "regret_to_best": None, "seconds": 30.0}
    found = lost | {"search": "b", "regret": 3.0, "regret_to_best": 4.0}
    assert "mean excess regret +3.00 points" in _table({"one": lost, "two": found})
    assert "no choice of a search" in _table({"one": lost})
