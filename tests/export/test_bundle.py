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


def test_every_layer_says_where_it_comes_from_and_what_was_trained(make_model) -> None:
    folder = make_model("stem .. maxpool: freeze | layer1: tune | layer2: reinit | layer3 .. layer4: freeze | head: linear")
    description = json.loads((folder / DESCRIPTION).read_text())
    source = backbones.load("timm/test_resnet", pretrained=False, size=64).network().original_state()
    model = load(folder)
    ours = model.network.trunk.original_state()
    rows = {layer["name"]: layer for layer in description["layers"]}
    assert sum(layer["parameters"] for layer in rows.values()) == description["parameters"]
    for name, layer in rows.items():
        if layer["origin"] == "transferred":
            assert layer["source"] == description["source_digest"] and layer["seed"] is None
            assert torch.equal(ours[f"{name}.weight"], source[f"{name}.weight"])
        else:
            assert layer["source"] is None and layer["seed"] == 3 and layer["trained"]
    assert {layer["origin"] for layer in rows.values() if layer["stage"] == "layer2"} == {"random"}
    assert rows["conv1.0"]["trained"] is False and rows["bn1"]["statistics"] == "kept"
    assert rows["layer1.0.conv1"]["trained"] is True and rows["head.body"]["origin"] == "new"


@pytest.mark.parametrize("name", ["timm/test_resnet", "timm/test_vit", "timm/test_efficientnet"])
def test_a_plain_model_loads_with_timm_alone_and_says_the_same(make_model, name: str) -> None:
    import timm

    folder = make_model("all: tune | head: linear", name)
    model = load(folder)
    other = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.allclose(torch.softmax(other(images), 1), torch.softmax(model.network(images), 1), atol=1e-5)
    assert other.pretrained_cfg["label_names"] == ["across", "along"]
    assert tuple(other.pretrained_cfg["mean"]) == model.spec.mean


def test_an_exported_plain_model_is_a_backbone_again(make_model) -> None:
    folder = make_model("all: tune | head: linear")
    again = backbones.load(f"timm/local-dir:{folder}")
    assert again.input_size == (3, 64, 64)
    assert torch.equal(
        again.network().original_state()["conv1.0.weight"], load(folder).network.trunk.original_state()["conv1.0.weight"]
    )


@pytest.mark.parametrize("line", ["stem .. layer3: freeze | layer4: drop | head: linear", "all: freeze | head: all-layer"])
def test_what_timm_cannot_build_has_no_config_for_it(make_model, line: str) -> None:
    folder = make_model(line)
    assert not (folder / "config.json").exists()
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, DESCRIPTION}


def test_no_file_of_a_model_is_a_pickle(run) -> None:
    for path in (run.path / "model").iterdir():
        assert path.suffix in (".safetensors", ".json", ".md", ".txt")
        assert path.stat().st_mode & 0o044 == path.parent.stat().st_mode & 0o044


def own_network() -> torch.nn.Module:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(4, 8, 3, 2), torch.nn.ReLU())
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", torch.nn.Flatten())
    network.add_module("fc", torch.nn.Linear(8, 5))
    return network


def test_a_model_on_an_own_network_loads_when_the_caller_gives_the_function(make_model) -> None:
    folder = make_model("all: freeze | head: linear", f"{__name__}:own_network")
    with pytest.raises(InputError, match="give it yourself"):
        load(folder)
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(load(folder, own_network)(pixels), load(folder, f"{__name__}:own_network")(pixels))
    with pytest.raises(InputError, match="top of a module"):
        load(folder, lambda: own_network())
