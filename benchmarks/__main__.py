"""Every performance goal as a ratio, measured in one run on this machine.

python -m benchmarks DATA --weights FILE [--quick] [--avx2] [--time 20m] [--goals P1,P4] -o FOLDER

One real search with public flags, the limits of the machine (`benchmarks.limits`), what a user runs today (`benchmarks.naive`),
and the lower bound of what the search did (`benchmarks.bound`). With --avx2 all of them as on a processor that knows no newer
instructions: P7. P5 (`benchmarks.regret`), P6 (`benchmarks.memory`) and the peers (`benchmarks/peers`) are commands of their own:
they take other data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import bound, searches
from benchmarks.data import from_run
from benchmarks.goals import Goal, seconds, table
from benchmarks.limits import Limits
from benchmarks.naive import Setup, fine_tune, heads_loop, panel_loop
from benchmarks.panel import items, stage_ends
from benchmarks.searches import OLDER, Record
from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.compute import heap
from frostline.compute.machine import settings_restored
from frostline.data import plan_splits, read
from frostline.planning.forecast import Scale
from frostline.session.panels import scale_of


@dataclass(frozen=True)
class Given:
    """What is measured.

    Attributes:
        time: of the search, or `none`. goals: which are measured; only P2 and P3 need naive loops, each its own.
        quick: fewer images and a shorter search, a few minutes in all. avx2: as on a machine without newer instructions.
    """

    data: Path
    network: str
    weights: Path
    out: Path
    size: int | None
    time: str
    limit: int | None
    goals: tuple[str, ...]
    quick: bool
    avx2: bool

    @property
    def backbone(self) -> str:
        return f"{self.network}={self.weights}"


UNLIMITED = "none"
GOALS = ("P1", "P2", "P3", "P4")


def main() -> None:
    given = _arguments()
    if given.avx2 and not OLDER.items() <= os.environ.items():
        command = [sys.executable, "-m", "benchmarks", *sys.argv[1:]]
        raise SystemExit(subprocess.run(command, env=os.environ | OLDER, check=False).returncode)
    given.out.mkdir(parents=True, exist_ok=True)
    options = [] if given.time == UNLIMITED else ["--time", given.time]
    options += ["--size", str(given.size)] if given.size else []
    options += ["--limit", str(given.limit)] if given.limit else []
    record = searches.measured(given.data, given.backbone, given.out / "run", options)
    found = measure(given, record)
    found = [_older(goal) for goal in found] if given.avx2 else found
    print(table(found))
    (given.out / "goals.json").write_text(json.dumps([asdict(goal) for goal in found], indent=1), encoding="utf-8")


def _older(goal: Goal) -> Goal:
    """A part of P7, which has bounds for P1 and P4 only."""
    return replace(goal, name=f"P7 {goal.name}", wanted=goal.wanted if goal.name in ("P1", "P4") else None)


def measure(given: Given, record: Record) -> list[Goal]:
    """The goals that one search on one data set shows."""
    dataset = read(given.data, limit=given.limit)
    scale = scale_of(plan_splits(dataset, 0), len(dataset.classes))
    sizes = sorted({result.trial.budget.size for result in record.results} | {int(record.config["settings"]["size"])})
    bests = _limits(given, sizes)
    backbone = backbones.load(given.backbone)
    images = len(dataset.samples)
    size = int(record.config["settings"]["size"])
    naive = _naive(given, record, backbone.at(size), size, scale)
    found: dict[str, Callable[[], list[Goal]]] = {
        "P1": lambda: [first_verdict(record, bests[size], images, scale.pool)],
        "P2": lambda: [whole_search(record, naive)],
        "P3": lambda: panels(record, naive, backbone.at(size), bests[size], scale),
        "P4": lambda: [against_bound(record, bound.bound(record, bests, images, scale.pool, scale.train))],
    }
    return [goal for name in GOALS if name in given.goals for goal in found[name]()]


def first_verdict(record: Record, best: Limits, images: int, pool: int) -> Goal:
    """P1, with the fixed part apart."""
    decode, folded, plain = images * best.decode_s, 2 * pool * best.folded_s, 2 * pool * best.forward_s
    parts = (
        ("decode, passes, heads and the verdict itself", seconds(record.first_verdict_s)),
        ("decoding once", seconds(decode)),
        (f"two bare passes, {best.forward_mode}, normalisation folded", seconds(folded)),
        (
            "the same of the plain network, and the ratio to that",
            f"{seconds(plain)}, {record.first_verdict_s / (decode + plain):.2f} x",
        ),
        ("fixed: reading, taking apart, probing", seconds(record.fixed_s)),
    )
    says = f"verdict among all frozen-trunk recipes / two passes and decoding, {images} images"
    return Goal("P1", says, record.first_verdict_s / (decode + folded), 1.25, parts=parts)


def whole_search(record: Record, naive: dict[str, Any]) -> Goal:
    """P2a, or without a time limit P2b: scratch to its plateau and finalists on all folds."""
    plain, best = naive["fine-tune plain"], naive["fine-tune best"]
    ran = record.verdict
    folds = sorted({row["folds"] for row in ran["rows"] if row["trained_parameters"] and row["status"] != "screened"})
    parts = (
        ("the search", seconds(record.wall_s)),
        (f"one fine-tune, 20 epochs projected from two, {plain['kernels']}, {plain['workers']} loading processes",
         f"{seconds(plain['seconds'])}, {plain['images_per_s']:.1f} images/s"),
        (f"the same with the best kernels, {best['kernels']}, and the ratio to that",
         f"{seconds(best['seconds'])}, {record.wall_s / best['seconds']:.2f} x"),
        ("recipes with a score, and on how many folds", f"{sum(row['mean'] is not None for row in ran['rows'])}, {folds}"),
        ("not run", "; ".join(ran["not_run"]) or "nothing"),
    )  # fmt: skip
    name, wanted = ("P2b", 1.5) if record.config["settings"]["time_s"] is None else ("P2a", 0.55)
    return Goal(name, "a whole search / one ordinary full fine-tune", record.wall_s / plain["seconds"], wanted, parts=parts)


def panels(record: Record, naive: dict[str, Any], backbone: LoadedBackbone, best: Limits, scale: Scale) -> list[Goal]:
    """P3 and its three factors."""
    heads = naive["heads plain"]["seconds"] / record.first_verdict_s
    equal = naive["heads best"]["seconds"] / record.first_verdict_s
    one = naive["heads best"]["seconds_one_setting"] / record.first_verdict_s
    shared = record.first_verdict_s + _exhaustive(backbone, best, scale)
    plain, quick = naive["panel plain"]["seconds"], naive["panel best"]["seconds"]
    factors = (
        ("kernels", f"{plain / quick:.1f} x: {seconds(plain)} / {seconds(quick)}, both naive"),
        ("sharing, solvers included", f"{quick / shared:.1f} x: / {seconds(shared)}, nothing left out (projected)"),
        (f"early stopping{_within(record)}", f"{shared / record.wall_s:.1f} x: / {seconds(record.wall_s)}, the search"),
    )
    return [
        Goal("P3", "naive loop over the heads panel / frozen families", heads, 200, True),
        Goal("P3", "the same with equal kernels", equal, 80, True, (("with one setting a recipe", f"{one:.0f} x"),)),
        Goal("P3", "sequential naive panel / search", plain / record.wall_s, 15, True, factors),
    ]


def _within(record: Record) -> str:
    limit = record.config["settings"]["time_s"]
    return "" if limit is None else f", the limit of {seconds(limit)} included"


def _exhaustive(backbone: LoadedBackbone, best: Limits, scale: Scale) -> float:
    deep = [(item.recipe, item.settings, item.epochs) for item in items(backbone) if item.epochs is not None]
    return bound.exhaustive_s(best, deep, scale.folds * scale.repeats, scale.train)


def against_bound(record: Record, limit: bound.Bound) -> Goal:
    """P4."""
    parts = tuple((name, seconds(value)) for name, value in asdict(limit).items())
    return Goal("P4", "search / lower bound of the trials that it carried out", record.wall_s / limit.seconds, 1.3, parts=parts)


def _naive(given: Given, record: Record, backbone: LoadedBackbone, size: int, scale: Scale) -> dict[str, Any]:
    """What users do today, as far as the goals are measured against it."""
    rows, panel = from_run(record.folder), items(backbone)
    there = given.out / "naive.json"
    asked = [str(given.data), given.backbone, str(size), str(given.limit), str(given.avx2)]
    kept: dict[str, Any] = json.loads(there.read_text(encoding="utf-8")) if there.exists() else {}  # measured before
    kept = kept if kept.get("asked") == asked else {"asked": asked}
    jobs: list[tuple[str, str, Callable[[Setup], dict[str, Any]]]] = [
        ("P2", "fine-tune", lambda setup: fine_tune(setup, rows, project=True)),
        ("P3", "heads", lambda setup: heads_loop(setup, rows, panel, scale)),
        ("P3", "panel", lambda setup: panel_loop(setup, rows, panel, scale)),
    ]
    for kernels in ("plain", "best"):
        ends = tuple(stage_ends(backbone))
        setup = Setup(given.network, given.weights, size, ends, kernels, flip=False, steps=6)
        for goal, name, job in jobs:
            if goal in given.goals and f"{name} {kernels}" not in kept:
                with settings_restored():
                    if kernels == "best":
                        heap.keep()  # as the search does: a plain loop does not
                    kept[f"{name} {kernels}"] = job(setup)
                there.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return kept


def _limits(given: Given, sizes: Sequence[int]) -> dict[int, Limits]:
    """In a process of its own: nothing of this one disturbs it."""
    words = [str(given.data), "--backbone", given.backbone, "--sizes", ",".join(map(str, sizes))]
    words += ["--limit", str(given.limit)] if given.limit else []
    done = subprocess.run([sys.executable, "-m", "benchmarks.limits", *words], check=True, capture_output=True, text=True)
    return {one["size"]: Limits(**one) for one in json.loads(done.stdout[done.stdout.index("[") :])}


def _arguments() -> Given:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", default="torchvision/mobilenet_v2")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--time", help=f"for the search (20m; with --quick 3m); {UNLIMITED}: P2b instead of P2a")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--goals", default=",".join(GOALS), help="of these only; P1 and P4 take no naive loop")
    parser.add_argument("--quick", action="store_true", help="400 images at 96 pixels and a search of 3 minutes")
    parser.add_argument("--avx2", action="store_true", help="P7: nothing uses newer instructions, peers neither")
    parser.add_argument("-o", "--out", type=Path, required=True)
    words = parser.parse_args()
    if words.quick:
        words.size, words.limit = words.size or 96, words.limit or 400
    words.time = words.time or ("3m" if words.quick else "20m")
    goals = tuple(words.goals.split(","))
    if unknown := [goal for goal in goals if goal not in GOALS]:
        parser.error(f"no goal {', '.join(unknown)}; there are {', '.join(GOALS)}")
    return Given(
        words.data, words.network, words.weights, words.out, words.size, words.time, words.limit, goals, words.quick, words.avx2
    )


if __name__ == "__main__":
    main()
