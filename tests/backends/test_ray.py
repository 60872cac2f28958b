"""What only Ray can suffer; what every backend does is in test_conformance.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from frostline.backends import Lost
from frostline.errors import OptionError
from tests.backends import calls
from tests.backends.cluster import SMALL, cluster, tasks
from tests.backends.test_conformance import Stop, alive, asking, carried_out, nothing, wait_until

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two nodes of one core."""
    with cluster(1, 1) as made:
        yield made


@pytest.fixture
def on_nodes(nodes: Any) -> Iterator[Any]:
    from frostline.backends.ray import Ray

    with closing(Ray(nodes.address, 2)) as made:
        yield made


def test_an_item_whose_worker_is_killed_once_is_given_to_another_and_nothing_else_is_lost(on_nodes: Any, tmp_path: Path) -> None:
    found = carried_out(on_nodes, calls.DieAt(3, tmp_path / "died"), range(8))
    assert (tmp_path / "died").exists()
    assert sorted(found) == [(item, item * item) for item in range(8)]


def test_an_item_that_kills_every_worker_is_lost_alone_and_says_so(on_nodes: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """It says so in its place, and Ray does not in the middle of what a search prints."""
    found = dict(carried_out(on_nodes, calls.DieAt(3), range(5)))
    lost = found.pop(3)
    assert isinstance(lost, Lost) and "3 workers died" in lost.reason and "--workers" in lost.reason
    assert found == {item: item * item for item in range(5) if item != 3}
    assert capfd.readouterr().out == ""


def test_a_call_is_sent_once_a_worker_and_run(on_nodes: Any, tmp_path: Path) -> None:
    call = calls.Heavy(tmp_path / "log")
    pids = {pid for _, pid in carried_out(on_nodes, call, range(8))}
    assert sorted((tmp_path / "log").read_text().split()) == sorted(map(str, pids))


def test_an_exception_that_cannot_be_sent_is_told_in_words(on_nodes: Any) -> None:
    with pytest.raises(RuntimeError, match="Particular: 1 and 2") as caught:
        carried_out(on_nodes, calls.particular, [2])
    assert any("calls.py" in note for note in caught.value.__notes__)


def test_workers_have_an_environment_and_are_made_ready(nodes: Any) -> None:
    from frostline.backends.ray import Ray

    with closing(Ray(nodes.address, 2, environment={"WORKER": "mine"}, prepare=calls.ready)) as made:
        assert {name for _, (_, name) in carried_out(made, calls.who, range(2))} == {"mine"}
        assert carried_out(made, calls.made_ready, [1]) == [(1, True)]


def test_items_go_where_what_they_read_is(on_nodes: Any) -> None:
    """One after the other, so that either node is free each time."""
    found = {}
    for item in [calls.Near(name) for name in ("a", "b", "c") for _ in range(5)]:
        found.setdefault(item.near, []).extend(node for _, node in carried_out(on_nodes, calls.node_of, [item]))
    assert all(len(set(ran)) == 1 for ran in found.values())


def test_a_worker_sees_the_gpu_that_it_was_given_or_shares_and_is_kept() -> None:
    """Ray counts GPUs as it is told: none is needed here."""
    from frostline.backends.ray import Ray, Share

    with cluster() as made:
        made.add_node(num_cpus=2, num_gpus=2, **SMALL)
        for share, expected in ((1.0, {"0", "1"}), (0.5, {"0"})):
            with closing(Ray(made.address, 2, Share(1, share))) as backend:
                found = {result for _, result in carried_out(backend, calls.device, range(6))}
            assert {gpu for _, gpu in found} == expected and len(found) == 2


def test_a_cluster_that_was_there_stays_and_is_left_as_it_was(nodes: Any, tmp_path: Path) -> None:
    from frostline.backends.ray import Ray, look

    with closing(Ray(nodes.address, 2)) as made:
        run = made.run(calls.for_ever, asking([tmp_path] * 2), lambda: _raise_if(len(list(tmp_path.iterdir())) == 2))
        with closing(run), pytest.raises(Stop):
            next(run)
        assert carried_out(made, calls.square, [3]) == [(3, 9)]
    assert wait_until(lambda: not any(alive(int(path.name)) for path in tmp_path.iterdir()), 10) and not tasks()
    assert sorted(node.cpus for node in look(nodes.address)) == [0, 1, 1]


def _raise_if(holds: bool) -> None:
    if holds:
        raise Stop


@pytest.mark.slow
def test_an_item_on_a_node_that_is_removed_is_given_to_another(tmp_path: Path) -> None:
    from frostline.backends.ray import Ray

    with cluster(1) as made:
        leaving = made.add_node(num_cpus=1, **SMALL)
        with closing(Ray(made.address, 2)) as backend:
            left = iter(range(1, 9))

            def watch() -> None:
                nonlocal leaving
                if leaving is not None and len(tasks()) == 2:
                    made.remove_node(leaving, allow_graceful=False)
                    leaving = None

            found = list(backend.run(calls.square_slowly, lambda: next(left, None), watch))
            assert leaving is None and sorted(found) == [(item, item * item) for item in range(1, 9)]


PARENT = """
import sys
from pathlib import Path
from frostline.backends.ray import Ray
from tests.backends import calls
items = [Path(sys.argv[1])] * 2
list(Ray("local", 2).run(calls.for_ever, lambda: items.pop() if items else None, lambda: None))
"""


def test_no_worker_and_no_cluster_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 120)
        started = [*map(int, (path.name for path in tmp_path.iterdir())), *_children(parent.pid)]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert len(started) > 2 and wait_until(lambda: not any(alive(pid) for pid in started))


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.slow
def test_a_cluster_may_be_asked_from_outside(tmp_path: Path) -> None:
    """By Ray's client, which has a port of its own."""
    from frostline.backends.ray import Ray, look

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with cluster(1, ray_client_server_port=port):
        address = f"ray://127.0.0.1:{port}"
        assert wait_until(lambda: _listens(port))
        assert sorted(node.cpus for node in look(address)) == [0, 1]
        with closing(Ray(address, 1)) as made:
            assert sorted(carried_out(made, calls.DieAt(2, tmp_path / "died"), range(4))) == [(n, n * n) for n in range(4)]


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", ("127.0.0.1:1", "refused", "ray start --head", "--address local")),
        ("ray://127.0.0.1:1", ("ray://127.0.0.1:1", "refused")),
        ("nowhere", ("'nowhere'", "HOST:PORT")),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, words: tuple[str, ...]) -> None:
    from frostline.backends.ray import look

    with pytest.raises(OptionError) as caught:
        look(address)
    assert all(word in str(caught.value) for word in words)


def test_a_program_that_is_connected_stays_so(nodes: Any) -> None:
    import ray

    from frostline.backends.ray import Ray

    ray.init(address=nodes.address, log_to_driver=False)
    try:
        with closing(Ray("local", 2)) as made:
            assert carried_out(made, calls.square, [3], nothing) == [(3, 9)]
        assert ray.is_initialized() and len(ray.nodes()) == 3
    finally:
        ray.shutdown()


def test_signals_are_left_as_they_were(on_nodes: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    on_nodes.start()
    assert signal.getsignal(signal.SIGTERM) is before and os.getpid()
