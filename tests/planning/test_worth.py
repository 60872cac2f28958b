"""What a stored feature map is worth."""

from __future__ import annotations

import pytest

from frostline.planning.cost import OVERHEAD
from frostline.planning.worth import worth_of
from tests.planning.test_allot import COSTS, LAST, SCRATCH, STAGES
from tests.planning.test_forecast import Recipe

EARLY = Recipe.parse("s1: freeze | s2 .. s5: tune | head: linear")


def test_worth_is_the_forward_pass_below_by_the_bytes_at_the_cut() -> None:
    found = worth_of(COSTS, [LAST, EARLY, SCRATCH], 10)
    assert set(found) == {"s1", "s4"}  # nothing resumes from what is trained from scratch
    for name, stage, below in (("s1", STAGES[0], STAGES[:1]), ("s4", STAGES[3], STAGES[:4])):
        share = sum(one.flops for one in below) / COSTS.backbone.flops
        expected = 10 * OVERHEAD * COSTS.kernels.forward_s * share / (stage.cut.values * COSTS.kernels.forward.stored_bytes)
        assert found[name] == pytest.approx(expected)


def test_it_grows_with_the_recipes_that_resume_there_and_with_what_they_show() -> None:
    one, two = worth_of(COSTS, [EARLY], 1), worth_of(COSTS, [EARLY, EARLY], 1)
    assert two["s1"] == pytest.approx(2 * one["s1"])
    assert worth_of(COSTS, [EARLY], 7)["s1"] == pytest.approx(7 * one["s1"])


def test_the_most_worth_comes_first() -> None:
    found = worth_of(COSTS, [EARLY, EARLY, EARLY, LAST], 1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
