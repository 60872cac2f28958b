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
from frostline.terms.data import Dataset
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe, Weights

BATCH = 32
TIMED, REPEATS = 12, 3  # batches in a row, and how often: the median counts


@dataclass(frozen=True)
class Limits:
    """Seconds an image at one size, medians of three runs.

    Attributes:
        decode_s: with all cores, into the store, of all images once.
        forward_s: of the plain network in the fastest mode; folded_s: with its normalisation folded into convolutions.
        train_s: of one step of the whole network in the fastest mode.
    """

    size: int
    decode_s: float
    forward_s: float
    folded_s: float
    train_s: float
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
        train = _train_s(backbone, store, len(dataset.classes), kernels.train)
    return Limits(backbone.spec.height, decode, forward, quick, train, str(kernels.forward), str(kernels.train))


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


def _train_s(backbone: LoadedBackbone, store: PixelStore, classes: int, mode: Mode) -> float:
    model = build(Recipe.parse("all: tune | head: linear"), backbone, classes)
    place(model, mode, "cpu")
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def step(images: torch.Tensor) -> None:
        with precision(mode, "cpu"):
            loss = torch.nn.functional.cross_entropy(model(images).float(), torch.zeros(len(images), dtype=torch.long))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return _median_s(step, _batches(backbone, store, mode))


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
