"""Stages put back: the rest stays as it is, statistics follow, and likeness is 1 where nothing changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from frostline.compute.build import build
from frostline.compute.inputs import source_before
from frostline.compute.rewind import likeness, put_back, put_backs, rewinds
from frostline.compute.train import normalisations, predict
from frostline.compute.trials import fit_network
from frostline.terms.recipe import Recipe, Weights

TRAIN, WANTED = np.arange(0, 48, 2), np.arange(1, 48, 2)


@pytest.fixture(scope="module")
def bench(make_bench):
    return make_bench("timm/test_resnet")


@pytest.fixture(scope="module")
def tuned(bench):
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: tune | head: linear")
    return recipe, fit_network(bench, recipe, {"lr": "1e-2"}, 3, TRAIN, seed=5).network


def test_every_stage_goes_back_to_random_and_only_trained_ones_to_pretrained(bench, tuned) -> None:
    recipe, network = tuned
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = list(rewinds(bench, network, recipe, TRAIN, WANTED, seed=5))
    assert [(one.stage, one.to) for one in found] == put_backs(recipe, bench.backbone)
    stages = bench.backbone.stage_names
    assert [one.stage for one in found if one.to is Weights.RANDOM] == list(stages)
    assert [one.stage for one in found if one.to is Weights.PRETRAINED] == [stages[-1]]
    assert all(one.probabilities.shape == (len(WANTED), 2) for one in found)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items()), "the model is left as it was"


def test_what_comes_before_a_stage_is_taken_from_what_the_pass_kept(bench, tuned) -> None:
    recipe, network = tuned
    stages = bench.backbone.stage_names
    firsts = [source_before(bench, recipe, network, bench.backbone, place).first for place in range(len(stages))]
    assert firsts == list(range(len(stages))), "all but the last are frozen"
    stored, run = (list(rewinds(one, network, recipe, TRAIN, WANTED, seed=5)) for one in (bench, replace(bench, passes={})))
    for mine, theirs in zip(stored, run, strict=True):
        assert np.allclose(mine.probabilities, theirs.probabilities, atol=1e-3), mine.stage  # its logits are in the tens


def test_a_stage_that_shares_parameters_is_run_from_before_all_of_them(make_bench) -> None:
    bench = make_bench("timm/coat_tiny")
    groups = [(stage.name, *stage.tied_to) for stage in bench.backbone.stages if stage.tied_to]
    firsts = [min(map(bench.backbone.stage_names.index, names)) for names in groups]
    if not any(firsts):
        pytest.skip("this version of the network shares nothing between stages behind the first")
    recipe = Recipe.parse("all: freeze | head: linear")
    network = fit_network(bench, recipe, {}, 0, TRAIN, seed=5).network
    stored, run = (list(rewinds(one, network, recipe, TRAIN, WANTED, seed=5)) for one in (bench, replace(bench, passes={})))
    assert {name for names in groups for name in names} <= {one.stage for one in stored}
    for mine, theirs in zip(stored, run, strict=True):
        assert np.allclose(mine.probabilities, theirs.probabilities, atol=1e-3), mine.stage


def test_what_was_put_back_is_the_source_and_the_rest_is_the_model(bench, tuned) -> None:
    _, network = tuned
    stages = bench.backbone.stage_names
    source = bench.backbone.network(Weights.RANDOM, 9)
    twin = put_back(bench, network, source, (stages[1],), TRAIN, 0)
    for name in stages:
        theirs = (source if name == stages[1] else network.trunk).part(name)
        mine = dict(twin.trunk.part(name).named_parameters())
        assert all(torch.equal(mine[key], tensor) for key, tensor in theirs.named_parameters())
    assert all(torch.equal(a, b) for a, b in zip(twin.head.parameters(), network.head.parameters(), strict=True))


def test_statistics_are_estimated_again_from_the_stage_on_and_not_before_it(bench, tuned) -> None:
    _, network = tuned
    stages = bench.backbone.stage_names
    twin = put_back(bench, network, bench.backbone.network(Weights.RANDOM, 9), (stages[1],), TRAIN, 0)
    for place, name in enumerate(stages):
        pairs = zip(normalisations(twin.trunk.part(name)), normalisations(network.trunk.part(name)), strict=True)
        same = [torch.equal(mine.running_mean, theirs.running_mean) for mine, theirs in pairs]
        assert all(same) if place < 1 else not any(same)
    assert not any(layer.training for layer in normalisations(twin))


def test_a_frozen_model_put_back_to_its_own_weights_predicts_the_same_but_for_its_statistics(bench) -> None:
    recipe = Recipe.parse("all: freeze | head: linear")
    network = fit_network(bench, recipe, {"l2": "0.1"}, 0, TRAIN, seed=5).network
    last = bench.backbone.stage_names[-1]
    twin = put_back(bench, network, bench.backbone.network(), (last,), TRAIN, 0)
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), network.parameters(), strict=True))
    assert predict(twin, bench.pixels(), WANTED, bench.kernels.forward).shape == (len(WANTED), 2)


def test_features_are_alike_up_to_the_stage_that_was_trained(bench, tuned) -> None:
    recipe, network = tuned
    found = likeness(bench, network, recipe, WANTED, seed=5)
    assert [one.stage for one in found] == list(bench.backbone.stage_names)
    assert all(one.cka == pytest.approx(1.0, abs=1e-6) for one in found[:-1]) and found[-1].cka < 0.9999
    assert likeness(bench, network, recipe, WANTED[:3], seed=5) == (), "too few for the unbiased estimate"


def test_a_network_from_scratch_is_compared_with_its_own_random_start(bench) -> None:
    recipe = Recipe.parse("weights: random | all: tune | head: linear")
    found = likeness(bench, build(recipe, bench.backbone, 2, 5), recipe, WANTED, seed=5)
    assert all(one.cka == pytest.approx(1.0, abs=1e-6) for one in found)
