"""The lower bound counts what trials trained, and nothing that they took over."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bound import _screening_pass_s, _trained_s, exhaustive_s
from benchmarks.limits import Limits, _step_s, deep_recipes
from frostline import backbones
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Budget, Trial

LINE = "all: tune | head: linear"
LIMITS = {size: Limits(size, 0.0, 0.0, 0.5, {LINE: seconds}, "", "") for size, seconds in ((64, 0.1), (96, 0.2))}


def result(budget: Budget, forked: int = 0, validation: int = 10) -> Result:
    trial = Trial("x", "y", Recipe.parse(LINE), "whole", (), "r0f0", 0, budget, ("lr=0.001",))
    return Result(trial, Outcome.DONE, np.arange(validation), np.zeros((1, validation, 2)), forked=forked)


def test_a_trial_costs_its_own_images_and_epochs_at_its_own_size() -> None:
    assert _trained_s(LIMITS, result(Budget("full", 96, None, 10)), train=50) == pytest.approx(0.2 * 50 * 10)
    assert _trained_s(LIMITS, result(Budget("screen-0", 64, 30, 3)), train=50) == pytest.approx(0.1 * 30 * 3)
    assert _trained_s(LIMITS, result(Budget("screen-0", 64, 300, 3)), train=50) == pytest.approx(0.1 * 50 * 3)


def test_epochs_that_were_taken_over_count_once() -> None:
    assert _trained_s(LIMITS, result(Budget("screen-1", 64, 30, 9), forked=2), train=50) == pytest.approx(0.1 * 30 * 7)


def test_the_pass_for_screening_shows_its_images_and_those_that_judge_it() -> None:
    full, screened = result(Budget("full", 96, None, 1)), result(Budget("screen-0", 64, 30, 3), validation=12)
    assert _screening_pass_s([full], LIMITS, train=50) == 0
    assert _screening_pass_s([full, screened], LIMITS, train=50) == pytest.approx(0.5 * (30 + 12))


def test_everything_on_every_fold_is_the_product_of_its_factors() -> None:
    assert exhaustive_s(LIMITS[96], [(LINE, 3, 10), (LINE, 1, 20)], splits=5, train=50) == pytest.approx(0.2 * 5 * 50 * (30 + 20))


def test_a_step_of_every_line_that_trains_maps_can_be_measured() -> None:
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    lines = deep_recipes(backbone)
    assert len(lines) > 8
    assert all(_step_s(backbone, line, 2, Mode()) > 0 for line in lines)
