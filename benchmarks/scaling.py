"""How well one-thread workers scale from one to several, and what a task costs, with processes and with Ray.

    python -m benchmarks.scaling DATA -b NAME=FILE [--workers 2] [--size 96] [--limit 1000] [--repeats 3] [--trials 24]

Efficiency is the time of one worker over that of N, divided by N: of a shared-out pass of the trunk that stores the maps of every
stage, and of a panel of independent trials. The workers are warm: a search starts them beside what it does first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from uuid import uuid4

import numpy as np
import torch

from benchmarks.workers import _bench, _carry_out, _rung, _seconds, nothing
from frostline.backends import Backend
from frostline.compute.bench import Bench
from frostline.compute.materialise import tapped_pass
from frostline.compute.passes import FillShard, shards
from frostline.session.dispatch import Task
from frostline.session.frozen import PARTS_A_WORKER
from frostline.session.workers import LOCAL, Machine, Staff, hire
from frostline.store.activations import ActivationStore
from frostline.terms.recipe import Weights

TASKS = 200  # of nothing, to see what a task costs


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench, plan = _bench(asked, Path(folder))
        bench = replace(bench, kernels=replace(bench.kernels, threads=1))
        tasks = list(_rung(bench, plan, asked.trials)) if asked.trials else []
        print(f"{bench.backbone.name}, {asked.size} px, {len(bench.labels)} images; {len(tasks)} trials; one thread a worker")
        for kind in asked.backend:
            few, many = (_measured(kind, count, bench, tasks, asked.repeats, Path(folder)) for count in (1, asked.workers))
            for name in ("pass", "panel") if tasks else ("pass",):
                efficiency = few[name] / many[name] / asked.workers
                print(
                    f"  {kind:8} {name:6} {few[name]:7.2f} s with 1, {many[name]:7.2f} s with {asked.workers}: {efficiency:.2f}"
                )
            print(f"  {kind:8} a task costs {1e3 * few['task']:.1f} ms with 1, {1e3 * many['task']:.1f} ms with {asked.workers}")
            sys.stdout.flush()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("-b", "--backbone", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24, help="of the screening rung, about; 0 for no panel")
    parser.add_argument("--backend", nargs="+", choices=("process", "ray"), default=["process", "ray"])
    return parser.parse_args(arguments)


def _measured(kind: str, workers: int, bench: Bench, tasks: list[Task], repeats: int, folder: Path) -> dict[str, float]:
    """Median seconds of the pass, of the panel, and of one of many empty tasks."""
    staff = Staff(kind, workers, 1, address=LOCAL if kind == "ray" else None)
    backend = hire(staff, Machine("cpu", workers))
    runs: dict[str, Callable[[], None]] = {
        "pass": lambda: _pass(backend, bench, folder),
        "panel": lambda: _carry_out(backend, bench, tasks),
        "task": lambda: _nothing(backend),
    }
    try:
        _nothing(backend)
        _carry_out(backend, bench, tasks[:workers])
        found = {name: median(_seconds(run) for _ in range(repeats)) for name, run in runs.items()}
    finally:
        backend.close()
    return found | {"task": found["task"] / TASKS}


def _pass(backend: Backend, bench: Bench, folder: Path) -> None:
    """Shared out as a search does it, into a store that is empty."""
    keep = [stage.cut.name for stage in bench.backbone.stages]
    store = folder / uuid4().hex
    activations, rows = ActivationStore(store), np.arange(len(bench.labels))

    def spread(fill: FillShard, images: int) -> None:
        waiting = deque(shards(images, PARTS_A_WORKER * backend.workers))
        for _ in backend.run(fill, lambda: waiting.popleft() if waiting else None, lambda: None):
            pass

    source, mode = bench.pixels(), bench.kernels.forward
    tapped_pass(bench.backbone, Weights.PRETRAINED, 0, source, rows, "", activations, mode, keep, spread=spread)
    shutil.rmtree(store)


def _nothing(backend: Backend) -> None:
    left = iter(range(1, TASKS + 1))
    assert sum(found for _, found in backend.run(nothing, lambda: next(left, None), lambda: None)) == TASKS * (TASKS + 1) // 2


if __name__ == "__main__":
    main()
