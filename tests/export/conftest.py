"""A finished run on real files, and small models of every kind that are saved without a search."""

from collections.abc import Callable
from pathlib import Path

import pytest

import frostline as fl
from frostline import backbones
from frostline.compute.build import build
from frostline.export.bundle import Provenance, save
from frostline.terms.recipe import Recipe

SIZE = 64
PROVENANCE = Provenance("lr=0.001", 3, "f", 10, "0")


@pytest.fixture(scope="session")
def run(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    """A search of two recipes on 48 images; the truncated one is not always the chosen one."""
    out = tmp_path_factory.mktemp("exported") / "run"
    lines = ["stem: freeze | conv1.5 .. layer4: drop | head: linear", "pixels: logistic"]
    weights = tmp_path_factory.mktemp("w") / "small.safetensors"
    write_weights(weights)
    return fl.search(stripes, f"timm/test_resnet={weights}", out=out, recipe=lines, size=SIZE)


def write_weights(file: Path) -> None:
    """Of a small network with random tensors, as a file of weights."""
    from safetensors.torch import save_file

    state = backbones.load("timm/test_resnet", pretrained=False).network().original_state()
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, file)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function: recipe line, backbone -> the folder of a model with random weights."""

    def make(line: str, name: str = "timm/test_resnet") -> Path:
        backbone = backbones.load(name, pretrained=False, size=SIZE)
        recipe = Recipe.parse(line)
        network = build(recipe, backbone, 2, seed=3).eval()
        folder = tmp_path_factory.mktemp("models") / "model"
        save(folder, network, backbone, recipe, ("across", "along"), PROVENANCE)
        return folder

    return make
