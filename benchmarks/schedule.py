"""Schedules of the learning rate against each other: warm-up, constant and cooldown, and warm-up then cosine.

python -m benchmarks.schedule DATA ... --backbone NAME=FILE [--train 150] [--size 96] [--epochs 1,3,10] [--seeds 3]

The same images, heads, rates and seeds for all; the score is the accuracy on the images that were not trained on.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from frostline import backbones, data
from frostline.compute.bench import Bench
from frostline.compute.build import build
from frostline.compute.frozen import start_head
from frostline.compute.inputs import source_for
from frostline.compute.materialise import tapped_pass
from frostline.compute.train import Schedule, place, predict, settle_statistics, train
from frostline.compute.trials import subset
from frostline.store.activations import ActivationStore
from frostline.terms.activations import View
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Recipe, Weights
from frostline.terms.schedule import rate_share

MOST = 500  # images of each data set
RATES = {"transfer": (1e-4, 3e-4), "scratch": (1e-3,)}


def cosine(step: int, per_epoch: int, epochs: int) -> float:
    """Warm-up over a tenth of the steps, then cosine to zero."""
    steps = per_epoch * epochs
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def cooldown(kind: str, part: float, step: int, per_epoch: int, epochs: int) -> float:
    """As `rate_share`, with another shape and another share of the epochs."""
    warm = min(50, max(1, per_epoch // 2))
    start, end = max(warm, per_epoch * (epochs - max(1, round(part * epochs)))), per_epoch * epochs
    done = (step - start) / max(1, end - start)
    return min(1.0, (step + 1) / warm) if step < start else 1 - (math.sqrt(done) if kind == "sqrt" else done)


SHAPES = {
    "cosine": cosine,
    "frostline": rate_share,
    "linear 1/3": partial(cooldown, "linear", 1 / 3),
    "sqrt 1/3": partial(cooldown, "sqrt", 1 / 3),
    "linear 1/2": partial(cooldown, "linear", 1 / 2),
}


@dataclass(frozen=True)
class Job:
    """One training."""

    recipe: str
    line: str
    rate: float
    epochs: int
    seed: int
    shape: str


def bench_of(path: Path, name: str, size: int, folder: Path) -> Bench:
    """With the pre-trained pass over all images."""
    backbone = backbones.load(name, size=size)
    dataset, store = data.build_store(data.read(path, limit=MOST), data.Geometry.of(backbone.spec), folder)
    labels = np.asarray([sample.label for sample in dataset.samples], np.int64)
    mode = Mode()
    bench = Bench(
        backbone, Kernels(name, size, "cpu", 1, 32, mode, mode, 0.01, 0.03), store, labels, len(dataset.classes), False, 0
    )
    keep = [stage.cut.name for stage in backbone.stages[1:-1]]
    taps = tapped_pass(
        backbone, Weights.PRETRAINED, 0, bench.pixels(), np.arange(len(labels)), dataset.fingerprint,
        ActivationStore(folder / "activations"), mode, keep,
    )  # fmt: skip
    return replace(bench, passes={Weights.PRETRAINED: taps}, views=tuple(View(number, number % 2 == 1) for number in range(8)))


def lines(bench: Bench) -> dict[str, str]:
    """Name -> recipe line."""
    names = bench.backbone.stage_names
    return {
        "whole": "all: tune | head: linear",
        "deeper": f"{names[0]} .. {names[-3]}: freeze | {names[-2]} .. {names[-1]}: tune | head: linear",
        "scratch": "weights: random | all: tune | head: linear",
    }


def jobs(bench: Bench, shapes: list[str], epochs: list[int], seeds: int) -> Iterator[Job]:
    for name, line in lines(bench).items():
        for count in epochs:
            for rate in RATES.get(name, RATES["transfer"]):
                for seed in range(seeds):
                    yield from (Job(name, line, rate, count, seed, shape) for shape in shapes)


def score(bench: Bench, job: Job, images: int) -> float:
    """Accuracy on the images that were not trained on."""
    rows = subset(np.arange(len(bench.labels)), bench.labels, images, job.seed)
    held_out = np.setdiff1d(np.arange(len(bench.labels)), rows)
    recipe = replace(Recipe.parse(job.line), train=() if job.recipe == "scratch" else (("norm", "frozen"),))
    network = build(recipe, bench.backbone, bench.classes, job.seed)
    place(network, bench.kernels.train, "cpu")
    start_head(bench, recipe, network, {}, rows, job.seed)
    source = source_for(bench, recipe, network, bench.backbone)
    schedule = Schedule(job.rate, job.epochs, share=SHAPES[job.shape])
    train(network, source, rows, bench.labels, schedule, bench.kernels.train, job.seed)
    settle_statistics(network, source, rows, bench.kernels.train, job.seed)
    found = predict(network, source, held_out, bench.kernels.forward).argmax(1)
    return float((found == bench.labels[held_out]).mean())


def table(name: str, found: dict[Job, float]) -> Iterator[str]:
    """A row a recipe and length: mean over rates and seeds of each shape, and the paired difference to cosine."""
    shapes = list(dict.fromkeys(job.shape for job in found))
    for recipe, epochs in dict.fromkeys((job.recipe, job.epochs) for job in found):
        own = {job: value for job, value in found.items() if (job.recipe, job.epochs) == (recipe, epochs)}
        cells = [f"{100 * mean(value for job, value in own.items() if job.shape == shapes[0]):.1f}"]
        for shape in shapes[1:]:
            gains = [100 * (value - own[replace(job, shape=shapes[0])]) for job, value in own.items() if job.shape == shape]
            error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
            cells.append(f"{mean(gains):+.1f} ± {error:.1f}")
        yield f"| {name} | {recipe} | {epochs} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--backbone", required=True, help="as `frostline search -b` takes it")
    parser.add_argument("--train", type=int, default=150)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", default="1,3,10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shapes", default="cosine,frostline", help=", ".join(SHAPES))
    given = parser.parse_args()
    shapes, epochs = given.shapes.split(","), [int(word) for word in given.epochs.split(",")]
    print(f"| images | recipe | epochs | {shapes[0]} | {' | '.join(shapes[1:])} |\n|{'---|' * (3 + len(shapes))}")
    for path in given.data:
        with tempfile.TemporaryDirectory() as folder:
            bench = bench_of(path, given.backbone, given.size, Path(folder))
            found = {job: score(bench, job, given.train) for job in jobs(bench, shapes, epochs, given.seeds)}
        print("\n".join(table(path.name, found)), flush=True)


if __name__ == "__main__":
    main()
