"""Workers killed, nodes removed, the search itself killed: the verdict is a serial search's, and each trial counts once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.backends.cluster import SMALL, cluster, tasks
from tests.durability.lives import Search, Whole, begun, decided, finished, kept, nothing_is_lost, temporary_files

FAULTS = 12
SEED = 20261127
MOST_WAIT_S = 300.0  # until there is something to hit: a busy machine starts slowly


@dataclass
class Trouble:
    """A search on a cluster, what is done to it, and what was hit."""

    search: Search
    cluster: Any
    out: Path
    log: Path
    hit: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    driver: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        command = [*self.search.command(self.out), "--backend", "ray", "--address", self.cluster.address, "--workers", "2"]
        with self.log.open("a") as log:
            self.driver = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})

    @property
    def over(self) -> bool:
        return self.driver is None or self.driver.poll() is not None

    def wait_for_work(self) -> bool:
        """Whether a task came under way; a moment later, so that any part of it is met."""
        end = time.monotonic() + MOST_WAIT_S
        while not self.over and time.monotonic() < end:
            if tasks():
                time.sleep(self.chance.uniform(0.0, 1.0))
                return not self.over
            time.sleep(0.02)
        return False

    def kill_worker(self) -> bool:
        for pid in tasks():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def remove_node(self) -> bool:
        """One of them, and another comes."""
        nodes = sorted(self.cluster.worker_nodes, key=id)
        self.cluster.remove_node(self.chance.choice(nodes), allow_graceful=False)
        self.cluster.add_node(num_cpus=1, **SMALL)
        return True

    def kill_driver(self) -> bool:
        assert self.driver is not None
        self.driver.kill()
        self.driver.wait()
        return True


KINDS = ("kill_worker", "remove_node", "kill_driver")  # in turn: so no item meets three deaths in one life of the search


@pytest.mark.ray
@pytest.mark.slow
def test_faults_of_every_kind_leave_the_verdict_of_a_serial_search(search: Search, reference: Whole, tmp_path: Path) -> None:
    with cluster(1, 1) as made:
        trouble, number = Trouble(search, made, begun(reference, tmp_path / "run0"), tmp_path / "log"), 0
        trouble.begin()
        while trouble.hit.total() < FAULTS:
            before = kept(trouble.out)
            kind = KINDS[trouble.hit.total() % len(KINDS)]
            if trouble.wait_for_work():
                trouble.hit[kind] += getattr(trouble, kind)()
            nothing_is_lost(before, kept(trouble.out))
            if trouble.over and kind != "kill_driver":
                counted_once(trouble, reference)
                number += 1
                trouble.out = begun(reference, tmp_path / f"run{number}")
            if trouble.over:
                trouble.begin()
        assert trouble.driver is not None
        trouble.driver.wait(MOST_WAIT_S)
        counted_once(trouble, reference)
    print(f"hit: {dict(trouble.hit)}, in {number + 1} searches")


def counted_once(trouble: Trouble, reference: Whole) -> None:
    assert trouble.driver is not None and trouble.driver.returncode == 0, trouble.log.read_text()[-3000:]
    assert finished(trouble.out).keys() == finished(reference.path).keys()
    assert decided(trouble.out) == reference.decided
    assert temporary_files(trouble.out) == []
