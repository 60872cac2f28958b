"""A small real data set on disk, decoded, and tiny networks of different kinds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline import backbones, data
from frostline.compute.bench import Bench
from frostline.compute.materialise import tapped_pass
from frostline.compute.sources import PixelSource
from frostline.store.activations import ActivationStore
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
    """A function: backbone name -> a bench with the pre-trained pass (here: weights random from a seed)."""

    def make(name: str, keep: bool = True) -> Bench:
        backbone = backbones.load(name, pretrained=False, size=SIZE)
        folder = tmp_path_factory.mktemp("cache")
        dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), folder)
        labels = np.asarray([sample.label for sample in dataset.samples], np.int64)
        kernels = Kernels(name, SIZE, "cpu", 2, 8, MODE, MODE, 0.01, 0.03)
        source = PixelSource(store, backbone.spec, MODE)
        cuts = [stage.cut.name for stage in backbone.stages] if keep else []
        activations = ActivationStore(folder / "activations", None)
        rows = np.arange(len(labels))
        passes = {
            weights: tapped_pass(
                backbone, weights, 0, source, rows, dataset.fingerprint, activations, MODE,
                cuts if weights is Weights.PRETRAINED else [],
            )
            for weights in (Weights.PRETRAINED, Weights.RANDOM)
        }  # fmt: skip
        return Bench(backbone, kernels, store, labels, 2, False, 0, passes)

    return make
