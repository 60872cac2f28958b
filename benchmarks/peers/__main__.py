"""Accuracy against seconds: frostline's search and every peer on the same images, weights and machine, one after the other.

python -m benchmarks.peers DATA --weights FILE [--test PATH] [--limit N] [--size S] [--time 1m,3m] [--epochs 1,5,20]
    [--search-seconds 120,360] [--only NAME ...] [--picture FILE.svg] [--title TEXT] -o FOLDER

Every system gets torchvision's mobilenet_v2 and is measured once, on the images that frostline seals. Its seconds are those of
the whole command, start-up and predictions on the test images included (of frostline also controls, report and export). A peer
without its environment (`make_env.sh`) is left out, and that is said. What was measured before is not measured again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import frostline as fl
from benchmarks import searches
from benchmarks.data import from_run, groups, write_tables
from benchmarks.peers import common
from benchmarks.peers.table import Line, draw, line, markdown

PEERS = ("fastai", "lightning", "autogluon", "optuna")
OURS = "frostline"
HERE = Path(__file__).parent
NETWORK = "torchvision/mobilenet_v2"
SEARCH_EPOCHS = 9  # of a trial of Optuna's that is not pruned: the rungs are 1, 3 and 9


@dataclass(frozen=True)
class Measurement:
    """One system under one budget.

    Attributes:
        file: the name of its JSON file and log, without ending; options: what the peer's command gets for it.
    """

    system: str
    budget: str
    file: str
    options: tuple[str, ...] = ()


def main() -> None:
    given = _arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for one in _chosen(given):
        if not (given.out / f"{one.file}.json").exists() and not _measured(one, given):
            failed.append(f"{one.system}, {one.budget}: see {given.out / one.file}.log")
    lines = read(given.out, measurements(given.time, given.epochs, given.search_seconds))
    text = "\n".join([markdown(lines), *(f"\nNot measured: {one}" for one in failed)])
    (given.out / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if lines:
        draw(lines, f"{given.title or given.data.name}, {given.size} pixels", given.picture or given.out / "curve.svg")


def measurements(times: Sequence[str], epochs: Sequence[str], seconds: Sequence[str]) -> list[Measurement]:
    """Everything that there is to measure, in order: frostline first, for it seals the images."""
    ours = [Measurement(OURS, f"--time {one}", f"{OURS}-{one}") for one in times]
    trained = [
        Measurement(peer, f"{count} epoch{'' if count == '1' else 's'}", f"{peer}-{count}", ("--epochs", count))
        for peer in PEERS[:3]
        for count in epochs
    ]
    searched = [
        Measurement("optuna", f"{one} s of trials", f"optuna-{one}", ("--epochs", str(SEARCH_EPOCHS), "--seconds", one))
        for one in seconds
    ]
    return [*ours, *trained, *searched]


def read(folder: Path, wanted: Sequence[Measurement]) -> list[Line]:
    """The lines of everything in `wanted` that was measured."""
    found = [
        json.loads((folder / f"{one.file}.json").read_text("utf-8")) for one in wanted if (folder / f"{one.file}.json").exists()
    ]
    together = groups(next(run for run in _runs(folder))) if found else {}
    return [line(one, together) for one in found]


def _chosen(given: argparse.Namespace) -> Iterator[Measurement]:
    for one in measurements(given.time, given.epochs, given.search_seconds):
        if given.only and one.system not in given.only:
            continue
        if one.system == OURS or _python(one.system).exists():
            yield one
        else:
            print(f"{one.system}, {one.budget}: left out, there is no {_python(one.system)}; make_env.sh {one.system} makes it")


def _python(peer: str) -> Path:
    return HERE / f".env-{peer}" / "bin" / "python"


def _measured(one: Measurement, given: argparse.Namespace) -> bool:
    """Whether there is a JSON file now."""
    return _search(one, given) if one.system == OURS else _peer(one, given)


def _search(one: Measurement, given: argparse.Namespace) -> bool:
    run, backbone = given.out / f"{one.file}-run", f"{NETWORK}={given.weights}"
    options = ["--time", one.budget.removeprefix("--time "), "--size", str(given.size), "--seed", str(given.seed)]
    options += ["--test", str(given.test)] if given.test else []
    options += ["--limit", str(given.limit)] if given.limit else []
    shutil.rmtree(run, ignore_errors=True)  # of a search that was cut off, and would be continued: its seconds would be too few
    record = searches.search(given.data, backbone, run, options)
    rows = from_run(run)
    if rows.test_is != "sealed":
        raise SystemExit(f"{given.data}: frostline chose on the images of {rows.test_is}; seal some for all: --test PATH")
    _report_search(record, common.Job(rows.train, rows.test, given.weights, None, given.size, given.seed, _json(one, given)))
    _complete(_json(one, given), one, record.wall_s)
    return True


def _report_search(record: searches.Record, job: common.Job) -> None:
    predictions = list(fl.predict(record.folder, [path for path, _ in job.test]))
    common.report(
        job,
        name=OURS,
        version=version("frostline"),
        training_s=record.wall_s,
        with_start_up_s=record.wall_s,
        classes=job.classes,
        probabilities=[[one.probabilities[name] for name in job.classes] for one in predictions],
        settings={"chosen": record.verdict["chosen"]["recipe"]},
    )


def _peer(one: Measurement, given: argparse.Namespace) -> bool:
    run = next(_runs(given.out), None)
    if run is None:
        raise SystemExit(f"{given.out} has no search of frostline's, which seals the test images; measure {OURS} first")
    train, test = write_tables(from_run(run), given.out / "tables")
    command = [str(_python(one.system)), "-m", f"benchmarks.peers.{one.system}_peer", "--train", str(train), "--test", str(test)]
    command += ["--weights", str(given.weights), "--size", str(given.size), "--seed", str(given.seed)]
    command += ["--out", str(_json(one, given)), *one.options]
    print(f"$ {one.system}, {one.budget}", file=sys.stderr, flush=True)
    begun = time.perf_counter()
    with (given.out / f"{one.file}.log").open("w", encoding="utf-8") as log:
        ended = subprocess.run(command, cwd=HERE.parents[1], stdout=log, stderr=subprocess.STDOUT).returncode
    if ended == 0:
        _complete(_json(one, given), one, time.perf_counter() - begun)
    return ended == 0


def _runs(folder: Path) -> Iterator[Path]:
    """Finished searches, the first one first."""
    yield from sorted((file.parent for file in folder.glob(f"{OURS}-*-run/verdict.json")), key=lambda run: run.stat().st_ctime)


def _json(one: Measurement, given: argparse.Namespace) -> Path:
    file: Path = given.out / f"{one.file}.json"
    return file


def _complete(file: Path, one: Measurement, wall_s: float) -> None:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(found | {"budget": one.budget, "seconds": wall_s}, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--test", type=Path, help="sealed images from elsewhere, as frostline's own --test")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    for name, default in (("time", "1m,3m,9m"), ("epochs", "1,5,20"), ("search-seconds", "120,360")):
        parser.add_argument(f"--{name}", type=lambda words: words.split(","), default=default.split(","), metavar=default)
    parser.add_argument("--only", nargs="+", choices=(OURS, *PEERS), help="measure these now")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--title", help="of the picture; by default the folder's name")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    given.data, given.weights, given.out = given.data.absolute(), given.weights.absolute(), given.out.absolute()
    return given


if __name__ == "__main__":
    main()
