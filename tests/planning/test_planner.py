"""The plan: shared work once, every recipe in it, nothing that is not needed."""

from __future__ import annotations

import pytest

from frostline.planning.forecast import forecast
from frostline.planning.planner import stored_maps, tasks
from tests.planning.test_allot import COSTS, LAST, SCRATCH, STAGES
from tests.planning.test_forecast import PANEL, SCALE, Panel, Recipe

ROOM = 10**12


def planned(panel: Panel = PANEL, room: int = ROOM) -> dict[str, object]:
    return {task.name: task for task in tasks([panel], SCALE, 0.01, room)}


def test_every_input_is_made_by_an_earlier_task() -> None:
    made: set[str] = set()
    for task in tasks([PANEL, PANEL], SCALE, 0.01, ROOM):
        assert set(task.inputs) <= made, task
        made.add(task.name)


def test_shared_work_is_there_once_and_serves_all_that_need_it() -> None:
    found = tasks([PANEL], SCALE, 0.01, ROOM)
    assert len({task.name for task in found}) == len(found)
    trunk = next(task for task in found if task.name == "b: pre-trained pass")
    assert trunk.serves == 4  # two heads and two recipes that transfer; scratch does not need it
    assert trunk.alone_s == pytest.approx(COSTS.pass_s(SCALE.train + SCALE.validation) * SCALE.folds * 2)
    assert all(task.seconds <= task.alone_s for task in found)


def test_the_plan_costs_what_is_forecast() -> None:
    found, foreseen = tasks([PANEL], SCALE, 0.0, ROOM), forecast([PANEL], SCALE)
    assert sum(task.seconds for task in found) == pytest.approx(foreseen.total)
    assert foreseen.passes == pytest.approx(COSTS.pass_s(SCALE.pool))  # no recipe needs the random one


def test_a_learning_curve_comes_before_the_verdict_and_costs_what_is_forecast() -> None:
    found, foreseen = tasks([PANEL], SCALE, 0.0, ROOM, curve=True), forecast([PANEL], SCALE, curve=True)
    assert [task.name for task in found[-2:]] == ["learning curve", "verdict, refit, test and page"]
    assert found[-2].seconds == pytest.approx(foreseen.curve) and found[-2].alone_s > found[-2].seconds


def test_what_no_recipe_needs_is_not_planned() -> None:
    only = tasks([Panel(COSTS, COSTS, (), (SCRATCH,))], SCALE, 0.01, ROOM)
    assert not any("pre-trained" in task.name or "heads" in task.name for task in only)
    assert any(task.name == "b: finalists" for task in only)


FIRST_MAPS = 100 * STAGES[0].cut.values * COSTS.kernels.forward.stored_bytes


@pytest.mark.parametrize(("room", "expected"), [(ROOM, ["s4", "s1"]), (0, []), (FIRST_MAPS, ["s4"])])
def test_feature_maps_are_stored_where_a_recipe_resumes_the_deepest_first(room: int, expected: list[str]) -> None:
    early = Recipe.parse("s1: freeze | s2 .. s5: tune | head: linear")
    assert list(stored_maps(PANEL, [LAST, early, SCRATCH], 100, room)) == expected
