"""Training: frozen statistics stay, trained ones are those of the final weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from frostline.compute.build import build
from frostline.compute.train import predict, settle_statistics
from frostline.compute.trials import fit_network
from frostline.terms.recipe import Recipe

ROWS = np.arange(0, 48, 2)


@pytest.fixture(scope="module")
def bench(make_bench):
    return make_bench("timm/test_resnet")


def statistics(part: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in part.named_buffers() if "running" in name}


def test_frozen_stages_keep_their_buffers_through_a_whole_fit(bench) -> None:
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: tune | head: linear")
    fitted = fit_network(bench, recipe, {"lr": "1e-3"}, 2, ROWS, seed=5).network
    before = build(recipe, bench.backbone, 2, 5)
    for name in stages[:-1]:
        mine, theirs = fitted.trunk.part(name).tensors(), before.trunk.part(name).tensors()
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert any(
        not torch.equal(after, statistics(before.trunk.part(stages[-1]))[name])
        for name, after in statistics(fitted.trunk.part(stages[-1])).items()
    )


def test_settled_statistics_are_those_of_the_images_under_the_final_weights(bench) -> None:
    network = build(Recipe.parse("all: tune | head: linear"), bench.backbone, 2, 0)
    settle_statistics(network, bench.pixels(), ROWS, bench.kernels.train, 0, batch=len(ROWS))
    first = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    handle = first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(bench.pixels().batch(ROWS, 0))
    handle.remove()
    assert torch.allclose(first.running_mean, seen[0].mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(first.running_var, seen[0].var((0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert first.momentum == 0.1 and not first.training


def test_normalisation_that_the_recipe_freezes_is_not_settled(bench) -> None:
    recipe = Recipe.parse("all: tune | head: linear | train: norm=frozen")
    network = build(recipe, bench.backbone, 2, 0)
    before = statistics(network)
    settle_statistics(network, bench.pixels(), ROWS, bench.kernels.train, 0)
    assert all(torch.equal(before[name], after) for name, after in statistics(network).items())


def test_a_few_steps_from_scratch_are_not_judged_by_the_statistics_of_the_start(bench, monkeypatch) -> None:
    """What a network has learnt in a few steps shows only with settled statistics: controls are not made to look bad."""
    recipe = Recipe.parse("weights: random | all: tune | head: linear")
    held_out = np.arange(1, 48, 2)
    losses = {}
    for settled in (True, False):
        with monkeypatch.context() as patch:
            if not settled:
                patch.setattr("frostline.compute.trials.settle_statistics", lambda *_: None)
            network = fit_network(replace(bench, passes={}), recipe, {"lr": "3e-3"}, 6, ROWS, seed=0).network
        found = predict(network, bench.pixels(), held_out, bench.kernels.forward)
        losses[settled] = -np.log(np.maximum(found[np.arange(len(held_out)), bench.labels[held_out]], 1e-6)).mean()
    assert losses[True] < losses[False]
