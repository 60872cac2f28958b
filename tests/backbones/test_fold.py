"""Folded normalisation changes speed, not what comes out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frostline.backbones import LoadedBackbone, StagedNetwork, folded
from frostline.terms.recipe import Weights

from .conftest import random_backbone
from .equality import noise

NAMES = (
    "timm/resnet18",
    "timm/tf_efficientnet_lite0",
    "timm/mobilenetv3_small_100",
    "timm/regnety_004",
    "timm/vit_tiny_patch16_224",
)


def lived_in(loaded: LoadedBackbone) -> StagedNetwork:
    """A network whose normalisation has seen images: statistics, scales and shifts are not those of the start."""
    network = loaded.network(Weights.PRETRAINED)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            assert module.running_mean is not None
            module.running_mean.normal_(0, 0.3, generator=generator)
    return network.eval()


def norms(network: StagedNetwork) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_keeps_its_value(name: str) -> None:
    loaded = random_backbone(name)
    network, images = lived_in(loaded), noise(loaded, 2)
    names = [stage.cut.name for stage in loaded.stages]
    expected, _ = network.tap_pooled(images, names)
    twin = folded(network, names)
    found, _ = twin.tap_pooled(images, names)
    for cut in names:
        scale = expected[cut].abs().max() + 1e-12
        assert float((found[cut] - expected[cut]).abs().max() / scale) < 1e-5, cut
    if norms(network):
        assert norms(twin) < norms(network) / 2
    assert norms(network) == norms(lived_in(loaded)), "the network itself is left alone"


def test_a_convolution_that_is_tapped_is_left_alone() -> None:
    loaded = random_backbone("timm/resnet18")
    network, images = lived_in(loaded), noise(loaded, 2)
    every = [cut.name for cut in loaded.cuts]
    expected, _ = network.tap_pooled(images, every)
    found, _ = folded(network, every).tap_pooled(images, every)
    for cut in every:
        assert torch.allclose(found[cut], expected[cut], rtol=1e-4, atol=1e-5 * float(expected[cut].abs().max())), cut


def test_cuts_between_a_convolution_and_its_normalisation_are_known() -> None:
    loaded = random_backbone("timm/resnet18")
    assert "conv1" in loaded.divided
    assert not {"bn1", "layer4"} & loaded.divided
    allowed = [cut.name for cut in loaded.cuts if cut.name not in loaded.divided]
    assert norms(folded(lived_in(loaded), allowed)) == norms(folded(lived_in(loaded)))
    assert norms(folded(lived_in(loaded), loaded.divided)) > norms(folded(lived_in(loaded)))
