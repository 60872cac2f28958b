"""How time is divided: never more than there is, and every family gets its share."""

import pytest

from frostline.planning.allot import Load, finals, screening, screening_size
from frostline.planning.cost import CostModel
from frostline.terms.backbone import Backbone, Cut, InputSpec, Layout, Stage
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Recipe

NAMES = ("s1", "s2", "s3", "s4", "s5")
STAGES = tuple(
    Stage(name, Cut(name, (64, 14, 14), Layout.NCHW, 100 * (index + 1), 10), (name,), 100, 10) for index, name in enumerate(NAMES)
)
KERNELS = Kernels("b", 224, "cpu", 2, 32, Mode(), Mode(), 0.01, 0.03)
BACKBONE = Backbone("b", "", InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3), STAGES, tuple(stage.cut for stage in STAGES))
COSTS = CostModel(BACKBONE, KERNELS)
WHOLE = Recipe.parse("all: tune | head: linear")
LAST = Recipe.parse("s1 .. s4: freeze | s5: tune | head: linear")
SCRATCH = Recipe.parse("weights: random | all: tune | head: linear")


def test_a_stored_prefix_makes_a_recipe_as_cheap_as_what_is_above_it() -> None:
    assert COSTS.training_s(LAST, 100, 2) == pytest.approx(COSTS.training_s(WHOLE, 100, 2) / 5)
    assert COSTS.training_s(LAST, 100, 2, cached=False) > COSTS.training_s(LAST, 100, 2)


def test_what_was_measured_replaces_what_was_estimated() -> None:
    measured = CostModel(BACKBONE, KERNELS, {str(WHOLE): 0.5})
    assert measured.training_s(WHOLE, 10, 1) == 5.0
    assert measured.training_s(LAST, 10, 1) == COSTS.training_s(LAST, 10, 1)


@pytest.mark.parametrize(("size", "expected"), [(64, 64), (96, 96), (160, 96), (224, 96), (256, 128), (384, 192)])
def test_screening_is_about_half_the_size_and_never_larger(size: int, expected: int) -> None:
    assert screening_size(size) == expected


@pytest.mark.parametrize("left", [60.0, 300.0, 3000.0])
def test_finals_with_refit_fit_into_the_time(left: float) -> None:
    found = finals(Load(COSTS, (WHOLE,)), Load(COSTS, (SCRATCH,)), 400, 500, left)
    spent = COSTS.training_s(WHOLE, 900, found.epochs) + COSTS.training_s(SCRATCH, 400, found.scratch_epochs)
    assert spent <= left
    assert found.epochs >= 1 or COSTS.training_s(WHOLE, 900, 1) > 0.85 * left


def test_scratch_is_given_up_before_the_best_recipe() -> None:
    left = 1.2 * COSTS.training_s(WHOLE, 900, 1)
    found = finals(Load(COSTS, (WHOLE,)), Load(COSTS, (SCRATCH,)), 400, 500, left)
    assert (found.epochs, found.scratch_epochs) == (1, 0)


def test_more_time_buys_more_screening_and_no_limit_a_second_rung() -> None:
    load = [Load(COSTS, (WHOLE, LAST, SCRATCH))]
    found = [screening(load, 3, 1500, 300, left) for left in (200.0, 2000.0, 20000.0)]
    work = [one.images * one.epochs for one in found]
    assert work == sorted(work) and work[0] < work[-1]
    assert screening(load, 3, 1500, 300, None).second_rung
