"""A store of activations that hangs, or is gone, while a search reads from it or writes to it: the verdict is the same."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backends.test_conformance import wait_until
from tests.durability.lives import Search, Whole, begun, decided, finished
from tests.store.s3 import BUCKET, S3, s3

__all__ = ["s3"]
pytestmark = pytest.mark.slow

HANGS_S, GONE_S = 45.0, 20.0  # longer than a request is waited for; longer than its repetitions take
MOST_WAIT_S = 600.0


def hang(server: S3) -> None:
    server.stop()
    time.sleep(HANGS_S)
    server.go_on()


def go_and_come_back_empty(server: S3) -> None:
    server.kill()
    time.sleep(GONE_S)
    server.start()


@pytest.fixture
def url(s3: S3) -> Iterator[str]:
    yield f"s3://{BUCKET}/{uuid.uuid4().hex}"
    s3.go_on()


@pytest.mark.parametrize("fault", [hang, go_and_come_back_empty])
def test_a_store_that_is_away_while_a_search_writes_has_everything_in_the_end(
    fault: Callable[[S3], None], search: Search, reference: Whole, s3: S3, url: str, tmp_path: Path
) -> None:
    """Away from when the first pass has begun: what it makes is told to the store when it is finished."""
    out = begun(reference, tmp_path / "run")
    said = through(search, out, url, lambda said: any(out.glob("cache/activations/.*.npy.*")), lambda: fault(s3))
    as_without_a_store(out, reference, said)
    assert made(url) == {path.stem for path in out.glob("cache/activations/*.npy")}
    assert ("does not answer" in said) == (fault is go_and_come_back_empty)


@pytest.mark.parametrize("fault", [hang, go_and_come_back_empty])
def test_a_store_that_is_away_while_a_search_reads_is_waited_for(
    fault: Callable[[S3], None], search: Search, reference: Whole, s3: S3, url: str, tmp_path: Path
) -> None:
    """Away from before the first pass, which asks for what an earlier run has left there."""
    first, out = (begun(reference, tmp_path / name) for name in ("first", "run"))
    through(search, first, url, lambda said: True, lambda: None)
    before = made(url)
    assert before
    said = through(search, out, url, lambda said: "decode finished" in said, lambda: fault(s3))
    as_without_a_store(out, reference, said)
    assert made(url) == before
    assert ("does not answer" in said) == (fault is go_and_come_back_empty)


def through(search: Search, out: Path, url: str, when: Callable[[str], bool], fault: Callable[[], None]) -> str:
    """Search with the store, and do that to it while the search is under way; what it said."""
    log = out.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen([*search.command(out), "--backend", "serial", "--store", url], stdout=file, stderr=file)
    try:
        assert wait_until(lambda: process.poll() is not None or when(log.read_text()), MOST_WAIT_S)
        assert process.poll() is None, log.read_text()
        fault()
        assert process.wait(MOST_WAIT_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    return log.read_text()


def as_without_a_store(out: Path, reference: Whole, said: str) -> None:
    assert decided(out) == reference.decided
    assert finished(out).keys() == finished(reference.path).keys()
    assert "went on without it" not in said and "Traceback" not in said


def made(url: str) -> set[str]:
    """Names of the entries that have a label there."""
    import s3fs

    files = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True).find(url)
    return {Path(file).stem for file in files if file.endswith(".json")}
