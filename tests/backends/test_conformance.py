"""One test x every backend; what only processes can suffer comes after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from frostline.backends import Backend, Lost, Process, Serial, Threads, Watch
from tests.backends import calls

BACKENDS = {
    "serial": lambda: Serial(),
    "threads": lambda: Threads(2),
    "process": lambda: Process([{"WORKER": "a"}, {"WORKER": "b"}]),
}
EVERY = [*BACKENDS, pytest.param("ray", marks=pytest.mark.ray)]


class Stop(Exception):
    """What a watch raises here."""


@pytest.fixture(scope="module")
def ray_here() -> Iterator[Backend]:
    """Started here when it is first used, and again after it was closed."""
    from frostline.backends.ray import Ray

    made = Ray("local", 2)
    yield made
    made.close()


@pytest.fixture(params=EVERY)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "ray":
        yield request.getfixturevalue("ray_here")
        return
    made = BACKENDS[request.param]()
    yield made
    made.close()


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process([{"WORKER": "a"}, {"WORKER": "b"}])
    yield made
    made.close()


def nothing() -> None:
    """A watch that never stops anything."""


def asking(items: Sequence[Any]) -> Callable[[], Any]:
    left = iter(items)
    return lambda: next(left, None)


def carried_out(
    backend: Backend, call: Callable[..., Any], items: Sequence[Any], watch: Watch = nothing
) -> list[tuple[Any, Any]]:
    return list(backend.run(call, asking(items), watch))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(holds())


@pytest.mark.parametrize("call", [calls.square, calls.square_slowly])
def test_each_item_comes_back_once_with_its_result(backend: Backend, call: Callable[..., Any]) -> None:
    found = carried_out(backend, call, range(1, 8))
    assert sorted(found) == [(item, item * item) for item in range(1, 8)]


def test_nothing_to_do_is_done_at_once(backend: Backend) -> None:
    assert carried_out(backend, calls.square, []) == []


def test_a_backend_may_be_used_again(backend: Backend) -> None:
    for items in (range(3), range(3, 6)):
        assert sorted(carried_out(backend, calls.square, items)) == [(item, item * item) for item in items]


def test_what_is_asked_for_may_depend_on_what_was_finished(backend: Backend) -> None:
    """A chain: each result brings the next item, while others are under way."""
    waiting, seen = [2, 3, 10], []
    for item, result in backend.run(calls.square, lambda: waiting.pop(0) if waiting else None, nothing):
        seen.append(item)
        if item in (2, 4):
            waiting.append(result)
    assert sorted(seen) == [2, 3, 4, 10, 16]


def test_nothing_is_asked_for_before_somebody_is_free(backend: Backend) -> None:
    given: list[int] = []

    def ask() -> int | None:
        given.append(len(given))
        return given[-1] if len(given) <= 6 else None

    for done, _ in enumerate(backend.run(calls.square, ask, nothing)):
        assert len(given) <= done + backend.workers + 1


def test_an_exception_in_a_call_is_raised_with_its_type_and_the_backend_goes_on_living(backend: Backend) -> None:
    with pytest.raises(OverflowError, match="five is too much"):
        carried_out(backend, calls.five_is_too_much, range(1, 9))
    assert sorted(carried_out(backend, calls.square, range(4))) == [(0, 0), (1, 1), (2, 4), (3, 9)]


def test_what_a_call_itself_gives_up_is_not_tried_again(backend: Backend) -> None:
    assert carried_out(backend, calls.lost, [1]) == [(1, Lost("1 was lost"))]


def test_a_watch_that_raises_ends_the_run(backend: Backend, tmp_path: Path) -> None:
    def watch() -> None:
        if any(tmp_path.iterdir()):
            raise Stop

    with pytest.raises(Stop):
        carried_out(backend, calls.for_ever, [tmp_path] * 3, watch)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert workers and wait_until(lambda: all(pid == os.getpid() or not alive(pid) for pid in workers), 10)


def test_nothing_is_left_running_after_close(backend: Backend) -> None:
    backend.start()
    pids = {pid for _, (pid, _) in carried_out(backend, calls.who, range(4))}
    backend.close()
    backend.close()
    assert len(pids) == (1 if pids == {os.getpid()} else backend.workers)
    assert not any(alive(pid) for pid in pids if pid != os.getpid())


# --- processes alone --------------------------------------------------------------------------------------------------


def test_each_worker_has_its_own_environment(process: Process) -> None:
    found = {result for _, result in carried_out(process, calls.who, range(6))}
    assert {name for _, name in found} == {"a", "b"} and len(found) == 2


def test_workers_are_started_when_they_are_needed_and_no_more_of_them(process: Process) -> None:
    assert len({pid for _, (pid, _) in carried_out(process, calls.who, [1])}) == 1
    assert len(process._workers) == 1


def test_a_call_is_sent_once_a_worker_and_run(process: Process, tmp_path: Path) -> None:
    call = calls.Heavy(tmp_path / "log")
    pids = {pid for _, pid in carried_out(process, call, range(12))}
    assert sorted((tmp_path / "log").read_text().split()) == sorted(map(str, pids))


def test_a_new_worker_is_made_ready_first() -> None:
    with closing(Process([{}], calls.ready)) as process:
        assert carried_out(process, calls.made_ready, [1]) == [(1, True)]


def test_an_item_whose_worker_is_killed_once_is_given_to_another_and_nothing_else_is_lost(
    process: Process, tmp_path: Path
) -> None:
    found = carried_out(process, calls.DieAt(3, tmp_path / "died"), range(8))
    assert (tmp_path / "died").exists()
    assert sorted(found) == [(item, item * item) for item in range(8)]


def test_an_item_that_kills_every_worker_is_lost_alone_and_says_so(process: Process) -> None:
    found = dict(carried_out(process, calls.DieAt(3), range(8)))
    lost = found.pop(3)
    assert isinstance(lost, Lost) and "SIGKILL" in lost.reason and "--workers" in lost.reason
    assert found == {item: item * item for item in range(8) if item != 3}


def test_a_worker_that_died_while_idle_costs_nothing(process: Process) -> None:
    first = {pid for _, (pid, _) in carried_out(process, calls.who, range(4))}
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in first))
    second = {pid for _, (pid, _) in carried_out(process, calls.who, range(4))}
    assert len(second) == 2 and not first & second


def test_an_exception_that_cannot_be_sent_is_told_in_words(process: Process) -> None:
    with pytest.raises(RuntimeError, match="Particular: 1 and 2") as caught:
        carried_out(process, calls.particular, [2])
    assert any("calls.py" in note for note in caught.value.__notes__)


def test_a_run_that_is_not_taken_to_its_end_gives_up_what_is_under_way(process: Process, tmp_path: Path) -> None:
    run = process.run(calls.for_ever, asking([tmp_path]), lambda: _raise_if(any(tmp_path.iterdir())))
    with closing(run), pytest.raises(Stop):
        next(run)
    assert carried_out(process, calls.square, [3]) == [(3, 9)]


def _raise_if(holds: bool) -> None:
    if holds:
        raise Stop


PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
from pathlib import Path
from frostline.backends import Process
from tests.backends import calls
items = [Path(sys.argv[1])] * 2
list(Process([{}, {}]).run(calls.for_ever, lambda: items.pop() if items else None, lambda: None))
"""


@contextmanager
def _with_workers(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A process whose two workers are busy, in a group of its own as a terminal's would be."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stderr=subprocess.DEVNULL, process_group=0)
    try:
        assert wait_until(lambda: len(list(folder.iterdir())) == 2)
        yield parent, [int(path.name) for path in folder.iterdir()]
    finally:
        parent.kill()
        parent.wait()


def test_no_worker_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    with _with_workers(tmp_path) as (parent, workers):
        parent.kill()
        assert wait_until(lambda: not any(alive(pid) for pid in workers))


def test_an_interrupt_from_the_terminal_is_the_asking_process_s_alone(tmp_path: Path) -> None:
    with _with_workers(tmp_path) as (parent, workers):
        for pid in workers:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.3)
        assert all(alive(pid) for pid in workers)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(60) == -signal.SIGINT
        assert wait_until(lambda: not any(alive(pid) for pid in workers))


UNGUARDED = """
from frostline.backends import Process
from tests.backends.calls import square
items = [1, 2, 3]
print(sorted(Process([{}, {}]).run(square, lambda: items.pop() if items else None, lambda: None)))
"""


def test_a_script_without_a_main_guard_may_use_processes(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, str(Path.cwd())]))}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.stdout == "[(1, 1), (2, 4), (3, 9)]\n", done.stderr
