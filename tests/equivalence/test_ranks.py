"""A network trained by several processes is, but for rounding, the one that a single process trains."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import frostline as fl
from frostline import cli
from frostline.backends import Lost
from frostline.compute.bench import Bench
from frostline.compute.forks import Forks
from frostline.compute.machine import gpus, settings_restored
from frostline.compute.ranks import dismiss
from frostline.compute.train import predict
from frostline.compute.trials import Fitted, fit_network, run_trial
from frostline.session.dispatch import CarryOut, Task
from frostline.store.checkpoints import CheckpointStore
from frostline.store.run_folder import RunFolder
from frostline.terms.activations import View
from frostline.terms.data import Split
from frostline.terms.recipe import Recipe, family
from frostline.terms.result import Outcome
from frostline.terms.trial import Budget, Trial
from tests.equivalence.test_backends import assert_same, begun_like, workers

CLOSE = 1e-4  # of probabilities
ROWS, REST = np.arange(0, 48, 2)[:21], np.arange(1, 48, 2)  # batches of 8, 8 and 5


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched, settings_restored():
        patched.setenv("OMP_NUM_THREADS", "1")  # no more are tried
        torch.set_num_threads(1)
        yield
    dismiss()


@pytest.fixture(scope="module")
def bench(make_bench) -> Bench:
    return replace(make_bench("timm/test_resnet"), views=(View(0), View(1, True)))


def fitted(bench: Bench, text: str, devices: int, rows: np.ndarray = ROWS) -> tuple[Fitted, np.ndarray]:
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(text.format(frozen=f"{stages[0]} .. {stages[-2]}", last=stages[-1]))
    options = {"lr": "0.001", "batch": "8", "start": "random"}  # a fitted head is sure of everything: nothing would differ
    found = fit_network(replace(bench, devices=devices), recipe, options, 3, rows, 3)
    return found, predict(found.network, found.source, REST, bench.kernels.forward, bench.several)


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        (2, "all: tune | head: linear"),  # batch normalisation learns
        (2, "all: tune | head: linear | train: norm=frozen opt=sgd"),
        (2, "{frozen}: freeze | {last}: tune | head: all-layer"),
        (2, "{frozen}: freeze | {last}: tune | head: linear"),  # from stored activations
        (3, "weights: random | all: tune | head: linear | train: rates=discriminative"),
    ],
)
def test_several_processes_train_what_one_trains(bench: Bench, text: str, devices: int) -> None:
    rows = ROWS if devices == 2 else ROWS[:18]  # of the last batch one process has nothing
    (one, alone), (several, together) = fitted(bench, text, 1, rows), fitted(bench, text, devices, rows)
    assert np.abs(alone - together).max() < CLOSE
    assert several.losses == pytest.approx(one.losses, rel=1e-5, abs=1e-5)


def trial_of(bench: Bench, text: str, epochs: int) -> Trial:
    recipe = Recipe.parse(text)
    kind, budget = family(recipe, bench.backbone.stage_names).value, Budget("screen-0", 64, None, epochs)
    options = (("lr", "0.001"),)
    return Trial(bench.backbone.name, "y", recipe, kind, options, "r0f0", 3, budget, (f"lr=0.001 epochs={epochs}",))


SPLIT = Split("r0f0", 0, 0, 3, tuple(ROWS.tolist()), tuple(REST.tolist()))


def test_a_longer_trial_goes_on_from_a_shorter_one_and_dropout_is_the_same_every_time(bench: Bench, tmp_path: Path) -> None:
    text, pair = "all: tune | head: mlp(16)", replace(bench, devices=2)
    forks = Forks(CheckpointStore(tmp_path, 10**9), followed=True)
    run_trial(pair, trial_of(bench, text, 4), SPLIT, forks=forks)
    forked = run_trial(pair, trial_of(bench, text, 6), SPLIT, forks=forks)
    whole = run_trial(pair, trial_of(bench, text, 6), SPLIT)
    assert (forked.forked, whole.forked) == (2, 0)
    assert np.array_equal(forked.probabilities, whole.probabilities) and forked.curve == whole.curve
    assert run_trial(bench, trial_of(bench, text, 6), SPLIT, forks=forks).forked == 0  # alone it would round otherwise


@dataclass
class KillOne:
    """A `watch` that kills the second process when training is under way."""

    seen: int = 0
    killed: list[int] = field(default_factory=list)

    def __call__(self) -> None:
        self.seen += 1
        if self.seen == 5:
            self.killed = sorted(workers())[1:]
            os.kill(self.killed[0], signal.SIGKILL)


def test_a_process_that_dies_ends_the_trial_and_leaves_nothing_behind(bench: Bench) -> None:
    pair = replace(bench, devices=2)
    task, killer = Task(trial_of(bench, "all: tune | head: linear", 500), SPLIT, bench.backbone.name), KillOne()
    found = CarryOut({bench.backbone.name: pair})(task, killer)
    assert isinstance(found, Lost) and "2 of the 2 that trained one network together died by SIGKILL" in found.reason
    assert len(killer.killed) == 1 and not workers()
    again = fitted(bench, "all: tune | head: linear | train: norm=frozen", 2)[0]
    assert len(again.losses) == 3


def test_a_loss_that_is_not_finite_ends_it_as_it_does_alone(bench: Bench) -> None:
    trial = replace(trial_of(bench, "all: tune | head: linear | train: lr=1e30 opt=sgd", 3))
    one, two = (run_trial(replace(bench, devices=devices), trial, SPLIT) for devices in (1, 2))
    assert one.outcome is two.outcome is not Outcome.DONE


@pytest.mark.gpu
@pytest.mark.skipif(gpus() < 2, reason="needs two GPUs")
def test_two_gpus_train_what_one_trains(bench: Bench) -> None:
    on_gpu = replace(bench, kernels=replace(bench.kernels, device="cuda"))
    for text in ("all: tune | head: linear", "all: tune | head: linear | train: norm=frozen"):
        (one, alone), (two, together) = fitted(on_gpu, text, 1), fitted(on_gpu, text, 2)
        assert np.abs(alone - together).max() < 1e-3
        assert two.losses == pytest.approx(one.losses, rel=1e-3)


def test_a_search_whose_networks_are_trained_by_two_gives_what_a_usual_one_gives(
    textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    # Not AdamW: its first steps go by the signs of gradients, and where the fitted head leaves none these are rounding's.
    recipes = ["all: tune | head: linear", "stem .. layer3: freeze | layer4: tune | head: linear"]
    recipes = [f"{recipe} | train: lr=0.0001 epochs=1 opt=sgd" for recipe in recipes]
    usual = fl.search(textures, backbone_name, out=tmp_path / "usual", backend="serial", recipe=recipes, size=64, limit=40)
    out = begun_like(usual, tmp_path / "two")
    words = [word for recipe in recipes for word in ("--recipe", recipe)]
    line = ["search", str(textures), "-b", backbone_name, "-o", str(out), *words, "--size", "64", "--limit", "40"]
    assert cli.run([*line, "--devices-per-trial", "2"]) == 0
    assert not workers()
    assert_same(usual, fl.Run(out))
    assert RunFolder.open(out).settings.devices_per_trial == 2
    two, one = (RunFolder.open(run).results.load_all() for run in (out, usual.path))
    assert two.keys() == one.keys()
    assert any(not np.array_equal(two[key].probabilities, one[key].probabilities) for key in one)  # it was really another way
