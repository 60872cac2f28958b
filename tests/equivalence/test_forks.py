"""A trial that goes on from a shorter one's state is the trial that was run from the beginning, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frostline.compute.bench import Bench
from frostline.compute.forks import FINISHED, Forks
from frostline.compute.trials import run_trial
from frostline.store.checkpoints import CheckpointStore
from frostline.terms.data import Split
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe, family
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Budget, Trial

SPLIT = Split("r0f0", 0, 0, 3, tuple(range(0, 48, 2)), tuple(range(1, 48, 2)))
WHOLE = "all: tune | head: linear"
MLP = "all: tune | head: mlp(16)"  # with dropout


@pytest.fixture(scope="module")
def bench(make_bench) -> Bench:
    return make_bench("timm/test_resnet", views=3)


def trial_of(bench: Bench, text: str, epochs: int, rung: str = "screen-0") -> Trial:
    recipe = Recipe.parse(text)
    kind = family(recipe, bench.backbone.stage_names).value
    budget = Budget(rung, 64, None, epochs)
    return Trial("x", "y", recipe, kind, (("lr", "0.001"),), "r0f0", 3, budget, (f"lr=0.001 epochs={epochs}",))


def store_in(folder: Path) -> CheckpointStore:
    return CheckpointStore(folder, 10**9)


def run(bench: Bench, text: str, epochs: int, store: CheckpointStore | None, rung: str = "screen-0") -> Result:
    forks = None if store is None else Forks(store, followed=True)
    result = run_trial(bench, trial_of(bench, text, epochs, rung), SPLIT, forks=forks)
    assert result.outcome is Outcome.DONE, result.message
    return result


def same(one: Result, other: Result) -> bool:
    return bool((one.probabilities == other.probabilities).all()) and one.curve == other.curve


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,  # batch normalisation, three views
        f"{WHOLE} | train: opt=sgd",
        f"{WHOLE} | train: norm=frozen rates=discriminative",
        MLP,
        f"weights: random | {MLP} | train: opt=sgd",
        "{frozen}: freeze | {last}: tune | head: mlp(16)",  # from stored activations
        "all: freeze | head: conv(8)x2",
    ],
)
def test_a_forked_trial_equals_the_one_from_the_beginning(bench: Bench, text: str, tmp_path: Path) -> None:
    stages = bench.backbone.stage_names
    text = text.format(frozen=f"{stages[0]} .. {stages[-2]}", last=stages[-1])
    store = store_in(tmp_path)
    alone = run(bench, text, 6, None)
    shorter = run(bench, text, 4, store)
    forked = run(bench, text, 6, store, "screen-1")
    assert (alone.forked, shorter.forked, forked.forked) == (0, 0, 2)
    assert same(forked, alone) and not same(shorter, alone)
    assert forked.curve[:2] == shorter.curve[:2]


def test_a_memory_format_survives_the_file(bench: Bench, tmp_path: Path) -> None:
    contiguous = replace(bench.kernels.train, channels_last=False)
    other = replace(bench, kernels=replace(bench.kernels, train=contiguous), passes={}, starts={})
    store = store_in(tmp_path)
    run(other, WHOLE, 3, store)
    assert same(run(other, WHOLE, 6, store), run(other, WHOLE, 6, None))


def test_trials_fork_again_and_again(bench: Bench, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    forked = [run(bench, MLP, epochs, store) for epochs in (2, 4, 8)]
    assert [one.forked for one in forked] == [0, 1, 2]
    assert same(forked[-1], run(bench, MLP, 8, None))


def test_a_shorter_trial_does_not_go_on_from_a_longer_one(bench: Bench, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    run(bench, WHOLE, 6, store)
    again = run(bench, WHOLE, 3, store)
    assert again.forked == 0 and same(again, run(bench, WHOLE, 3, None))


@pytest.mark.parametrize("text", [WHOLE, "all: freeze | head: conv(8)x2"])
def test_a_kept_network_is_looked_at_without_training_it_again(bench: Bench, text: str, tmp_path: Path) -> None:
    store, trial = store_in(tmp_path), trial_of(bench, text, 2)
    look = Forks(store, looks_back=True)
    alone = run_trial(bench, trial, SPLIT, forks=Forks(store))
    assert not look.knows(trial), "nobody asked for it"
    kept = run_trial(bench, trial, SPLIT, forks=Forks(store, kept=True))
    assert look.knows(trial) and not look.knows(trial_of(bench, text, 3))
    seen = run_trial(bench, trial, SPLIT, forks=look)
    assert (kept.forked, seen.forked) == (0, 2)
    assert same(alone, kept) and same(seen, kept)
    again = run_trial(bench, trial, SPLIT, forks=Forks(store, kept=True))
    assert again.forked == 0, "a trial is carried out"


def test_a_network_of_other_images_is_not_looked_at(bench: Bench, tmp_path: Path) -> None:
    store, trial = store_in(tmp_path), trial_of(bench, WHOLE, 2)
    run_trial(bench, trial, SPLIT, forks=Forks(store, kept=True))
    fewer = replace(SPLIT, train=SPLIT.train[:-2])
    seen = run_trial(bench, trial, fewer, forks=Forks(store, looks_back=True))
    assert seen.forked == 0 and same(seen, run_trial(bench, trial, fewer))


def test_kept_networks_stay_when_the_states_of_screening_go(bench: Bench, tmp_path: Path) -> None:
    store, trial = store_in(tmp_path), trial_of(bench, WHOLE, 2)
    run_trial(bench, trial, SPLIT, forks=Forks(store, followed=True, kept=True))
    assert store.holds(trial.lineage)
    store.clear(but=FINISHED)
    assert not store.holds(trial.lineage)
    assert run_trial(bench, trial, SPLIT, forks=Forks(store, looks_back=True)).forked == 2
    Forks(store).forget(trial)
    assert not Forks(store).knows(trial)


@pytest.mark.parametrize("damage", ["missing", "flipped", "cut"])
def test_without_an_intact_checkpoint_it_trains_from_the_beginning(bench: Bench, damage: str, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    run(bench, WHOLE, 3, store)
    file = next(store.folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.unlink()
    if damage != "missing":
        file.write_bytes(content if damage == "flipped" else content[:-20])
    result = run(bench, WHOLE, 6, store)
    assert result.forked == 0 and same(result, run(bench, WHOLE, 6, None))


def test_a_state_of_other_labels_images_or_kernels_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    run(bench, WHOLE, 4, store)
    flipped = replace(bench, labels=1 - bench.labels, starts={})
    fewer_views = replace(bench, views=bench.views[:1])
    half = replace(bench, kernels=replace(bench.kernels, train=Mode("bf16")))
    for other in (flipped, fewer_views, half):
        trial = trial_of(other, WHOLE, 6)
        assert run_trial(other, trial, SPLIT, forks=Forks(store)).forked == 0
    fewer = replace(SPLIT, train=SPLIT.train[:-2])
    assert run_trial(bench, trial_of(bench, WHOLE, 6), fewer, forks=Forks(store)).forked == 0
    assert run_trial(bench, trial_of(bench, WHOLE, 6), SPLIT, forks=Forks(store)).forked == 2


def test_nothing_is_left_where_nothing_follows(bench: Bench, tmp_path: Path) -> None:
    store = store_in(tmp_path / "checkpoints")
    run_trial(bench, trial_of(bench, WHOLE, 3), SPLIT, forks=Forks(store))
    run(bench, WHOLE, 1, store)  # its cooldown is its only epoch
    assert store.bytes_used() == 0


class Killed(BaseException):
    """Not an error of the trial: the process ends."""


def test_a_trial_that_was_killed_in_its_cooldown_goes_on_where_that_began(bench: Bench, tmp_path: Path) -> None:
    store, steps = store_in(tmp_path), 0

    def watch() -> None:
        nonlocal steps
        steps += 1
        if steps > 5 * 3:  # three batches an epoch, three epochs before the cooldown
            raise Killed

    trial, forks = trial_of(bench, MLP, 6), Forks(store, followed=True)
    with pytest.raises(Killed):
        run_trial(bench, trial, SPLIT, watch, forks)
    torch.manual_seed(99)  # another process
    result = run_trial(bench, trial, SPLIT, forks=Forks(store_in(tmp_path), followed=True))
    assert result.forked == 3 and same(result, run(bench, MLP, 6, None))
    assert np.isfinite(result.probabilities).all()
