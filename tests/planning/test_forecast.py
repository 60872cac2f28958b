"""How long a search is said to take: every part grows with what makes it grow, and nothing is left out."""

import dataclasses

import pytest

from frostline.planning.allot import FREE_EPOCHS, FREE_SCRATCH_EPOCHS, Screening
from frostline.planning.cost import CostModel, on_devices
from frostline.planning.forecast import (
    CLOSING_S,
    Panel,
    Scale,
    fit,
    forecast,
    kept_for_curve_s,
    least_s,
    scratch_epochs,
    screening_epochs,
    settled_s,
)
from frostline.terms.schedule import common_epochs
from tests.planning.test_allot import COSTS, LAST, SCRATCH, WHOLE, Recipe

SCALE = Scale(pool=1920, train=1536, validation=384, folds=5, repeats=1, sealed=480, classes=2)
FROZEN = (Recipe.parse("all: freeze | head: linear"), Recipe.parse("all: freeze | head: mlp(256)"))
PANEL = Panel(COSTS, COSTS, FROZEN, (LAST, WHOLE, SCRATCH))


def test_the_total_is_the_sum_of_the_parts_and_falls_as_they_finish() -> None:
    found = forecast([PANEL], SCALE)
    assert found.total == pytest.approx(found.passes + found.heads + found.screening + found.finalists + found.closing)
    left = [found.total, *(found.after(part) for part in ("passes", "heads", "screening", "finalists", "curve", "closing"))]
    assert left == sorted(left, reverse=True) and left[-1] == 0


def test_a_learning_curve_costs_eleven_trainings_of_a_tuned_recipe_and_of_scratch_where_it_is_wanted() -> None:
    found = forecast([PANEL], SCALE, curve=True)
    assert forecast([PANEL], SCALE).curve == 0.0 and found.total == pytest.approx(forecast([PANEL], SCALE).total + found.curve)
    trainings = COSTS.training_s(WHOLE, SCALE.train, FREE_EPOCHS) + COSTS.training_s(SCRATCH, SCALE.train, FREE_SCRATCH_EPOCHS)
    assert 11 * trainings < found.curve < 12 * trainings
    assert forecast([Panel(COSTS, COSTS, FROZEN, ())], SCALE, curve=True).curve == 0.0


def test_a_learning_curve_takes_its_share_of_a_limit_and_no_more() -> None:
    plain, less = fit([PANEL], SCALE, 10.0, 2000.0), fit([PANEL], SCALE, 10.0, 2000.0, curve=True)
    assert 0 < less.final_epochs < plain.final_epochs
    assert kept_for_curve_s(1000.0, 1e9) == 200.0 and kept_for_curve_s(1000.0, 3.0) == 3.0


def test_further_draws_are_what_a_settled_ranking_saves() -> None:
    three, tuned = dataclasses.replace(SCALE, repeats=3), Panel(COSTS, COSTS, FROZEN, (LAST, WHOLE))
    assert settled_s([PANEL], SCALE) == settled_s([Panel(COSTS, COSTS, FROZEN, ())], three) == 0.0
    assert settled_s([tuned], three) == pytest.approx(2 * forecast([tuned], SCALE).finalists)
    assert 0 < forecast([PANEL], three).total - settled_s([PANEL], three) < forecast([PANEL], three).total
    hold_outs, two = dataclasses.replace(three, folds=1), dataclasses.replace(three, folds=1, repeats=2)
    assert settled_s([tuned], hold_outs) == pytest.approx(forecast([tuned], hold_outs).finalists / 3), "one is compared with none"
    assert settled_s([tuned], two) == 0.0


def test_only_passes_that_a_recipe_needs_are_counted() -> None:
    one = COSTS.pass_s(SCALE.pool)
    random = Recipe.parse("weights: random | all: freeze | head: linear")
    for frozen, deep, passes in (((FROZEN[0],), (), 1), ((random,), (LAST,), 2), ((), (SCRATCH,), 0), ((*FROZEN, random), (), 2)):
        assert forecast([Panel(COSTS, COSTS, frozen, deep)], SCALE).passes == pytest.approx(passes * one)


def test_twice_the_images_take_about_twice_as_long() -> None:
    double = dataclasses.replace(SCALE, pool=3840, train=3072, validation=768, sealed=960)
    one, two = forecast([PANEL], SCALE), forecast([PANEL], double)
    assert two.passes == pytest.approx(2 * one.passes)
    assert 1.5 * one.finalists < two.finalists < 2.5 * one.finalists


def test_a_second_backbone_doubles_passes_and_heads_but_not_the_finalists() -> None:
    one, two = forecast([PANEL], SCALE), forecast([PANEL, PANEL], SCALE)
    assert (two.passes, two.heads) == (pytest.approx(2 * one.passes), pytest.approx(2 * one.heads))
    assert two.finalists == one.finalists


def test_repeats_cost_heads_and_finalists_but_no_pass() -> None:
    thrice = forecast([PANEL], dataclasses.replace(SCALE, repeats=3))
    once = forecast([PANEL], SCALE)
    assert thrice.passes == once.passes and thrice.heads == pytest.approx(3 * once.heads)
    assert thrice.finalists > 2 * once.finalists


def test_a_recipe_that_says_its_epochs_is_forecast_with_these() -> None:
    usual, longer = (Recipe.parse(f"all: tune | head: linear{more}") for more in ("", f" | train: epochs={4 * FREE_EPOCHS}"))
    scratch, brief = (Recipe.parse(f"weights: random | all: tune | head: linear{more}") for more in ("", " | train: epochs=1"))
    one, four, few, least = (forecast([Panel(COSTS, COSTS, FROZEN, (line,))], SCALE) for line in (usual, longer, scratch, brief))
    assert four.finalists == pytest.approx(4 * one.finalists)
    assert four.closing - CLOSING_S > 3 * (one.closing - CLOSING_S)
    assert least.finalists == pytest.approx(few.finalists * SCALE.folds / scratch_epochs(SCALE.folds))


def test_epochs_that_trials_have_in_common_are_counted_once() -> None:
    two, alone = Screening(200, 3, second_rung=True), Screening(200, 3, second_rung=False)
    assert screening_epochs(two, shared=False) == pytest.approx(3 + 9 / 3)
    assert screening_epochs(two, shared=True) == pytest.approx(3 + 8 / 3)
    assert screening_epochs(alone, shared=True) == 3
    assert scratch_epochs(5, shared=False) - scratch_epochs(5) == common_epochs(20) == 10
    assert scratch_epochs(1, shared=False) == 20 + 40


def test_more_time_leaves_room_for_more_and_never_for_more_than_there_is() -> None:
    found = [fit([PANEL], SCALE, 10.0, seconds) for seconds in (30.0, 400.0, 2000.0, 10_000.0)]
    assert found[0].least_s > 30.0 and (found[0].images, found[0].final_epochs) == (0, 0)
    work = [one.images * one.epochs for one in found]
    assert work == sorted(work) and work[1] > 0
    epochs = [one.final_epochs for one in found]
    assert epochs == sorted(epochs) and epochs[-1] > epochs[0] == 0
    for one in found[1:]:
        refitted = COSTS.training_s(WHOLE, SCALE.train + SCALE.pool, one.final_epochs)
        assert one.least_s + refitted + COSTS.training_s(SCRATCH, SCALE.train, one.scratch_epochs) <= one.time_s


def test_where_nothing_is_tuned_only_the_least_counts() -> None:
    found = fit([Panel(COSTS, COSTS, FROZEN, ())], SCALE, 10.0, 1000.0)
    assert (found.images, found.final_epochs, found.scratch_epochs) == (0, 0, 0) and found.least_s < 1000.0


def test_recipes_without_training_need_no_finalists() -> None:
    found = forecast([Panel(COSTS, COSTS, FROZEN, ())], SCALE)
    assert (found.screening, found.finalists) == (0.0, 0.0)


def test_the_least_verdict_is_one_draw_of_the_folds_without_training() -> None:
    thrice = dataclasses.replace(SCALE, repeats=3)
    assert least_s([PANEL], thrice) == least_s([PANEL], SCALE)
    assert CLOSING_S < least_s([PANEL], SCALE) < forecast([PANEL], SCALE).total


def test_training_is_faster_on_several_gpus_and_the_pass_is_not() -> None:
    gpu = dataclasses.replace(COSTS.kernels, device="cuda")
    one, four = (CostModel(COSTS.backbone, on_devices(gpu, devices)) for devices in (1, 4))
    assert one.kernels is gpu and four.pass_s(100) == one.pass_s(100)
    assert 2 < one.training_s(WHOLE, 100, 1) / four.training_s(WHOLE, 100, 1) < 4
    cpu = dataclasses.replace(COSTS.kernels, device="cpu")
    assert on_devices(cpu, 4) == cpu  # the processes share out the threads of one
