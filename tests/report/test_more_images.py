"""What more images would buy: never more in words than in the values, and nothing beyond twice the images."""

from __future__ import annotations

import dataclasses

import pytest

from frostline.report.more_images import crossing_words, curve_answer, curve_lines
from frostline.report.terminal import plan_table
from frostline.terms.curve import Crossing, Overtaking
from frostline.terms.plan import Plan, Reach, Task
from frostline.terms.verdict import Interval
from tests.report import examples
from tests.report.test_terminal import shown

REACH = (Reach(1, 400, 310, 0.061), Reach(2, 800, 620, 0.058), Reach(4, 1600, 1240, 0.046), Reach(10, 4000, 3100, 0.04))
PLAN = Plan(
    tasks=(Task("decoded pixels", (), 2, 1.0, 2.0), Task("learning curve", ("decoded pixels",), 3, 20.0, 40.0)),
    lines=(("b", "all: freeze | head: linear", "softmax-only"),),
    size=64,
    pool=400,
    sealed=100,
    folds=5,
    repeats=3,
    metric="auroc",
    delta=0.01,
    reach=REACH,
    unit="group",
    equality_units=8585,
)


def test_the_chosen_recipe_is_spoken_of_first() -> None:
    first, second, *_ = curve_answer(examples.CURVE)
    assert first == (
        "Twice as many training images, 640 instead of 320, would probably buy the chosen recipe (deeper-tuned) 1.2 points"
        " (95 % interval 0.4 to 2.0 points)."
    )
    assert "softmax-only" in second


def test_without_a_fit_the_reason_is_said_and_no_number_is_promised() -> None:
    flat = dataclasses.replace(
        examples.CURVE.curves[1], law=None, band=(), doubling=None, fall=Interval(0.004, -0.01, 0.02), reason="nothing fell"
    )
    said = curve_answer(dataclasses.replace(examples.CURVE, curves=(flat,), crossings=()))[0]
    assert "cannot be read from a curve: nothing fell" in said and "buy the chosen recipe (deeper-tuned) 1.2" not in said
    assert "from 40 to 320 images the score changed by +0.4, -1.0 to 2.0 points" in said


@pytest.mark.parametrize("answer", list(Overtaking))
def test_only_an_overtaking_within_twice_the_images_has_a_number_of_its_own(answer: Overtaking) -> None:
    images = Interval(214.0, 120.0, 390.0) if answer is Overtaking.WITHIN else None
    said = crossing_words(Crossing("scratch", "frozen", answer, images), examples.CURVE)
    assert ("210" in said) == (answer is Overtaking.WITHIN)
    assert ("beyond your data" in said) == (answer is Overtaking.BEYOND)
    assert ("cannot be told" in said) == (answer is Overtaking.UNTOLD)


def test_ahead_from_the_smallest_size_on_is_not_called_overtaking() -> None:
    crossing = Crossing("scratch", "frozen", Overtaking.WITHIN, Interval(40.0, 40.0, 61.0))
    said = crossing_words(crossing, examples.CURVE)
    assert "ahead of softmax-only at every size, from 40 training images up to 640; with 95 % confidence from 61 on" in said


def test_the_figure_shows_scores_higher_is_better() -> None:
    line = curve_lines(examples.CURVE)[0]
    values = [value for _, value in line.points]
    assert [value.value for value in values] == sorted(value.value for value in values)
    assert all(value.low <= value.value <= value.high for value in values) and values[0].value < 1


@pytest.mark.parametrize("width", [80, 120])
def test_a_plan_says_what_more_images_and_groups_would_find(width: int) -> None:
    lines = shown(plan_table(PLAN), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "4,000 (10 times) 3,100 4.0 points" in text and "400 310 6.1 points" in text
    assert "some 8,585 groups to validate on" in text and "learning curve" in text
    alone = " ".join(" ".join(shown(plan_table(dataclasses.replace(PLAN, unit="image")), width)).split())
    assert "4,000 (10 times) 4.0 points" in alone and "some 8,585 images" in alone
