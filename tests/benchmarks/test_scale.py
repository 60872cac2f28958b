"""The plan for very many images: its arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scale import Assumed, Measured, Phase, measure, panel_for, phases, scale_for, told
from frostline import backbones

MEASURED = Measured(0.001, 0.002, 50_000.0, 200)


@pytest.fixture(scope="module")
def found() -> dict[str, Phase]:
    return {phase.name: phase for phase in planned()}


def planned(images: int = 1_000_000, gpus: int = 10, trial_gpus: int = 1, assumed: Assumed = Assumed()) -> list[Phase]:
    network = backbones.load("timm/test_resnet", pretrained=False, size=96).description
    return list(phases(panel_for(network, assumed), MEASURED, assumed, scale_for(images, 10), gpus, trial_gpus))


def test_seconds_and_bytes_grow_with_the_images(found: dict[str, Phase]) -> None:
    for phase in planned(2_000_000):
        if phase.name not in ("screening", "refit, test, page"):
            before = found[phase.name]
            assert phase.stored == pytest.approx(2 * before.stored, rel=1e-6)
            assert phase.seconds[phase.bound] == pytest.approx(2 * before.seconds[phase.bound], rel=0.05), phase.name
    again = next(phase for phase in planned(2_000_000) if phase.name == "screening")
    assert again.seconds == found["screening"].seconds  # on a bounded number of images


def test_phases_that_share_images_shrink_with_the_gpus_and_trials_do_not(found: dict[str, Phase]) -> None:
    more = {phase.name: phase for phase in planned(gpus=20)}
    assert more["random pass"].seconds["GPUs"] == pytest.approx(found["random pass"].seconds["GPUs"] / 2)
    assert more["refit, test, page"].seconds == found["refit, test, page"].seconds
    several = {phase.name: phase for phase in planned(gpus=20, trial_gpus=4)}
    assert several["refit, test, page"].seconds["GPUs"] < found["refit, test, page"].seconds["GPUs"] / 3


def test_what_takes_longest_is_the_bound(found: dict[str, Phase]) -> None:
    slow = {phase.name: phase for phase in planned(assumed=replace(Assumed(), store=1e6))}
    assert slow["decode once"].bound == "store" and slow["decode once"].seconds["store"] == pytest.approx(50_000.0)
    assert found["decode once"].stored == 1_000_000 * 224 * 224 * 3


def test_it_is_told_as_a_table(stripes: object) -> None:
    network = backbones.load("timm/test_resnet", pretrained=False, size=96).description
    measured = measure(stripes, 96)  # type: ignore[arg-type]
    assert measured.look_s > 0 and measured.decode_s > 0 and measured.file_bytes > 1000
    lines = list(told(network, measured, Assumed(), scale_for(10_000_000, 10), 100, 1))
    assert "10,000,000 images" in lines[0] and lines[-1].startswith("| **all** |")
