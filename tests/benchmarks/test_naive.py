"""The ordinary fine-tune learns, and the loop counts each recipe for itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.data import Rows
from benchmarks.loops import How, fastest, loader, optimizer_of, predict, step, train
from benchmarks.naive import Setup, fine_tune, heads_loop, panel_loop
from benchmarks.networks import Kind, whole
from benchmarks.panel import Item
from frostline.planning.forecast import Scale

SCALE = Scale(pool=65, train=52, validation=13, folds=5, repeats=2, sealed=0, classes=2)


@pytest.fixture
def setup(weights: Path) -> Setup:
    return Setup("torchvision/mobilenet_v2", weights, size=32, ends=("features.1", "features.18"), workers=0, steps=2)


def test_a_fine_tune_lowers_its_loss_and_scores_every_test_image(setup: Setup, rows: Rows) -> None:
    found = fine_tune(setup, rows, epochs=4)
    assert found["losses"][-1] < found["losses"][0]
    assert len(found["epoch_seconds"]) == 4 and found["seconds"] == pytest.approx(sum(found["epoch_seconds"]))
    assert np.shape(found["probabilities"]) == (16, 2) and not found["projected"]
    assert np.sum(found["probabilities"], axis=1) == pytest.approx(1, abs=1e-5)


def test_a_projected_fine_tune_runs_two_epochs_and_claims_no_score(setup: Setup, rows: Rows) -> None:
    found = fine_tune(setup, rows, epochs=20, project=True)
    first, second = found["epoch_seconds"]
    assert found["projected"] and found["seconds"] == pytest.approx(first + 19 * second)
    assert "accuracy" not in found


def test_the_loss_of_a_step_is_the_cross_entropy_of_the_predictions_before_it(setup: Setup, rows: Rows) -> None:
    model = setup.model(Kind((False, False), "linear"), 2)
    shown, labels = next(iter(loader(setup.images(rows, training=False), workers=0)))
    probabilities = predict(model, [(shown, labels)], How())
    expected = -np.log(probabilities[np.arange(len(labels)), labels.numpy()]).mean()
    assert step(model, shown, labels, optimizer_of(model, 0.1), How()) == pytest.approx(expected, rel=1e-5)


def test_channels_last_trains_to_the_same_losses(setup: Setup, rows: Rows) -> None:
    losses = []
    for how in (How(), How(channels_last=True)):
        model = setup.model(Kind((False, False), "linear"), 2)
        torch.manual_seed(1)
        losses.append(train(model, loader(setup.images(rows, training=True), 0, training=True), 1, 0.01, how)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_lone_last_image_is_left_out_of_training_only(setup: Setup, rows: Rows) -> None:
    assert len(rows.train) == 65  # two batches of 32 and one image
    images = setup.images(rows, training=True)
    assert [len(labels) for _, labels in loader(images, 0, training=True)] == [32, 32]
    assert [len(labels) for _, labels in loader(images, 0)] == [32, 32, 1]


def test_the_fastest_way_is_chosen() -> None:
    seconds = {How(): 3.0, How(channels_last=True): 1.0, How(workers=2): 2.0}
    assert fastest(list(seconds), seconds.__getitem__) == How(channels_last=True)


def test_the_loop_counts_each_recipe_for_itself(setup: Setup, rows: Rows) -> None:
    frozen = Kind((False,), "linear")
    heads = [
        Item("stem: freeze | rest: drop | head: linear", "truncated", frozen, settings=7, epochs=None),
        Item("weights: random | stem: freeze | rest: drop | head: linear", "random-features", frozen, settings=7, epochs=None),
    ]
    deep = Item("all: tune | head: linear", "whole", whole(setup.ends), settings=3, epochs=10)
    pixels = Item("pixels: logistic", "pixels", None, settings=2, epochs=None)
    found = panel_loop(setup, rows, [pixels, *heads, deep], SCALE, epochs=20)
    assert found["kinds_of_work"] == 2  # weights do not matter for the time
    first, second, tuned = found["lines"][1:]
    for line, settings, epochs in ((first, 7, 20), (second, 7, 20), (tuned, 3, 10)):
        once = epochs * 52 * line["train_image_s"] + 13 * line["forward_image_s"]
        assert line["seconds"] == pytest.approx(settings * 10 * once)
    assert found["seconds"] == pytest.approx(sum(line["seconds"] for line in found["lines"]))
    only_heads = heads_loop(setup, rows, [pixels, *heads, deep], SCALE)
    assert [line["family"] for line in only_heads["lines"]] == ["truncated", "random-features"]


def test_best_kernels_are_named_in_the_result(setup: Setup, rows: Rows) -> None:
    found = fine_tune(replace(setup, kernels="best"), rows, epochs=1)
    assert found["kernels"] in ("fp32 NCHW", "fp32 channels_last", "bf16 channels_last")
