"""A model's forms side by side: seconds an image and bytes of the exported recipe against its whole backbone, and how close
`predict` on files comes to the bare forward pass.

python -m benchmarks.forms RUN DATA
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import frostline as fl
from frostline.compute.build import build
from frostline.export.bundle import Classifier, model_folder, rebuilt_backbone
from frostline.export.graphs import ONNX, write_onnx
from frostline.export.inputs import find_inputs
from frostline.export.predict import BATCH, fast, predict_files
from frostline.terms.recipe import Recipe

REPEATS, BATCHES = 5, 8


def seconds_an_image(run: Callable[[], object], images: int) -> float:
    run()
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run()
        found.append(time.perf_counter() - begun)
    return statistics.median(found) / images


def whole(source: Path, model: Classifier) -> Classifier:
    """The whole backbone with a linear head and random weights, at the same size."""
    description = json.loads((model_folder(source) / "model.json").read_text())
    backbone = rebuilt_backbone(description)
    network = build(Recipe.parse("all: freeze | head: linear"), backbone, len(model.classes))
    return Classifier(network, model.spec, model.classes, model.geometry).eval()


def onnx_row(name: str, model: Classifier) -> tuple[str, float]:
    """A table row, and seconds an image by onnxruntime."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        write_onnx(fast(model), Path(folder))
        size = (Path(folder) / ONNX).stat().st_size
        session = onnxruntime.InferenceSession(Path(folder) / ONNX, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, *model.spec.size), np.uint8)
    taken = seconds_an_image(lambda: [session.run(None, {"pixels": batch}) for _ in range(BATCHES)], BATCH * BATCHES)
    return f"| {name} | {sum(p.numel() for p in model.parameters()):,} | {size:,} | {1000 * taken:.3f} |", taken


def throughput(model: Classifier, data: Path, most: int) -> tuple[float, float]:
    """Seconds an image of `predict` on files, and of the bare forward pass on as many images in memory."""
    files = list(find_inputs([data]).paths)[:most]
    quick, batch = fast(model), torch.randint(0, 256, (BATCH, *model.spec.size), dtype=torch.uint8)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(len(files) // BATCH):
                quick(batch)

    streamed = seconds_an_image(lambda: list(predict_files(model, files)), len(files))
    return streamed, seconds_an_image(bare, len(files) // BATCH * BATCH)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=512)
    given = parser.parse_args(arguments)
    model = fl.load(given.run)
    print("| network | parameters | bytes of model.onnx | ms an image |\n|---|---:|---:|---:|")
    mine, mine_s = onnx_row("recipe", model)
    theirs, theirs_s = onnx_row("whole backbone", whole(given.run, model))
    print(f"{mine}\n{theirs}\n\nrecipe / whole: {mine_s / theirs_s:.2f} of the time (onnxruntime, batches of {BATCH})")
    streamed, bare = throughput(model, given.data, given.images)
    print(f"predict on files {1000 * streamed:.2f} ms an image, bare forward pass {1000 * bare:.2f}: ratio {streamed / bare:.2f}")


if __name__ == "__main__":
    main()
