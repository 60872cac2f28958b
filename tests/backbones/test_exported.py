"""A model that frostline made is a backbone by its folder: the same tensors, the same stages, and it knows what it has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from frostline import backbones
from frostline.backbones.exported import TRAINED_ON, digests_text
from frostline.backbones.names import parse_name
from frostline.compute.build import TransferNetwork, build
from frostline.errors import BackboneError
from frostline.export.bundle import Provenance, save
from frostline.terms.recipe import Recipe

NAME = "timm/test_resnet"


def exported(folder: Path, line: str = "weights: random | all: tune | head: linear", seed: int = 3) -> TransferNetwork:
    backbone = backbones.load(NAME, pretrained=False, size=64)
    recipe = Recipe.parse(line)
    network = build(recipe, backbone, 2, seed)
    save(folder / "model", network, backbone, recipe, ("a", "b"), Provenance("lr=0.001", seed, "print", 40, "0"))
    (folder / "model" / TRAINED_ON).write_text(digests_text(["b" * 32, "a" * 32, ""]))
    return network


def test_its_tensors_and_its_specification_are_those_of_the_model(tmp_path: Path) -> None:
    network = exported(tmp_path / "cats")
    for text in (str(tmp_path / "cats"), str(tmp_path / "cats" / "model")):
        loaded = backbones.load(text)
        assert loaded.name == "frostline/cats" and loaded.input_size == (3, 64, 64)
        assert loaded.trained_on == {"a" * 32, "b" * 32}
        mine = loaded.network().original_state()
        theirs = network.trunk.original_state()
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
        assert any("fitted by frostline on 40 images" in note for note in loaded.description.notes)
    assert backbones.load(f"{tmp_path / 'cats'}?size=96").input_size == (3, 96, 96)


def test_tensors_under_the_librarys_own_names_are_read_too(tmp_path: Path) -> None:
    network = exported(tmp_path / "cats")
    folder = tmp_path / "cats" / "model"
    file = next(folder.glob("*.safetensors"))
    state = {name: tensor.clone().contiguous() for name, tensor in network.trunk.original_state().items()}
    save_file(state | {"fc.weight": torch.zeros(2, 32), "fc.bias": torch.zeros(2)}, folder / "model.safetensors")
    assert file.name == "model.safetensors" or file.unlink() is None
    mine = backbones.load(str(folder)).network().original_state()
    assert all(torch.equal(mine[key], tensor) for key, tensor in network.trunk.original_state().items())


def test_a_model_of_a_model_and_another_process_have_the_same_weights(tmp_path: Path) -> None:
    import pickle

    exported(tmp_path / "cats")
    loaded = backbones.load(str(tmp_path / "cats")).at(96)
    again = pickle.loads(pickle.dumps(loaded))
    assert (again.digest, again.name, again.trained_on) == (loaded.digest, "frostline/cats", loaded.trained_on)
    network = build(Recipe.parse("all: tune | head: linear"), loaded, 2, 0)
    folder = tmp_path / "x-rays" / "model"
    save(folder, network, loaded, Recipe.parse("all: tune | head: linear"), ("a", "b"), Provenance("", 0, "print", 9, "0"))
    assert json.loads((folder / "model.json").read_text())["backbone"] == NAME
    assert backbones.load(str(tmp_path / "x-rays")).name == "frostline/x-rays"


def test_what_cannot_be_a_source_says_why(tmp_path: Path) -> None:
    stages = backbones.load(NAME, pretrained=False, size=64).stage_names
    exported(tmp_path / "short", f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: drop | head: linear")
    with pytest.raises(BackboneError, match=r"kept \d of \d stages .* recipes that drop nothing"):
        backbones.load(str(tmp_path / "short"))
    exported(tmp_path / "own")
    described = json.loads((tmp_path / "own" / "model" / "model.json").read_text())
    (tmp_path / "own" / "model" / "model.json").write_text(json.dumps({**described, "backbone": "os:getcwd"}))
    with pytest.raises(BackboneError, match="stranger's code"):
        backbones.load(str(tmp_path / "own"))
    for change, said in [
        ({"backbone": "timm/hf-hub:evil/model"}, "no plain name"),
        ({"images": "many"}, "is damaged"),
        ({"input": {**described["input"], "height": 10**9}}, "expected a whole number"),
    ]:
        (tmp_path / "own" / "model" / "model.json").write_text(json.dumps({**described, **change}))
        with pytest.raises(BackboneError, match=said):
            backbones.load(str(tmp_path / "own"))
    (tmp_path / "own" / "model" / "model.json").write_text("{}")
    with pytest.raises(BackboneError, match="says nothing about backbone"):
        backbones.load(str(tmp_path / "own"))
    (tmp_path / "own" / "model" / "model.json").write_text("no json")
    with pytest.raises(BackboneError, match="cannot be read"):
        backbones.load(str(tmp_path / "own"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackboneError, match="folder without a model that frostline made"):
        parse_name(str(tmp_path / "empty"))


def test_a_damaged_weights_file_is_refused_by_name(tmp_path: Path) -> None:
    exported(tmp_path / "cats")
    file = next((tmp_path / "cats" / "model").glob("*.safetensors"))
    assert load_file(file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BackboneError, match=file.name):
        backbones.load(str(tmp_path / "cats"))
