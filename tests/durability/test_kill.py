"""kill -9 at any moment: nothing that was finished is lost, and the verdict is that of a run that was left alone."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import frostline as fl
from frostline.store.run_folder import RunFolder
from tests.durability.lives import (
    Search,
    Whole,
    begun,
    decided,
    kept,
    live,
    nothing_is_lost,
    opened_at,
    sealed,
    temporary_files,
    unfinished,
)

KILLS, KILLS_A_RUN = 24, 6
EARLIER = 0.8
SEED = 20261124


def moments(count: int, seed: int) -> list[float]:
    """`count` numbers in 0..1, one in each part of equal length, in random order."""
    generator = random.Random(seed)
    drawn = [(part + generator.random()) / count for part in range(count)]
    generator.shuffle(drawn)
    return drawn


def ends_like(out: Path, reference: Whole) -> None:
    """The finished run has everything, nothing else, and the reference's verdict.

    Whoever was killed while it looked at the test set has opened it: all but the score is then as in the reference.
    """
    mine, theirs = decided(out), reference.decided
    if mine["score"]["how"] != "sealed-test":
        assert any("had been opened before" in note for note in fl.Run(out).verdict.notes) and not sealed(out)
        mine, theirs = ({key: one[key] for key in one if key not in ("score", "test", "detail")} for one in (mine, theirs))
    assert mine == theirs
    assert temporary_files(out) == []
    assert opened_at(out) == fl.Run(out).verdict.test_opened_at
    assert fl.load(out).classes == fl.load(reference.path).classes
    names = {path.name for path in (*out.iterdir(), *(out / "model").iterdir())}
    assert names == {path.name for path in (*reference.path.iterdir(), *(reference.path / "model").iterdir())}


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_nothing(search: Search, reference: Whole, tmp_path: Path) -> None:
    """Each life lasts some part of what is left to do, so that every part of a run is met; each run is killed several times.

    A run that ends before its moment has come is checked, and the next life begins a new one, whose moment is earlier: machines
    may have less to do than when the reference was timed.
    """
    hit: Counter[str] = Counter()
    drawn = moments(KILLS, SEED)
    for number in range(0, KILLS, KILLS_A_RUN):
        out = tmp_path / f"run{number}"
        for share in drawn[number : number + KILLS_A_RUN]:
            hit[_killed(search, reference, out, share, tmp_path / "log")] += 1
        _continued(search, reference, out, tmp_path / "log")
    assert hit.total() == KILLS
    print(f"killed after: {dict(hit)}")


def _killed(search: Search, reference: Whole, out: Path, share: float, log: Path) -> str:
    """Kill the run in `out` when a `share` of the rest is done; the last phase that it had finished."""
    while True:
        before = kept(begun(reference, out) if not out.exists() else out)
        life = live(search.command(out), after(reference.moment(out, share)), log)
        nothing_is_lost(before, kept(out))
        if life.code is None:
            return life.phase
        assert life.code == 0, life.said
        ends_like(out, reference)
        shutil.rmtree(out)
        share *= EARLIER


def _continued(search: Search, reference: Whole, out: Path, log: Path) -> None:
    before = kept(out)
    last = live(search.command(out), never, log)
    assert last.code == 0, last.said
    nothing_is_lost(before, kept(out))
    ends_like(out, reference)


def after(seconds: float) -> Callable[[float], bool]:
    return lambda elapsed: elapsed > seconds


def never(elapsed: float) -> bool:
    return False


def changed(path: Path) -> Callable[[float], bool]:
    """True as soon as `path` is another file than now, or is there."""
    before = path.stat().st_mtime_ns if path.exists() else None
    return lambda elapsed: path.exists() and path.stat().st_mtime_ns != before


def says(path: Path, wanted: Callable[[dict[str, object]], bool]) -> Callable[[float], bool]:
    """True as soon as the document in `path` is as wanted."""
    return lambda elapsed: path.exists() and wanted(yaml.safe_load(path.read_text()) or {})


def more_results(out: Path) -> Callable[[float], bool]:
    """True as soon as one is there that is not there now."""
    before = len(list(out.glob("results/*.npz")))
    return lambda elapsed: len(list(out.glob("results/*.npz"))) > before


CLOSING = {
    "the decision": lambda out: changed(out / "verdict.json"),
    "the weights": lambda out: changed(out / "model" / "model.safetensors"),
    "the model": lambda out: changed(out / "model" / "model.json"),
    "the evidence": lambda out: changed(out / "evidence.json"),
    "the mark of the opened test": lambda out: says(out / "config.yaml", lambda document: bool(document.get("opened"))),
    "what the test set showed": more_results,
    "the final verdict": lambda out: says(out / "verdict.json", lambda document: document.get("interim") is False),
    "the page": lambda out: changed(out / "report.html"),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", CLOSING)
def test_kill_9_at_each_step_of_closing_is_continued(step: str, search: Search, reference: Whole, tmp_path: Path) -> None:
    """Killed when it has just written `step`: the test set is looked at once, whatever is done again.

    Whoever is killed while it looks has seen it: then the score is that of cross-validation, and all else is as it was.
    """
    out = unfinished(reference, tmp_path / "run")
    before, written = kept(out), CLOSING[step](out)
    life = live(search.command(out), written, tmp_path / "log")
    assert life.code in (None, 0) and written(0.0), life.said  # it may have ended before it was seen to have written its last
    killed = kept(out)
    nothing_is_lost(before, killed)
    again = live(search.command(out), never, tmp_path / "log")
    assert again.code == 0, again.said
    nothing_is_lost(killed, kept(out))
    ends_like(out, reference)


@pytest.mark.slow
def test_another_decision_than_the_one_that_opened_the_test_is_not_scored_on_it(
    search: Search, reference: Whole, tmp_path: Path
) -> None:
    """As when the process was killed while it looked: the mark is there, what it would have seen is not."""
    out = unfinished(reference, tmp_path / "run")
    found = RunFolder.open(out)
    with RunFolder.create(out, found.settings, found.version) as run:
        run.write_section("opened", "2026-01-01T00:00:00+00:00")
    life = live(search.command(out), never, tmp_path / "log")
    assert life.code == 0, life.said
    verdict = fl.Run(out).verdict
    assert verdict.test_opened_at == "2026-01-01T00:00:00+00:00"
    assert verdict.score.how == "cross-validation" and not verdict.test
    assert any("had been opened before" in note for note in verdict.notes)
    assert not sealed(out)
