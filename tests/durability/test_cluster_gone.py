"""A cluster without machines, without its head, and Ctrl-C: no hang, nothing is left running, the same command continues."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import frostline as fl
from tests.backends.cluster import SMALL, cluster, tasks
from tests.backends.test_conformance import alive, wait_until
from tests.durability.lives import Kept, Search, Whole, begun, decided, finished, kept, nothing_is_lost, temporary_files

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MOST_WAIT_S = 900.0  # for what takes seconds where the machine is free
LEFT_S = 90.0  # a machine that has lost its head ends what runs there after a minute
WITHOUT_S = 10.0  # that a search goes without any machine
FROZEN = 45  # results that are there before trials are under way that take a second or more


@dataclass
class Running:
    """A search as it is started by hand, in a group of processes of its own as in a terminal."""

    search: Search
    out: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for_trials(self) -> Kept:
        """Until a trial is under way, of those that are not over at once; what has been finished by then."""
        assert wait_until(lambda: self.over or (bool(tasks()) and len(self.results) >= FROZEN), MOST_WAIT_S)
        assert not self.over, self.said
        return kept(self.out)

    def ended(self) -> int:
        code = self.process.wait(MOST_WAIT_S)
        assert "Traceback" not in self.said, self.said
        return code

    def ctrl_c(self) -> None:
        """What a terminal does: everybody in the group is sent it."""
        os.killpg(self.process.pid, signal.SIGINT)

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    @property
    def results(self) -> list[Path]:
        return list(self.out.glob("results/*.npz"))


@contextlib.contextmanager
def running(search: Search, out: Path, log: Path, options: Sequence[str]) -> Iterator[Running]:
    with log.open("w") as file:
        command = [*search.command(out), *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
    try:
        yield Running(search, out, log, process)
    finally:
        process.kill()
        process.wait()


def on(address: str) -> list[str]:
    return ["--backend", "ray", "--address", address, "--workers", "1"]


def continues(search: Search, reference: Whole, before: Kept, out: Path, log: Path, options: Sequence[str]) -> None:
    """The same command, wherever it runs: what was finished is taken as it is, and the verdict is the reference's."""
    nothing_is_lost(before, kept(out))
    assert temporary_files(out) == []
    with running(search, out, log, options) as again:
        assert again.ended() == 0, again.said
    nothing_is_lost(before, kept(out))
    assert finished(out).keys() == finished(reference.path).keys()
    assert decided(out) == reference.decided


def test_items_wait_until_a_machine_joins(search: Search, reference: Whole, tmp_path: Path) -> None:
    out = begun(reference, tmp_path / "run")
    with cluster(1) as made, running(search, out, tmp_path / "log", on(made.address)) as first:
        before = first.wait_for_trials()
        without_machines(made)
        time.sleep(WITHOUT_S)
        assert not first.over and not tasks()
        made.add_node(num_cpus=1, **SMALL)
        assert first.ended() == 0, first.said
    nothing_is_lost(before, kept(out))
    assert decided(out) == reference.decided and finished(out).keys() == finished(reference.path).keys()


def test_ctrl_c_ends_the_wait_for_a_machine(search: Search, reference: Whole, tmp_path: Path) -> None:
    out = begun(reference, tmp_path / "run")
    with cluster(1) as made, running(search, out, tmp_path / "log", on(made.address)) as first:
        before = first.wait_for_trials()
        without_machines(made)
        time.sleep(WITHOUT_S)
        first.ctrl_c()
        assert first.ended() == 130, first.said
    assert fl.Run(out).verdict.interim
    continues(search, reference, before, out, tmp_path / "log", ["--backend", "serial"])


@contextlib.contextmanager
def impatient_cluster() -> Iterator[Any]:
    """Its machine works on for seconds without a head, not for a minute: a quick search would be over by then."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
            made = stack.enter_context(cluster(1))
        yield made


def without_machines(made: Any) -> None:
    for node in list(made.worker_nodes):
        made.remove_node(node, allow_graceful=False)


def kill_the_head_s_machine(made: Any) -> None:
    """Which is the machine of the search too."""
    made.remove_node(made.head_node, allow_graceful=False)


def kill_the_head_alone(made: Any) -> None:
    """As seen from a search on another machine of the cluster."""
    os.kill(made.head_node.all_processes["gcs_server"][0].process.pid, signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_the_head_s_machine, kill_the_head_alone])
def test_a_head_that_goes_ends_the_search_with_one_sentence(
    kill: Callable[[Any], None], search: Search, reference: Whole, tmp_path: Path
) -> None:
    """The same command continues: on another cluster, or with another backend."""
    out = begun(reference, tmp_path / "run")
    with impatient_cluster() as made, running(search, out, tmp_path / "log", on(made.address)) as first:
        before = first.wait_for_trials()
        address = made.address
        kill(made)
        assert first.ended() == 2, first.said
        last = first.said.strip().splitlines()[-1]
        assert last.startswith(f"frostline: the Ray cluster at address '{address}' is gone (")
        assert "same command continues" in last and first.said.count("is gone") == 1
        assert wait_until(lambda: not tasks(), LEFT_S)
    if kill is kill_the_head_alone:
        continues(search, reference, before, out, tmp_path / "log", ["--backend", "serial"])
        return
    with cluster(1) as other:
        continues(search, reference, before, out, tmp_path / "log", on(other.address))


def test_ctrl_c_leaves_the_cluster_as_it_was_and_an_interim_verdict(search: Search, reference: Whole, tmp_path: Path) -> None:
    from frostline.backends.ray import look

    out = begun(reference, tmp_path / "run")
    with cluster(1) as made:
        with running(search, out, tmp_path / "log", on(made.address)) as first:
            before = first.wait_for_trials()
            first.ctrl_c()
            assert first.ended() == 130, first.said
        assert wait_until(lambda: not tasks(), 10)
        assert fl.Run(out).verdict.interim and "same command continues" in first.said
        assert sorted(node.cpus for node in look(made.address)) == [0, 1]
        continues(search, reference, before, out, tmp_path / "log", on(made.address))


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_a_cluster_that_was_started_here(times: int, search: Search, reference: Whole, tmp_path: Path) -> None:
    """Twice is at once, without a verdict; no process is left either way."""
    out = begun(reference, tmp_path / "run")
    with running(search, out, tmp_path / "log", on("local")) as first:
        before = first.wait_for_trials()
        started = descendants(first.process.pid)
        assert len(started) > 3
        first.ctrl_c()
        if times == 2:
            assert wait_until(lambda: "Again: at once" in first.said, 10)
            first.ctrl_c()
        assert first.ended() == 130, first.said
    assert wait_until(lambda: not [pid for pid in started if alive(pid)], 10)
    continues(search, reference, before, out, tmp_path / "log", ["--backend", "serial"])


def descendants(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [one for child in map(int, listed) for one in (child, *descendants(child))]
