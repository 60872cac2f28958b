"""What models cost: parameters from the recipe, time from the multiply-accumulates, and who is on the front."""

from __future__ import annotations

import dataclasses

from frostline.report.charts import cost_picture
from frostline.report.costs import cost_answer, costed, front_lines, parameters_of
from tests.report.examples import CHOSEN, FACTS, ROWS, STAGES, row

NETWORK = FACTS.networks[0]


def test_parameters_are_what_is_kept_frozen_and_what_was_trained() -> None:
    kept = sum(stage.parameters for stage in NETWORK.stages[:4])
    assert parameters_of(CHOSEN, NETWORK) == kept + CHOSEN.trained_parameters
    truncated = row("stem .. features.13: freeze | features.16 .. features.18: drop | head: linear", "truncated", 0.9)
    assert parameters_of(truncated, NETWORK) == kept + 2562
    assert (
        parameters_of(row("stem .. features.9: freeze | features.10 .. features.18: drop | head: linear", "x", 0.9), NETWORK)
        is None
    )


def test_the_front_is_what_no_other_beats_and_holds_no_control_that_nobody_ships() -> None:
    found = costed(ROWS, FACTS)
    assert all(mark.milliseconds == 11.0 for _, mark in found), "57 of 57 million multiply-accumulates, 11 ms"
    front = sorted((mark.size_rank, mark.parameters, mark.value.value) for _, mark in found if mark.size_rank)
    assert [rank for rank, _, _ in front] == list(range(1, len(front) + 1))
    assert [score for *_, score in front] == sorted(score for *_, score in front)
    for _, size, score in front:
        others = [mark for one, mark in found if one.family != "random-features"]
        assert not any(mark.parameters <= size and mark.value.value > score for mark in others)
    assert all(one.family != "random-features" for one, mark in found if mark.size_rank)
    lines = front_lines(found, dict(FACTS.stages))
    assert lines[0].size_rank == "1" and lines[0].drawing.startswith("<svg")


def test_without_a_networks_anatomy_nothing_is_costed() -> None:
    assert costed(ROWS, dataclasses.replace(FACTS, networks=())) == ()


def test_the_answer_names_what_is_smaller_and_no_further_below() -> None:
    small = row("stem: freeze | features.3 .. features.18: drop | head: linear", "truncated", 0.966, flops=9_000_000)
    said, recipe = cost_answer(costed((*ROWS, small), FACTS), delta=0.008)
    assert said.startswith("A smaller model is less than 0.8 points") and ".966 against .968" in said
    assert small.recipe in recipe
    assert "further than that below the best" in recipe, "it is simpler, so the rule would have taken it"
    plain = dataclasses.replace(ROWS[0], family="softmax-only")
    assert "not the smallest model" in cost_answer(costed((plain, *ROWS[1:], small), FACTS), delta=0.008)[1]
    (said,) = cost_answer(costed(ROWS, FACTS), delta=0.001)
    assert "no smaller one that may be handed over comes as close" in said


def test_the_picture_says_what_is_on_the_front() -> None:
    drawn = cost_picture([mark for _, mark in costed(ROWS, FACTS)], "auroc")
    assert drawn.alt.startswith("AUROC against parameters") and "On the front: " in drawn.alt
    assert len(STAGES) == 6 and drawn.wide != drawn.narrow
