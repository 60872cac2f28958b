"""A model folder from a stranger runs no code and gives one clear error."""

import json
from pathlib import Path

import pytest
import torch

from frostline import backbones
from frostline.compute.build import build
from frostline.errors import InputError
from frostline.export.bundle import DESCRIPTION, WEIGHTS, Provenance, load, save
from frostline.terms.recipe import Recipe


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    names = backbone.stage_names
    recipe = Recipe.parse(f"{names[0]} .. {names[1]}: freeze | {names[2]} .. {names[-1]}: drop | head: mlp(8)")
    network = build(recipe, backbone, 2, seed=3).eval()
    save(tmp_path / "model", network, backbone, recipe, ("a", "b"), Provenance("lr=0.001", 3, "f", 10, "0"))
    return tmp_path / "model", network


def test_a_saved_model_predicts_what_it_predicted(model) -> None:
    folder, network = model
    loaded = load(folder)
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    spec = loaded.spec
    images = (pixels / 255 - torch.tensor(spec.mean).view(1, -1, 1, 1)) / torch.tensor(spec.std).view(1, -1, 1, 1)
    assert torch.allclose(loaded(pixels), torch.softmax(network(images), 1), atol=1e-6)
    assert torch.allclose(loaded(pixels / 255), loaded(pixels), atol=1e-6)


def test_dropped_stages_are_not_in_the_file(model) -> None:
    folder, _ = model
    whole = backbones.load("timm/test_resnet", pretrained=False, size=64).network()
    assert (folder / WEIGHTS).stat().st_size < 4 * sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [("backbone", "os:getcwd"), ("backbone", "timm/nonsense"), ("recipe", "all: melt"), ("schema_version", 99), ("cuts", ["x"])],
)
def test_a_strange_description_is_refused_with_one_error(model, field: str, value: object) -> None:
    folder, _ = model
    description = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(description | {field: value}))
    with pytest.raises(InputError):
        load(folder)


def test_damaged_weights_are_refused_with_one_error(model) -> None:
    folder, _ = model
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        load(folder)


def test_a_folder_without_a_model_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        load(tmp_path)
