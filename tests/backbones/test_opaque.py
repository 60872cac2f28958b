"""Networks that cannot be traced: an opaque module stays whole; an opaque network runs as the modules that the user names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frostline.backbones import load
from frostline.errors import BackboneError

SOURCE = '''
import torch
from torch import nn

CFG = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3}

def block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))

class Gated(nn.Module):
    """Branches on the data: it cannot be traced."""
    def __init__(self, i, o):
        super().__init__()
        self.inner, self.drop = block(i, o), nn.Dropout(0.5)
    def forward(self, x):
        x = self.drop(self.inner(x))
        return x * 2 if x.mean() > 1e6 else x

class Inside(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = block(3, 8), Gated(8, 16), block(16, 32), block(32, 32)
        self.fc, self.pretrained_cfg = nn.Linear(32, 10), CFG
    def forward(self, x):
        return self.fc(self.d(self.c(self.b(self.a(x)))).mean((2, 3)))

class Outside(Inside):
    def forward(self, x):
        x = self.d(self.c(self.b(self.a(x))))
        return self.fc(x.mean((2, 3))) if x.sum() < 1e9 else x

class Twisted(Inside):
    def forward(self, x):
        x = self.d(self.c(self.b(self.a(x)) + 1))
        return self.fc(x.mean((2, 3))) if x.sum() < 1e9 else x

def inside(): return Inside()
def outside(): return Outside()
def twisted(): return Twisted()
'''


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opaque_networks.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_module_that_branches_on_data_stays_whole_and_the_network_has_stages() -> None:
    backbone = load("opaque_networks:inside", pretrained=False)
    assert backbone.stage_names == ("stem", "b", "c", "d")


def test_an_opaque_module_is_frozen_like_any_other() -> None:
    network = load("opaque_networks:inside", pretrained=False).network()
    network.freeze(["stem", "b"])
    network.train()
    before = {name: tensor.clone() for name, tensor in network.part("b").tensors().items()}
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(network.run(images, 0, 2), network.run(images, 0, 2))  # dropout is off
    network(images).sum().backward()
    assert all(parameter.grad is None for parameter in network.part("b").parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.part("b").tensors().items())
    assert all(parameter.grad is not None for parameter in network.part("d").parameters())


def test_an_opaque_network_is_refused_with_the_modules_that_may_be_named() -> None:
    with pytest.raises(BackboneError, match=r"opaque_networks:outside\?stages=\.\.\.' from a,b,c,d,fc"):
        load("opaque_networks:outside", pretrained=False)


def test_an_opaque_network_works_by_its_named_modules(tmp_path: Path) -> None:
    from opaque_networks import outside

    torch.manual_seed(0)
    whole = outside().eval()
    save_file(whole.state_dict(), tmp_path / "outside.safetensors")
    backbone = load(f"opaque_networks:outside={tmp_path / 'outside.safetensors'}?stages=a,b,c,d")
    assert backbone.stage_names == ("stem", "b", "c", "d")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features = backbone.network().eval()(images)
        assert torch.equal(whole.fc(features.mean((2, 3))), whole(images))
    assert backbone.at(64).input_size == (3, 64, 64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("outside?stages=a,b,cc", r"no module 'cc'.* from a, b, c, d, fc"),
        ("outside?stages=a,c", "in a row do not give what the network gives at 'c'"),
        ("twisted?stages=a,b,c,d", "in a row do not give what the network gives at 'd'"),
    ],
)
def test_modules_that_are_not_the_network_are_refused(name: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load(f"opaque_networks:{name}", pretrained=False)
