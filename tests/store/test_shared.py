"""A store of activations that several runs share: on a file system, in memory, and in a real S3 server process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from frostline.errors import OptionError
from frostline.store.activations import ActivationStore
from frostline.store.shared import SharedStore, without_user
from tests.store.s3 import S3, s3
from tests.store.values import key

__all__ = ["s3"]

ROWS = np.arange(50 * 3 * 4, dtype=np.float16).reshape(50, 3, 4)


def fill(store: ActivationStore, cut: str = "layer3", rows: np.ndarray = ROWS) -> None:
    with store.writer(key(cut), rows.shape, rows.dtype) as writer:
        writer.array[:] = rows


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "shared")
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    request.getfixturevalue("s3")
    return f"s3://shared/{uuid.uuid4().hex}"


def test_what_one_run_made_another_fetches(url: str, tmp_path: Path) -> None:
    SharedStore(url).check()
    first, second = (ActivationStore(tmp_path / name, shared=SharedStore(url)) for name in ("one", "two"))
    assert first.get(key()) is None
    fill(first)
    found = second.get(key())
    assert isinstance(found, np.memmap) and np.array_equal(found, ROWS)
    assert Path(str(found.filename)).parent == tmp_path / "two"  # mapped from its own disk
    assert second.shared is not None and second.shared.fetched_bytes > ROWS.nbytes
    assert ActivationStore(tmp_path / "three", shared=SharedStore(url)).get(key("layer4")) is None


def test_large_arrays_come_back_whole(url: str, tmp_path: Path) -> None:
    """Above the size at which an upload has several parts."""
    rows = np.random.default_rng(0).random((60, 1000, 250)).astype(np.float32)
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(url)), rows=rows)
    found = ActivationStore(tmp_path / "two", shared=SharedStore(url)).get(key())
    assert found is not None and np.array_equal(found, rows)


def test_no_room_here_is_no_error(url: str, tmp_path: Path) -> None:
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(url)))
    small = ActivationStore(tmp_path / "two", 100, shared=SharedStore(url))
    assert small.get(key()) is None and "--cache-size" in small.refusals[0]
    assert not list((tmp_path / "two").glob("*.npy"))


def test_a_damaged_entry_is_not_handed_out(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(str(shared))))
    (array,) = shared.rglob("*.npy")
    whole = array.read_bytes()
    for damaged in (whole[:-10], whole[:-1] + b"\x7f", b""):
        array.write_bytes(damaged)
        assert ActivationStore(tmp_path / "two", shared=SharedStore(str(shared))).get(key()) is None
    array.unlink()
    assert ActivationStore(tmp_path / "two", shared=SharedStore(str(shared))).get(key()) is None
    (label,) = shared.rglob(f"{key().id}.json")
    for damaged in (b"", b"{}", b"\xff"):
        label.write_bytes(damaged)
        assert ActivationStore(tmp_path / "two", shared=SharedStore(str(shared))).get(key()) is None


TWO_RUNS = """
import sys
import numpy as np
from pathlib import Path
from frostline.store.activations import ActivationStore
from frostline.store.shared import SharedStore
from tests.store.values import key
store = ActivationStore(Path(sys.argv[1]), shared=SharedStore(sys.argv[2]))
number, (start, count) = int(sys.argv[3]), map(int, sys.argv[4:6])
for place in range(start, start + count):
    found = store.get(key(f"cut{place}"))
    if found is None:
        with store.writer(key(f"cut{place}"), (100, 64), "float32") as writer:
            writer.array[:] = place + number / 10
        found = store.get(key(f"cut{place}"))
    assert found is not None and len(np.unique(found)) == 1 and abs(found[0, 0] - place) < 0.5, (place, found)
assert not store.refusals and not store.shared.lost, (store.refusals, store.shared.lost)
"""


def test_two_processes_on_one_store_do_not_disturb_each_other(url: str, tmp_path: Path) -> None:
    """They write the same entries with bytes of their own, as two machines would that round differently."""
    if url.startswith("memory"):
        pytest.skip("memory is of one process")
    runs = [
        subprocess.Popen([sys.executable, "-c", TWO_RUNS, str(tmp_path / f"run{number}"), url, str(number), "0", "25"])
        for number in range(2)
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    later = ActivationStore(tmp_path / "later", shared=SharedStore(url))
    for place in range(25):
        found = later.get(key(f"cut{place}"))
        assert found is not None and len(np.unique(found)) == 1  # of one of the two, never of both


@pytest.mark.slow
def test_a_killed_writer_leaves_nothing_that_is_taken_for_whole(url: str, tmp_path: Path) -> None:
    if url.startswith("memory"):
        pytest.skip("memory is of one process")
    shared, starts = SharedStore(url), (0, 4000, 8000)
    for number, start in enumerate(starts):
        run = subprocess.Popen([sys.executable, "-c", TWO_RUNS, str(tmp_path / f"{start}"), url, "0", str(start), "4000"])
        until = time.monotonic() + 120
        while not shared.size(key(f"cut{start}")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3 * number)
        run.kill()
        run.wait()
    later = ActivationStore(tmp_path / "later", shared=shared)
    for start in starts:
        found = [later.get(key(f"cut{place}")) for place in range(start, start + 100)]
        assert found[0] is not None
        assert all(array is None or len(np.unique(array)) == 1 for array in found)


class Clock:
    """Time that passes while one waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds


def broken_for(seconds: float, clock: Clock, folder: Path) -> SharedStore:
    """A store on a file system that fails until then, as a network drive does."""
    store = SharedStore(str(folder), sleep=clock.sleep, now=clock.now)
    whole = store._fs

    class Failing:
        protocol = "failing"

        def __getattr__(self, name: str) -> object:
            if clock.seconds < seconds:
                raise ConnectionError("no route to host")
            return getattr(whole, name)

    store._fs = Failing()
    return store


def test_a_minute_away_is_waited_for(tmp_path: Path) -> None:
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(str(tmp_path / "shared"))))
    clock, said = Clock(), []
    shared = broken_for(60, clock, tmp_path / "shared")
    shared.told = said.append
    found = ActivationStore(tmp_path / "two", shared=shared).get(key())
    assert found is not None and np.array_equal(found, ROWS)
    assert 60 <= clock.seconds <= 90 and not shared.lost
    assert len(said) == 1 and "no route to host" in said[0]


def test_a_store_that_stays_away_is_told_once_and_loses_nothing(tmp_path: Path) -> None:
    clock, said = Clock(), []
    shared = broken_for(1e9, clock, tmp_path / "shared")
    shared.told = said.append
    store = ActivationStore(tmp_path / "two", shared=shared)
    fill(store)
    waited = clock.seconds
    fill(store, "layer4")
    for cut in ("layer3", "layer4"):
        found = store.get(key(cut))
        assert found is not None and np.array_equal(found, ROWS)
    assert clock.seconds == waited == pytest.approx(shared.patience_s, abs=1)
    assert len(said) == 2 and "did not answer for 120 s" in shared.lost == said[1]


def test_what_the_wait_raises_ends_it(tmp_path: Path) -> None:
    """As the user's wish to stop does."""
    shared = broken_for(1e9, Clock(), tmp_path / "shared")

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    shared.sleep = stop
    with pytest.raises(KeyboardInterrupt):
        ActivationStore(tmp_path / "two", shared=shared).get(key())
    assert not shared.lost


def test_no_longer_is_waited_than_there_is_time(tmp_path: Path) -> None:
    clock = Clock()
    shared = broken_for(1e9, clock, tmp_path / "shared")
    shared.most = lambda: 7 - clock.seconds
    assert ActivationStore(tmp_path / "two", shared=shared).get(key()) is None
    assert clock.seconds == pytest.approx(7) and "did not answer for 7 s" in shared.lost


def test_a_cache_that_is_deleted_is_no_fault_of_the_store(tmp_path: Path) -> None:
    clock = Clock()
    shared = SharedStore(str(tmp_path / "shared"), sleep=clock.sleep, now=clock.now)
    shared.publish(key(), tmp_path / "gone.npy")
    assert not shared.lost and not clock.seconds and not list((tmp_path / "shared").rglob("*.json"))


def test_a_file_that_goes_while_it_is_copied_is_no_fault_of_the_store(tmp_path: Path) -> None:
    clock = Clock()
    shared = SharedStore(str(tmp_path / "shared"), sleep=clock.sleep, now=clock.now)
    file, whole = tmp_path / "array.npy", shared._put

    def put(content: bytes | Path, path: str) -> None:
        file.unlink(missing_ok=True)
        whole(content, path)

    file.write_bytes(b"values")
    shared._put = put  # type: ignore[method-assign]
    shared.publish(key(), file)
    assert not shared.lost and not clock.seconds


def test_a_full_disk_here_is_no_fault_of_the_store(tmp_path: Path) -> None:
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(str(tmp_path / "shared"))))
    clock = Clock()
    shared = SharedStore(str(tmp_path / "shared"), sleep=clock.sleep, now=clock.now)
    whole = shared._fs

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def get_file(self, *given: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shared._fs = Full()
    store = ActivationStore(tmp_path / "two", shared=shared)
    assert store.get(key()) is None and "No space" in store.refusals[0]
    assert not shared.lost and not clock.seconds


def test_a_user_and_a_password_are_neither_said_nor_written() -> None:
    for text in ("ftp://me:pass@word@host/x", "simplecache::ftp://me:pass@word@host/x", "at ftp://me:pass@word@host/x: no"):
        assert without_user(text) == text.replace("me:pass@word@", "")
    assert without_user("s3://bucket/a@b") == "s3://bucket/a@b" and without_user("a@b") == "a@b"
    assert SharedStore("memory://me:secret@host/x").url == "memory://host/x"
    with pytest.raises(OptionError) as caught:
        SharedStore("nowhere://me:secret@host/x")
    assert "nowhere://host/x" in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_hangs_is_waited_for(s3: S3, tmp_path: Path) -> None:
    url = f"s3://shared/{uuid.uuid4().hex}"
    fill(ActivationStore(tmp_path / "one", shared=SharedStore(url)))
    other = SharedStore(url, patience_s=100)
    os.kill(s3.process.pid, signal.SIGSTOP)
    try:
        continuing = subprocess.Popen(["sh", "-c", f"sleep 40; kill -CONT {s3.process.pid}"])
        found = ActivationStore(tmp_path / "two", shared=other).get(key())
        continuing.wait()
    finally:
        os.kill(s3.process.pid, signal.SIGCONT)
    assert found is not None and np.array_equal(found, ROWS) and not other.lost


@pytest.mark.parametrize("given", ["nowhere://bucket/path", "/proc/1/nothing", "s3://"])
def test_a_place_that_cannot_be_written_is_refused(given: str) -> None:
    with pytest.raises(OptionError, match="--store"):
        SharedStore(given).check()
