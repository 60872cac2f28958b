"""Wall time of independent trials, one after the other with all threads against several processes that share the threads.

    python -m benchmarks.workers DATA -b NAME=FILE [--workers 2] [--size 96] [--limit 400] [--repeats 3] [--trials 24]

Prints medians and ratios for heads on frozen features (each on every fold) and for a screening rung, also with one worker alone;
starting the workers, which a search does beside its first pass, is told apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from uuid import uuid4

import numpy as np

from frostline import backbones, data
from frostline.backends import Backend, Serial
from frostline.compute.bench import Bench
from frostline.compute.kernels import probe_kernels
from frostline.compute.machine import choose_device, gpus, threads
from frostline.compute.materialise import tapped_pass
from frostline.session.dispatch import CarryOut, Task
from frostline.session.frozen import configurations
from frostline.session.screening import settings_of
from frostline.session.workers import Machine, choose_staff, hire
from frostline.store.activations import ActivationStore
from frostline.strategy.families import panel
from frostline.terms.backbone import Layout
from frostline.terms.data import SplitPlan
from frostline.terms.recipe import Weights
from frostline.terms.trial import Budget, Trial


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        bench, splits = _bench(asked, Path(folder))
        machine = Machine(bench.kernels.device, threads(), gpus())
        staff = choose_staff("process", asked.workers, (), machine)
        print(
            f"{machine.threads} threads against {staff.workers} workers x {staff.threads}; {bench.backbone.name}, {asked.size} px"
        )
        backends = {"serial": Serial(), "one worker": hire(replace(staff, workers=1), machine), "process": hire(staff, machine)}
        try:
            for name, tasks in (("heads", list(_heads(bench, splits))), ("screening", list(_rung(bench, splits, asked.trials)))):
                _compare(name, tasks, bench, backends, asked.repeats)
        finally:
            for backend in backends.values():
                backend.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("-b", "--backbone", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24, help="of the screening rung, about")
    return parser.parse_args()


def _bench(asked: argparse.Namespace, folder: Path) -> tuple[Bench, SplitPlan]:
    backbone = backbones.load(asked.backbone, size=asked.size)
    dataset, store = data.build_store(data.read(asked.data, limit=asked.limit), data.Geometry.of(backbone.spec), folder)
    labels = np.asarray([sample.label for sample in dataset.samples], np.int64)
    classes = len(dataset.classes)
    bench = Bench(backbone, probe_kernels(backbone, classes, choose_device("auto")), store, labels, classes, False, 0)
    activations, rows, mode = ActivationStore(folder / "activations"), np.arange(len(labels)), bench.kernels.forward
    keep = [stage.cut.name for stage in backbone.stages]
    passes = {
        weights: tapped_pass(backbone, weights, 0, bench.pixels(), rows, dataset.fingerprint, activations, mode, cuts)
        for weights, cuts in ((Weights.PRETRAINED, keep), (Weights.RANDOM, []))
    }
    return replace(bench, passes=passes), data.plan_splits(dataset, 0, False)


def _heads(bench: Bench, plan: SplitPlan) -> Iterator[Task]:
    for line in _lines(bench):
        if not line.deep:
            for split in plan.splits[:5]:
                budget = Budget("full", bench.backbone.spec.height)
                trial = Trial(
                    line.backbone, "", line.recipe, line.family.value, (), split.name, split.seed, budget, configurations(line)
                )
                yield Task(trial, split, bench.backbone.name)


def _rung(bench: Bench, plan: SplitPlan, count: int) -> Iterator[Task]:
    budget = Budget("screen-0", bench.backbone.spec.height, 200, 1)
    split = plan.splits[0]
    entries = [(line, setting) for line in _lines(bench) if line.deep for setting in settings_of(line)]
    for line, setting in entries[:: max(1, len(entries) // count)]:
        options = tuple(sorted(setting.options.items()))
        trial = Trial(line.backbone, "", line.recipe, line.family.value, options, split.name, split.seed, budget, ("one",))
        yield Task(trial, split, bench.backbone.name)


def _lines(bench: Bench) -> list:  # type: ignore[type-arg]
    maps = [stage.name for stage in bench.backbone.stages if stage.cut.layout is not Layout.FLAT]
    return panel(bench.backbone.name, bench.backbone.stage_names, maps)


def _compare(name: str, tasks: list[Task], bench: Bench, backends: dict[str, Backend], repeats: int) -> None:
    taken: dict[str, list[float]] = {key: [] for key in backends}
    first = {key: _seconds(lambda one=one: _carry_out(one, bench, tasks[: one.workers])) for key, one in backends.items()}
    for _ in range(repeats):
        for key, backend in backends.items():  # in turn, so that a busy minute meets both
            taken[key].append(_seconds(lambda backend=backend: _carry_out(backend, bench, tasks)))
    print(f"{name}: {len(tasks)} trials; the first task of each worker {first['process']:.1f} s")
    for key, seconds in taken.items():
        ratio = median(seconds) / median(taken["process"])
        print(f"  {key:10} {median(seconds):6.2f} s, {ratio:.2f} times the processes'", flush=True)


def _carry_out(backend: Backend, bench: Bench, tasks: list[Task]) -> None:
    fresh = replace(bench, starts={}, kin=uuid4().hex)  # what recipes start from is fitted again
    left = iter(tasks)
    for task, result in backend.run(CarryOut({bench.backbone.name: fresh}), lambda: next(left, None), lambda: None):
        assert getattr(result, "outcome", "") == "finished", (task, result)


def nothing(item: int, watch: Callable[[], None]) -> int:
    """A task that costs nothing but its way there and back."""
    return item


def _seconds(run: Callable[[], None]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


if __name__ == "__main__":
    main()
