"""What is typed becomes a reference once, and what does not fit says what would."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline.backbones.catalogue import available, resolve
from frostline.backbones.names import parse_name
from frostline.errors import BackboneError


def test_a_name_with_weights_and_options() -> None:
    text = "torchvision/mobilenet_v2=some dir/f=1.pth?mean=0.485,0.456,0.406&std=0.2,0.2,0.2&size=224&interpolation=bicubic"
    reference = parse_name(text)
    assert (reference.library, reference.model, reference.name) == ("torchvision", "mobilenet_v2", "torchvision/mobilenet_v2")
    assert reference.weights == Path("some dir/f=1.pth")
    assert reference.mean == (0.485, 0.456, 0.406) and reference.std == (0.2, 0.2, 0.2)
    assert reference.size == 224 and reference.interpolation == "bicubic"


def test_options_without_weights() -> None:
    reference = parse_name("timm/resnet18.a1_in1k?size=96&stages=layer1,layer3")
    assert reference.weights is None and reference.size == 96 and reference.stages == ("layer1", "layer3")


def test_a_factory_is_a_python_path() -> None:
    assert parse_name("my.nets:resnet20=w.pt").library == "factory"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no name"),
        ("tim/resnet18", r"not one of the libraries.*Nearest: timm"),
        ("timm/resnet18?siz=3", r"option 'siz' is not one of.*Nearest: size"),
        ("timm/resnet18?size=-1", "whole number of pixels"),
        ("timm/resnet18?std=0,0,0", "one number a channel"),
        ("timm/resnet18?mean=123.7,116.3,103.5", "pixels in 0..1"),
        ("timm/resnet18?crop_pct=87", "at most 1"),
        ("timm/resnet18?interpolation=cubic", "one of nearest"),
    ],
)
def test_what_does_not_fit_says_what_would(text: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        parse_name(text)


def test_unknown_names_get_the_nearest_of_both_catalogues() -> None:
    with pytest.raises(BackboneError, match="timm/resnet18"):
        resolve(parse_name("timm/resnet81"))
    with pytest.raises(BackboneError, match="torchvision/mobilenet_v2"):
        resolve(parse_name("torchvision/mobilenetv2"))


def test_a_bare_name_needs_to_be_unambiguous() -> None:
    assert resolve(parse_name("mobilenetv2_100")).library == "timm"
    assert resolve(parse_name("mobilenet_v2")).library == "torchvision"
    with pytest.raises(BackboneError, match="timm/resnet18 or torchvision/resnet18"):
        resolve(parse_name("resnet18"))


def test_available_filters_by_part_or_pattern() -> None:
    assert {"timm/resnet18", "timm/resnet18.a1_in1k", "torchvision/resnet18"} <= set(available("resnet18"))
    assert available("torchvision/vgg1?") == ["torchvision/vgg11", "torchvision/vgg13", "torchvision/vgg16", "torchvision/vgg19"]
    assert "demo/efficientnet_lite0" in available(None)
    assert available("no such network") == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, frostline.backbones; print([m for m in ('timm', 'torchvision', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
