"""A tiny search on real files: textures and a small network whose weights lie in a local file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from frostline import backbones
from frostline.terms.recipe import Weights

RECIPES = (
    "all: freeze | head: linear",
    "all: freeze | head: mlp(16)",
    "weights: random | all: freeze | head: linear",
    "all: tune | head: linear | train: lr=0.001 epochs=1",
    "weights: random | all: tune | head: linear | train: lr=0.001 epochs=1",
    "pixels: logistic",
)


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 x 140 noisy stripes, across or along: enough for a sealed test set."""
    root = tmp_path_factory.mktemp("textures")
    generator = np.random.default_rng(0)
    for label in ("across", "along"):
        (root / label).mkdir()
        for index in range(140):
            wave = (np.sin(np.arange(72) / (2 + index % 3)) * 40 + 120)[None, :, None] + generator.normal(0, 60, (72, 72, 3))
            pixels = np.clip(wave if label == "along" else wave.transpose(1, 0, 2), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def backbone_name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`NAME=FILE` of a small network with weights from a seed."""
    loaded = backbones.load("timm/test_resnet", pretrained=False)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    state = loaded.network(Weights.RANDOM, 7).original_state()
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, file)
    return f"timm/test_resnet={file}"
