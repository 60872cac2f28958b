"""A small real data set on disk, decoded, and tiny networks of different kinds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline import backbones, data
from frostline.compute.bench import Bench
from frostline.compute.materialise import Taps, tapped_pass
from frostline.compute.sources import PixelSource
from frostline.store.activations import ActivationStore
from frostline.terms.activations import View
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Weights

SIZE = 64
MODE = Mode("fp32", True)


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images of two textures with noise: `root/across`, `root/along`."""
    root = tmp_path_factory.mktemp("stripes")
    generator = np.random.default_rng(0)
    for label in ("across", "along"):
        (root / label).mkdir()
        for index in range(24):
            wave = (np.sin(np.arange(80) / (2 + index % 3)) * 60 + 120)[None, :, None] + generator.normal(0, 40, (80, 80, 3))
            pixels = np.clip(wave if label == "along" else wave.transpose(1, 0, 2), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def make_bench(stripes: Path, tmp_path_factory: pytest.TempPathFactory):
    """A function: backbone name -> a bench with the passes (here: weights random from seeds), of the first so many views."""

    def make(name: str, keep: bool = True, views: int = 1) -> Bench:
        backbone = backbones.load(name, pretrained=False, size=SIZE)
        folder = tmp_path_factory.mktemp("cache")
        dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), folder)
        labels = np.asarray([sample.label for sample in dataset.samples], np.int64)
        kernels = Kernels(name, SIZE, "cpu", 2, 8, MODE, MODE, 0.01, 0.03)
        cuts = [stage.cut.name for stage in backbone.stages] if keep else []
        activations, rows = ActivationStore(folder / "activations", None), np.arange(len(labels))

        def tap(weights: Weights, view: View) -> Taps:
            source, kept = PixelSource(store, backbone.spec, MODE, views=(view,)), cuts if weights is Weights.PRETRAINED else []
            return tapped_pass(backbone, weights, 0, source, rows, dataset.fingerprint, activations, MODE, kept)

        shown = [View(number, number % 2 == 1) for number in range(views)]
        passes = {
            weights: replace(tap(weights, shown[0]), further=tuple(tap(weights, view) for view in shown[1:]))
            for weights in (Weights.PRETRAINED, Weights.RANDOM)
        }
        return Bench(backbone, kernels, store, labels, 2, False, 0, passes, tuple(shown))

    return make
