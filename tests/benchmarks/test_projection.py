"""The arithmetic of what was not run."""

import pytest

from benchmarks.projection import Cost, remaining_projected, summary, table

DEEP = Cost("all: tune | head: linear", "whole", 0.1, 0.02, images=100, validation=25, epochs=10, folds=5, settings=3)
FOREST = Cost(
    "pixels: forest", "pixels", 0, 0, images=100, validation=25, epochs=0, folds=5, settings=1, once_s=4.0, fit_s=2.0
)  # fmt: skip


def test_a_recipe_costs_its_epochs_and_one_validation_on_each_fold_for_each_setting() -> None:
    assert DEEP.one_setting_s == pytest.approx(5 * (10 * 100 * 0.1 + 25 * 0.02))
    assert DEEP.seconds == pytest.approx(3 * 5 * 100.5)


def test_what_is_done_once_is_counted_once() -> None:
    assert FOREST.seconds == pytest.approx(4 + 5 * 2)


def test_a_summary_adds_up_with_and_without_settings() -> None:
    found = summary([DEEP, FOREST])
    assert found["seconds"] == pytest.approx(1507.5 + 14)
    assert found["seconds_one_setting"] == pytest.approx(502.5 + 14)
    assert found["projected"]


def test_remaining_epochs_last_as_long_as_the_last_measured_one() -> None:
    assert remaining_projected([12.0, 10.0], 20) == pytest.approx(12 + 19 * 10)
    assert remaining_projected([12.0, 10.0], 2) == pytest.approx(22)


def test_every_factor_is_shown() -> None:
    heads, deep, _, together = table([DEEP, FOREST]).splitlines()
    shown = dict(zip(heads.replace("ms fwd", "ms-fwd").replace("fit s", "fit-s").split(), deep.split(), strict=False))
    assert shown["ms"] == "100.0" and shown["images"] == "100" and shown["epochs"] == "10" and shown["ms-fwd"] == "20.0"
    assert shown["validation"] == "25" and shown["folds"] == "5" and shown["settings"] == "3" and shown["hours"] == "0.419"
    assert together == "0.423 hours together"
