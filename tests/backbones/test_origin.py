"""A backbone travels as how it was loaded, and is the same one where it arrives."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from frostline.backbones import LoadedBackbone, load
from frostline.errors import BackboneError
from frostline.terms.recipe import Weights

from .conftest import random_backbone

FACTORY = """
import timm

def small():
    return timm.create_model("test_resnet", num_classes=7)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    state = random_backbone("timm/test_resnet", None).network(Weights.RANDOM, 7).original_state()
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


CHANGES: dict[str, Callable[[LoadedBackbone], LoadedBackbone]] = {
    "as it was loaded": lambda loaded: loaded,
    "at another size": lambda loaded: loaded.at(64).at(96),
    "with other stages": lambda loaded: loaded.with_stages([loaded.cuts[1].name, loaded.cuts[3].name]),
    "all of it": lambda loaded: loaded.renamed("mine").at(64).with_stages([loaded.cuts[2].name]).at(96),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_backbone_arrives_as_it_was_sent(file: Path, change: str) -> None:
    sent = CHANGES[change](load(f"timm/test_resnet={file}?mean=0.4,0.5,0.6&size=80"))
    message = pickle.dumps(sent)
    found = pickle.loads(message)
    assert len(message) < 2000
    assert found.description == sent.description and found.graph == sent.graph
    images = torch.rand(2, *sent.input_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(found.network().eval()(images), sent.network().eval()(images))
    random = sent.network(Weights.RANDOM, 3).state_dict()
    assert all(torch.equal(random[name], tensor) for name, tensor in found.network(Weights.RANDOM, 3).state_dict().items())


def test_a_backbone_arrives_once_and_is_shared(file: Path) -> None:
    sent = load(f"timm/test_resnet={file}", size=64)
    one, another = (pickle.loads(pickle.dumps(sent)) for _ in range(2))
    assert one is another


def test_random_weights_and_a_file_given_beside_the_name_travel_too(file: Path) -> None:
    for sent in (load("timm/test_resnet", pretrained=False, size=64), load("timm/test_resnet", weights=file, size=64)):
        assert pickle.loads(pickle.dumps(sent)).digest == sent.digest


def test_a_network_of_an_own_function_is_made_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sent_networks.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    sent = load("sent_networks:small", pretrained=False, size=64)
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).digest)"
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(sent), capture_output=True, env=environment)
    assert done.stdout.decode().strip() == sent.digest, done.stderr.decode()


def test_weights_that_were_changed_meanwhile_are_refused(file: Path) -> None:
    message = pickle.dumps(load(f"timm/test_resnet={file}", size=64))
    save_file({name: tensor * 2 for name, tensor in load_file(file).items()}, file)
    with pytest.raises(BackboneError, match=r"small\.safetensors.* are not those"):
        pickle.loads(message)


def test_a_backbone_without_a_name_cannot_be_sent(file: Path) -> None:
    from dataclasses import replace

    with pytest.raises(TypeError, match="was not loaded by its name"):
        pickle.dumps(replace(load(f"timm/test_resnet={file}", size=64), origin=None))
