"""Searches as processes that are killed and continued, and what must hold between two of their lives."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from frostline.store.results import ResultStore
from frostline.store.run_folder import RunFolder

SIZE = 64
RECIPES = (
    "all: freeze | head: linear",
    "weights: random | all: freeze | head: linear",
    "stem .. layer3: freeze | layer4: tune | head: linear | train: lr=0.001 epochs=1",
    "weights: random | all: tune | head: linear | train: lr=0.001 epochs=1",
    "pixels: logistic",
)

FP32 = {"dtype": "fp32", "channels_last": True}

_ENDED = re.compile(r"\] (.+) finished in ")


@dataclass(frozen=True)
class Search:
    """What is asked for; where the run lies is given to each call."""

    data: Path
    backbone: str
    recipes: tuple[str, ...]

    def arguments(self, out: Path) -> list[str]:
        words = ["search", str(self.data), "-b", self.backbone, "-o", str(out), "--size", str(SIZE)]
        return words + [word for line in self.recipes for word in ("--recipe", line)]

    def command(self, out: Path) -> list[str]:
        return [sys.executable, "-m", "frostline", *self.arguments(out)]


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run.

    Attributes:
        import_s: until the process looked at its images; start_s: until it began to compute;
        trials_s: from then to its last result; closing_s: from there to its end.
    """

    path: Path
    import_s: float
    start_s: float
    trials_s: float
    closing_s: float
    decided: dict[str, Any]

    def moment(self, out: Path, share: float) -> float:
        """Seconds after which a `share` of what is left of `out` is done; the imports do not count: they write nothing."""
        done = len(list(out.glob("results/*.npz"))) / len(list(self.path.glob("results/*.npz")))
        left = self.start_s - self.import_s + (1 - done) * self.trials_s + self.closing_s
        return self.import_s + share * left


def whole(search: Search, out: Path) -> Whole:
    """Run it to its end, and see how long it takes.

    Which precision is fastest is found by a stopwatch, and half precision where activations are not stored is another number
    than where they are: all runs here compute in fp32.
    """
    first = out.with_name("first")
    live(search.command(first), lambda elapsed: "kernels:" in _text(first / "config.yaml"), out.with_name("log"))
    kernels = [entry | {"forward": FP32, "train": FP32, "threads": 1} for entry in RunFolder.open(first).section("kernels")]
    _begin(first, kernels, out)
    started, first_said, ready, said = time.time(), 0.0, 0.0, []
    with subprocess.Popen(search.command(out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            first_said = first_said or time.time()
            ready = ready or (time.time() if "probe kernels finished" in line else 0.0)
            said.append(line)
    assert process.returncode == 0, "".join(said)
    assert opened_at(out) and sealed(out) and (out / "model").is_dir(), "the tests need a model, and a test set that was opened"
    ended, last = time.time(), max(path.stat().st_mtime for path in out.glob("results/*.npz"))
    return Whole(out, first_said - started, ready - started, last - ready, ended - last, decided(out))


def begun(reference: Whole, out: Path) -> Path:
    """A run of the same search that was killed when it had done nothing but choose how this machine computes."""
    return _begin(reference.path, RunFolder.open(reference.path).section("kernels"), out)


def _begin(like: Path, kernels: Any, out: Path) -> Path:
    found = RunFolder.open(like)
    with RunFolder.create(out, found.settings, found.version) as run:
        run.write_section("kernels", kernels)
    return out


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def unfinished(reference: Whole, out: Path, without: Callable[[str], bool] = lambda name: False) -> Path:
    """The reference as if it had been killed before it closed; results whose name is `without` are not there yet.

    Nor is what it saw of the test set.
    """
    begun(reference, out)
    with RunFolder.create(out, RunFolder.open(out).settings, RunFolder.open(out).version) as run:
        for section in ("sizes", "registered"):
            run.write_section(section, RunFolder.open(reference.path).section(section))
        shutil.copy(RunFolder.open(reference.path).plan_path, run.plan_path)  # written before the first result
    for name in ("results", "cache"):
        shutil.copytree(reference.path / name, out / name, dirs_exist_ok=True)
    seen = sealed(reference.path)
    for path in (out / "results").glob("*.npz"):
        if path.stem in seen or without(path.stem):
            path.unlink()
    return out


# --- what must hold ---------------------------------------------------------------------------------------------------


def decided(out: Path) -> dict[str, Any]:
    """The verdict without what the stopwatch and the calendar put into it."""
    document = json.loads((out / "verdict.json").read_text())
    for name in ("seconds", "test_opened_at", "checksum", "notes", "not_run"):
        document.pop(name, None)
    for row in (document["chosen"], document["control"], *document["rows"]):
        if row is not None:
            row.pop("seconds")
    return document


Finished = dict[str, tuple[int, int, str]]  # name -> (inode, time of writing, digest)


@dataclass(frozen=True)
class Kept:
    """Finished results as they lie on the disk, and the mark of the opened test set."""

    results: Finished = field(default_factory=dict)
    opened: str | None = None


def kept(out: Path) -> Kept:
    return Kept(finished(out), opened_at(out))


def finished(out: Path) -> Finished:
    """The results that are there now.

    Raises:
        AssertionError: one of them cannot be read.
    """
    results = {path.name: _identity(path) for path in sorted(out.glob("results/*.npz"))}
    store = ResultStore(out / "results")
    assert len(store.load_all()) == len(results), store.notes
    return results


def opened_at(out: Path) -> str | None:
    if not (out / "config.yaml").exists():
        return None
    at: str | None = yaml.safe_load((out / "config.yaml").read_text()).get("opened")
    return at


def sealed(out: Path) -> set[str]:
    """Trials that hold predictions of sealed images."""
    return {name for name, found in ResultStore(out / "results").load_all().items() if found.trial.split == "sealed"}


def _identity(path: Path) -> tuple[int, int, str]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()


def nothing_is_lost(before: Kept, after: Kept) -> None:
    """Every finished result is the very file that it was (so its trial was not run again); the mark stays as it was."""
    assert before.results.items() <= after.results.items()
    assert before.opened in (None, after.opened)


def temporary_files(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.name.endswith(".tmp") or ".tmp." in path.name]


# --- lives ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """How one process ended.

    Attributes:
        code: its exit code; None where it was killed.
        phase: the last one that it said had finished.
    """

    code: int | None
    phase: str
    said: str


def live(command: list[str], until: Callable[[float], bool], log: Path) -> Life:
    """Run `command` and kill -9 it as soon as `until(seconds)` is true, unless it ends before."""
    started = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)
        while process.poll() is None and not until(time.monotonic() - started):
            time.sleep(0.002)
        killed = process.poll() is None
        process.kill()
        process.wait()
    said = log.read_text()
    return Life(None if killed else process.returncode, (_ENDED.findall(said) or ["start"])[-1], said)
