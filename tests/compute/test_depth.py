"""Grafted networks: whose stages are whose, which of them are trained, and that the base's own tensors are really used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from frostline.compute.build import build
from frostline.compute.depth import grafts
from frostline.compute.trials import fit_network
from frostline.terms.evidence import ANB, ANB_TUNED, BASE, BNB
from frostline.terms.recipe import Recipe

TRAIN, WANTED = np.arange(0, 48, 2), np.arange(1, 48, 2)
OPTIONS = {"lr": "1e-3"}


@pytest.fixture(scope="module")
def bench(make_bench):
    return make_bench("timm/test_resnet")


def test_the_base_comes_first_then_three_networks_for_each_depth(bench) -> None:
    found = list(grafts(bench, OPTIONS, 1, TRAIN, WANTED, seed=5))
    stages = bench.backbone.stage_names
    assert [(one.kind, one.stage) for one in found] == [
        (BASE, ""),
        *((kind, stage) for stage in stages[:-1] for kind in (ANB, ANB_TUNED, BNB)),
    ]
    assert all(one.probabilities.shape == (len(WANTED), 2) and np.isfinite(one.probabilities).all() for one in found)


def test_bnb_is_grown_on_the_stages_of_the_base_itself(bench) -> None:
    plain = replace(bench, passes={}, starts={})
    base = fit_network(plain, Recipe.parse("weights: random | all: tune | head: linear"), OPTIONS, 1, TRAIN, 5).network
    own = bench.backbone.with_tensors(base.trunk.original_state())
    stages = own.stage_names
    network = build(
        Recipe.parse(f"{stages[0]} .. {stages[1]}: freeze | {stages[2]} .. {stages[-1]}: reinit | head: linear"), own, 2, 5
    )
    for name in stages[:2]:
        mine, theirs = network.trunk.part(name).tensors(), base.trunk.part(name).tensors()
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert own.digest != bench.backbone.digest and own.stage_names == bench.backbone.stage_names
    assert not torch.equal(
        next(network.trunk.part(stages[2]).body.parameters()), next(base.trunk.part(stages[2]).body.parameters())
    )


def test_time_ends_it_between_two_steps(bench) -> None:
    class Up(Exception):
        pass

    def watch() -> None:
        raise Up

    with pytest.raises(Up):
        next(grafts(bench, OPTIONS, 1, TRAIN, WANTED, seed=5, watch=watch))
