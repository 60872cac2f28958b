"""Images of other numbers of channels: the first layer's weights summed or repeated, as timm does."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frostline import backbones
from frostline.backbones.channels import spread
from frostline.errors import BackboneError
from frostline.terms.recipe import Weights


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, in timm's form."""
    import timm

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "x.safetensors"
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), path)
    return path


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 7])
def test_weights_are_spread_as_timm_spreads_them(channels: int) -> None:
    from timm.models import adapt_input_conv

    weight = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(spread(weight, channels), adapt_input_conv(channels, weight.clone()), atol=1e-6)


@torch.no_grad()
def test_summing_gives_what_repeating_gray_gives(file: Path) -> None:
    name = f"timm/test_resnet={file}?mean=0.5,0.5,0.5&std=0.25,0.25,0.25"
    repeated, summed = (
        backbones.load(name, size=64),
        backbones.load(f"timm/test_resnet={file}?channels=1&mean=0.5&std=0.25", size=64),
    )
    assert summed.input_size == (1, 64, 64) and summed.name == "timm/test_resnet?channels=1"
    gray = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(2)) * 4 - 2
    first = repeated.network().eval()(gray.repeat(1, 3, 1, 1))
    second = summed.network().eval()(gray)
    assert torch.allclose(first, second, rtol=1e-4, atol=1e-4)
    assert repeated.digest != summed.digest
    assert any("summed into one" in note for note in summed.description.notes)


def test_mean_and_deviation_follow(file: Path) -> None:
    spec = backbones.load(f"timm/test_resnet={file}?channels=5&size=64").spec
    assert spec.channels == 5 and spec.mean[3:] == spec.mean[:2] and len(spec.std) == 5
    one = backbones.load("timm/resnet10t?channels=1", pretrained=False, size=64).spec
    assert one.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))
    with pytest.raises(BackboneError, match="takes 5 channels"):
        backbones.load(f"timm/test_resnet={file}?channels=5&mean=0.5,0.5,0.5")


def test_it_is_loaded_again_elsewhere_and_at_another_size(file: Path) -> None:
    loaded = backbones.load(f"timm/test_resnet={file}?channels=5", size=64)
    again = pickle.loads(pickle.dumps(loaded.at(96)))
    assert again.input_size == (5, 96, 96) and again.digest == loaded.digest


@torch.no_grad()
@pytest.mark.parametrize("name", ["timm/test_vit", "torchvision/squeezenet1_1"])
def test_other_architectures_run_at_other_sizes(name: str) -> None:
    loaded = backbones.load(f"{name}?channels=4", pretrained=False, size=96)
    for weights in (Weights.PRETRAINED, Weights.RANDOM, Weights.MATCHED):
        assert torch.isfinite(loaded.network(weights).eval()(torch.randn(2, 4, 96, 96))).all()


def test_what_cannot_be_changed_is_said() -> None:
    with pytest.raises(BackboneError, match="expected a number of channels"):
        backbones.load("timm/test_resnet?channels=0", pretrained=False)
