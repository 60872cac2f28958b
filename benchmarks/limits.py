"""What this machine can do at best with one backbone: decoding, forward passes and training steps without anything around them.

python -m benchmarks.limits DATA --backbone NAME --sizes 224,96
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from frostline import backbones, data
from frostline.backbones import LoadedBackbone, folded
from frostline.compute.build import build
from frostline.compute.kernels import probe_kernels
from frostline.compute.sources import PixelSource
from frostline.compute.train import place, precision
from frostline.data import PixelStore
from frostline.strategy.families import panel
from frostline.terms.backbone import Layout
from frostline.terms.data import Dataset
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe, Weights

BATCH = 32
TIMED, STEPS, REPEATS = 12, 4, 3  # batches of forward passes and of steps in a row, and how often: the median counts


@dataclass(frozen=True)
class Limits:
    """Seconds an image at one size, medians of three runs.

    Attributes:
        decode_s: with all cores, into the store, of all images once.
        forward_s: of the plain network in the fastest mode; folded_s: with its normalisation folded into convolutions.
        steps_s: recipe line -> of one bare training step above the recipe's frozen prefix, in the fastest mode.
    """

    size: int
    decode_s: float
    forward_s: float
    folded_s: float
    steps_s: dict[str, float]
    forward_mode: str
    train_mode: str


def limits(dataset: Dataset, backbone: LoadedBackbone) -> Limits:
    """Measured on real images of `dataset`, batches of 32."""
    kernels = probe_kernels(backbone, len(dataset.classes), "cpu")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        dataset, store = data.build_store(dataset, data.Geometry.of(backbone.spec), folder)
        decode = (time.perf_counter() - begun) / len(dataset.samples)
        plain = backbone.network(Weights.PRETRAINED).eval()
        forward = _forward_s(backbone, store, plain, kernels.forward)
        quick = _forward_s(backbone, store, folded(plain), kernels.forward)
    steps = {str(line): _step_s(backbone, line, len(dataset.classes), kernels.train) for line in deep_recipes(backbone)}
    return Limits(backbone.spec.height, decode, forward, quick, steps, str(kernels.forward), str(kernels.train))


def deep_recipes(backbone: LoadedBackbone) -> list[Recipe]:
    """The lines of the panel that train feature maps."""
    maps = [stage.name for stage in backbone.stages if stage.cut.layout is not Layout.FLAT]
    return [line.recipe for line in panel(backbone.name, backbone.stage_names, maps) if line.deep]


def _batches(backbone: LoadedBackbone, store: PixelStore, mode: Mode) -> list[torch.Tensor]:
    source = PixelSource(store, backbone.spec, mode)
    rows = np.arange(min(store.count, BATCH * TIMED)) if store.count >= BATCH else np.arange(store.count)
    return [source.batch(rows[start : start + BATCH], 0) for start in range(0, len(rows), BATCH)]


@torch.no_grad()
def _forward_s(backbone: LoadedBackbone, store: PixelStore, network: torch.nn.Module, mode: Mode) -> float:
    place(network, mode, "cpu")

    def step(images: torch.Tensor) -> None:
        with precision(mode, "cpu"):
            network(images)

    return _median_s(step, _batches(backbone, store, mode))


def _step_s(backbone: LoadedBackbone, recipe: Recipe, classes: int, mode: Mode) -> float:
    """From the output of the frozen prefix, as if it lay in memory: forward, backward and the optimizer."""
    model = build(recipe, backbone, classes)
    place(model, mode, "cpu")
    model.train()
    first = model.frozen_prefix
    optimizer = torch.optim.AdamW([parameter for _, parameter in model.trained()], lr=1e-6, fused=True)
    targets = torch.zeros(BATCH, dtype=torch.long)

    def step(inputs: torch.Tensor) -> None:
        with precision(mode, "cpu"):
            loss = torch.nn.functional.cross_entropy(model.resume(inputs, first).float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    shape = backbone.stages[first - 1].cut.shape if first else backbone.input_size
    inputs = torch.randn(BATCH, *shape)
    last = inputs.ndim == 4 and mode.channels_last
    return _median_s(step, [inputs.contiguous(memory_format=torch.channels_last) if last else inputs] * STEPS)


def _median_s(step: Callable[[torch.Tensor], None], batches: list[torch.Tensor]) -> float:
    step(batches[0])  # warm-up
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        for images in batches:
            step(images)
        found.append((time.perf_counter() - begun) / sum(len(images) for images in batches))
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--sizes", default="224")
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    dataset, loaded = data.read(given.data, limit=given.limit), backbones.load(given.backbone)
    found = [asdict(limits(dataset, loaded.at(int(size)))) for size in given.sizes.split(",")]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
