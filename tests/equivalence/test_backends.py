"""A search carried out by processes gives what a serial one gives, also when its workers are killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import frostline as fl
from frostline.compute.machine import settings_restored
from frostline.store.run_folder import RunFolder
from frostline.terms.progress import Event, TrialFinished
from tests.session.conftest import RECIPES

SIZE = 64
CLOSE = 1e-5


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many as each of two workers has: with another number of threads sums are taken in another order."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # no more are tried
    with settings_restored():
        torch.set_num_threads(1)
        yield


def workers() -> list[int]:
    """Processes of this one that carry out trials."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"backends.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@dataclass
class KillAt:
    """A listener that kills all workers when so many trials are finished."""

    finished: int
    count: int = 0
    killed: list[int] = field(default_factory=list)

    def update(self, event: Event) -> None:
        self.count += isinstance(event, TrialFinished)
        if self.count == self.finished and not self.killed:
            self.killed = workers()
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


def begun_like(run: fl.Run, out: Path) -> Path:
    """A run folder with the kernels and sizes of `run` alone: what was probed differs from one start to the next."""
    out.mkdir()
    shutil.copy(run.path / "config.yaml", out)
    return out


def assert_same(one: fl.Run, other: fl.Run) -> None:
    predictions = [pd.read_parquet(run.path / "predictions.parquet") for run in (one, other)]
    keys = [name for name in predictions[0].columns if predictions[0][name].dtype.kind != "f"]
    tables = [table.astype(dict.fromkeys(keys, str)) for table in predictions]
    first, second = (table.sort_values(keys).reset_index(drop=True) for table in tables)
    assert first[keys].equals(second[keys])
    for name in set(first.columns) - set(keys):
        assert np.abs(first[name] - second[name]).max() < CLOSE, name
    mine, theirs = one.verdict, other.verdict
    assert (mine.chosen.recipe, mine.chosen.configuration) == (theirs.chosen.recipe, theirs.chosen.configuration)
    assert [(row.recipe, row.status, row.folds, row.trials) for row in mine.rows] == [
        (row.recipe, row.status, row.folds, row.trials) for row in theirs.rows
    ]
    assert mine.score.interval.value == pytest.approx(theirs.score.interval.value, abs=1e-4)
    assert [(claim.claim, claim.verdict) for claim in mine.claims] == [(claim.claim, claim.verdict) for claim in theirs.claims]


def test_processes_give_what_one_after_the_other_gives(
    textures: Path,
    backbone_name: str,
    tmp_path: Path,
) -> None:
    options = {"recipe": [RECIPES[0], RECIPES[1], RECIPES[3], RECIPES[5]], "size": SIZE, "limit": 60}
    serial = fl.search(textures, backbone_name, out=tmp_path / "serial", backend="serial", **options)
    killer = KillAt(7)
    out = begun_like(serial, tmp_path / "process")
    process = fl.search(textures, backbone_name, out=out, backend="process", workers=2, listener=killer, **options)
    assert len(killer.killed) == 2 and not workers()
    assert_same(serial, process)
    settings = RunFolder.open(out).settings
    assert (settings.backend, settings.workers) == ("process", 2)


@pytest.mark.slow
def test_a_whole_panel_with_screening_and_finalists_is_the_same(
    textures: Path,
    backbone_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("frostline.planning.allot.FREE_EPOCHS", 2)
    monkeypatch.setattr("frostline.planning.allot.FREE_SCRATCH_EPOCHS", 1)
    monkeypatch.setattr("frostline.session.finals.MOST_EPOCHS", 4)
    options = {"size": SIZE, "limit": 60}
    serial = fl.search(textures, backbone_name, out=tmp_path / "serial", backend="serial", **options)
    out = begun_like(serial, tmp_path / "process")
    process = fl.search(textures, backbone_name, out=out, backend="process", workers=2, **options)
    assert len({row.family for row in process.verdict.rows}) > 8
    rungs = {result.trial.budget.rung for result in process._folder.results.load_all().values()}
    assert rungs == {"full", "screen-0", "screen-1"}
    assert_same(serial, process)
