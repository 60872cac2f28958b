"""Optuna's search space is one of networks that do what they say, and its search ends with a choice."""

from pathlib import Path

import optuna
import pytest
import torch

from benchmarks import networks
from benchmarks.data import Rows
from benchmarks.peers.common import Job
from benchmarks.peers.optuna_peer import ENDS, HEADS, NETWORK, Choice, Search, build, refit, search, suggest


def given(kept: int = 5, frozen: int = 2, others: str = "tune", head: str = "linear", lr: float = 1e-3) -> Choice:
    return suggest(optuna.trial.FixedTrial({"kept": kept, "frozen": frozen, "others": others, "head": head, "lr": lr}))


def stages(weights: Path) -> list[torch.nn.Sequential]:
    return networks.stages(networks.units(NETWORK, weights), ENDS)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("kept", "frozen", "others"), [(2, 0, "reinit"), (2, 5, "tune"), (5, 0, "tune"), (5, 3, "reinit")])
def test_every_corner_of_the_space_is_a_network(weights: Path, kept: int, frozen: int, others: str, head: str) -> None:
    model = build(given(kept, frozen, others, head), weights, 3, 64, seed=0)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 3)
    assert len(model.stages) == kept
    assert [any(one.requires_grad for one in stage.parameters()) for stage in model.stages] == [
        place >= frozen for place in range(kept)
    ]


def test_stages_begin_as_they_were_given_or_anew(weights: Path) -> None:
    source = stages(weights)
    tuned, fresh = (build(given(others=others), weights, 2, 64, seed=1) for others in ("tune", "reinit"))
    assert [same(*pair) for pair in zip(tuned.stages, source, strict=True)] == [True] * 5
    assert [same(*pair) for pair in zip(fresh.stages, source, strict=True)] == [True, True, False, False, False]


def test_a_choice_says_what_it_does() -> None:
    said = "features.1: freeze | features.3: reinit | features.6 .. features.18: drop"
    assert str(given(kept=2, frozen=1, others="reinit", lr=0.002)) == f"{said} | head: linear, rate 0.002"
    assert given(kept=3, frozen=5, others="reinit") == Choice(3, 3, False, "linear", 1e-3)


def test_a_search_tries_the_ordinary_ways_first_and_trains_its_choice_again(weights: Path, rows: Rows, tmp_path: Path) -> None:
    job = Job(rows.train, rows.test, weights, 1, 32, 0, tmp_path / "out.json")
    objective = Search(job, seconds=None)
    study = search(objective, trials=3)
    assert [(one.params["frozen"], one.params["head"]) for one in study.trials[:2]] == [(5, "linear"), (0, "linear")]
    best = [value for _, value in objective.curve]
    assert len(best) == 3
    assert best == sorted(best)
    assert best[-1] == study.best_value
    model = refit(job, given(frozen=4))
    assert [same(*pair) for pair in zip(model.stages, stages(weights), strict=True)] == [True] * 4 + [False]


def test_a_search_without_time_still_finishes_one_trial(weights: Path, rows: Rows, tmp_path: Path) -> None:
    objective = Search(Job(rows.train, rows.test, weights, 1, 32, 0, tmp_path / "out.json"), seconds=1e-3)
    study = search(objective, trials=2)
    assert study.trials[0].state is optuna.trial.TrialState.COMPLETE
    assert len(objective.curve) == 1
