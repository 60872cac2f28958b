from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frostline.store.results import ResultStore
from frostline.terms.result import Outcome
from tests.store.values import result, trial

SAVE_FOREVER = """
import sys
from pathlib import Path
from frostline.store.results import ResultStore
from tests.store.values import result
store = ResultStore(Path(sys.argv[1]))
for seed in range(10**6):
    store.save(result(seed))
    print(seed, flush=True)
"""


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    store, saved = ResultStore(tmp_path), result()
    store.save(saved)
    loaded = store.load_all()[saved.trial.id]
    assert loaded.trial == saved.trial
    assert loaded.trial.id == saved.trial.id
    assert np.array_equal(loaded.indices, saved.indices)
    assert np.array_equal(loaded.probabilities, saved.probabilities)
    assert np.array_equal(loaded.curve, saved.curve, equal_nan=True)
    assert (loaded.outcome, loaded.seconds, loaded.trained_parameters) == (Outcome.DONE, 1.5, 1234)
    assert (loaded.converged, loaded.message) == (None, "naïve | ok")
    assert store.notes == []


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_comes_back(tmp_path: Path, outcome: Outcome) -> None:
    store = ResultStore(tmp_path)
    store.save(result(outcome=outcome))
    assert store.load_all()[trial().id].outcome is outcome


def test_saving_again_replaces_and_leaves_one_file(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.save(result())
    store.save(result())
    assert [path.name for path in tmp_path.iterdir()] == [f"{trial().id}.npz"]


def test_a_missing_folder_holds_no_results(tmp_path: Path) -> None:
    assert ResultStore(tmp_path / "none").load_all() == {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_another_result(tmp_path: Path, where: float, bit: int) -> None:
    store, saved = ResultStore(tmp_path), result()
    path = store.save(saved)
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    path.write_bytes(content)
    loaded = store.load_all()
    if loaded:  # the bit was in a part of the archive that carries no meaning, such as a time stamp
        assert np.array_equal(loaded[saved.trial.id].probabilities, saved.probabilities)
        assert loaded[saved.trial.id].trial == saved.trial
    else:
        assert path.name in store.notes[0]


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_file_is_noted_and_the_others_are_loaded(tmp_path: Path, length: int) -> None:
    store = ResultStore(tmp_path)
    path = store.save(result(0))
    store.save(result(1))
    path.write_bytes(path.read_bytes()[:length])
    assert set(store.load_all()) == {trial(1).id}
    assert len(store.notes) == 1 and "run again" in store.notes[0]


def test_a_result_under_another_trials_name_is_not_used(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.save(result(0)).rename(store.path(trial(1)))
    assert store.load_all() == {}
    assert trial(0).id in store.notes[0]


def test_kill_9_while_saving_loses_nothing_finished(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SAVE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.25)
        os.kill(process.pid, signal.SIGKILL)
        finished = [0] + [int(line) for line in process.stdout.read().split()]
    store = ResultStore(tmp_path)
    loaded = store.load_all()
    assert store.notes == []
    assert len(finished) > 1
    assert {trial(seed).id for seed in finished} <= set(loaded)
