"""Stages in a row are the network: same numbers, same gradients, same buffers."""

from __future__ import annotations

import pytest
import torch

from frostline.backbones import pool
from frostline.terms.backbone import Layout
from frostline.terms.recipe import Weights

from .conftest import random_backbone
from .equality import evaluation_differs, noise, training_differs

SMALL = [
    ("timm/resnet18", 64),
    ("timm/mobilenetv2_100", 64),
    ("timm/vit_tiny_patch16_224", 64),
    ("timm/convnext_atto", 64),
    ("timm/swin_tiny_patch4_window7_224", 64),
    ("timm/densenet121", 64),
    ("torchvision/squeezenet1_1", 64),
    ("timm/mobilenetv3_small_100", 64),  # squeeze and excitation; a convolution after the pooling
    ("timm/levit_128s", None),
    ("torchvision/mobilenet_v2", 64),
]


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_stages_in_a_row_equal_the_whole_network(name: str, size: int | None) -> None:
    assert evaluation_differs(random_backbone(name, size)) == ""


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_a_training_step_through_stages_equals_the_whole_networks(name: str, size: int | None) -> None:
    assert training_differs(random_backbone(name, size)) == ""


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_there_are_four_to_eight_stages(name: str, size: int | None) -> None:
    loaded = random_backbone(name, size)
    assert 4 <= len(loaded.stages) <= 8
    assert loaded.stage_names[0] == "stem"
    assert len(set(loaded.stage_names)) == len(loaded.stages)
    assert {stage.cut.name for stage in loaded.stages} <= {cut.name for cut in loaded.cuts}
    assert loaded.stages[-1].cut == loaded.cuts[-1]


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_no_stage_writes_into_what_it_is_given(name: str, size: int | None) -> None:
    loaded = random_backbone(name, size)
    network = loaded.network()
    for training in (False, True):
        x = noise(loaded)
        network.train(training)
        for stage in loaded.stage_names:
            before = x.clone()
            with torch.no_grad():
                result = network.part(stage)(x)
            assert torch.equal(before, x), f"{stage} overwrites its input (training={training})"
            x = result


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_a_frozen_prefix_with_a_tuned_suffix_gives_the_networks_own_gradients(name: str, size: int | None) -> None:
    loaded = random_backbone(name, size)
    count = len(loaded.stages) // 2
    images = noise(loaded)
    together, apart = loaded.network(), loaded.network()
    together.freeze(loaded.stage_names[:count])
    together.train()
    torch.manual_seed(0)
    together(images).square().mean().backward()
    apart.freeze(loaded.stage_names[:count])
    apart.train()
    stored = apart.run(images, last=count).detach()
    torch.manual_seed(0)
    apart.run(stored, first=count).square().mean().backward()
    for stage in loaded.stage_names[count:]:
        for one, two in zip(together.part(stage).parameters(), apart.part(stage).parameters(), strict=True):
            assert (one.grad is None and two.grad is None) or torch.equal(one.grad, two.grad)  # type: ignore[arg-type]
    assert all(parameter.grad is None for stage in loaded.stage_names[:count] for parameter in together.part(stage).parameters())


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_taps_are_the_values_at_every_cut(name: str, size: int | None) -> None:
    loaded = random_backbone(name, size)
    network = loaded.network().train()
    images = noise(loaded)
    taps, (pooled, _) = network.tap(images), network.tap_pooled(images, [cut.name for cut in loaded.cuts])
    assert list(taps) == [cut.name for cut in loaded.cuts]
    assert network.training and all(part.training for part in network.parts)
    network.eval()
    with torch.no_grad():
        x = images
        for stage in loaded.stages:
            x = network.part(stage.name)(x)
            assert torch.equal(taps[stage.cut.name], x)
    for cut in loaded.cuts:
        assert tuple(taps[cut.name].shape) == (2, *cut.shape)
        assert pooled[cut.name].shape == (2, cut.channels)
        assert torch.equal(pooled[cut.name], pool(taps[cut.name], cut.layout))


def test_layouts_are_as_the_networks_pool() -> None:
    layouts = {name: random_backbone(name, size).stages[-1].cut.layout for name, size in SMALL}
    assert layouts["timm/resnet18"] is Layout.NCHW
    assert layouts["timm/vit_tiny_patch16_224"] is Layout.CLASS_TOKEN
    assert layouts["timm/swin_tiny_patch4_window7_224"] is Layout.NHWC
    assert layouts["timm/levit_128s"] is Layout.TOKENS


def test_pooling_averages_positions_or_takes_the_class_token() -> None:
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert torch.equal(pool(maps, Layout.NCHW), maps.mean((2, 3)))
    assert torch.equal(pool(maps, Layout.NHWC), maps.mean((1, 2)))
    tokens = torch.arange(6.0).reshape(1, 3, 2)
    assert torch.equal(pool(tokens, Layout.TOKENS), tokens.mean(1))
    first = pool(tokens, Layout.CLASS_TOKEN)
    first.zero_()
    assert torch.equal(tokens[:, 0], torch.tensor([[0.0, 1.0]]))


def test_matched_weights_have_the_transferred_means_and_deviations() -> None:
    loaded = random_backbone("timm/mobilenetv2_100")
    matched, transferred = loaded.network(Weights.MATCHED, seed=3).original_state(), loaded.network().original_state()
    name = max(transferred, key=lambda key: transferred[key].numel())
    assert not torch.equal(matched[name], transferred[name])
    assert torch.allclose(matched[name].mean(), transferred[name].mean(), atol=1e-3)
    assert torch.allclose(matched[name].std(), transferred[name].std(), rtol=1e-2)
    assert torch.equal(matched["bn1.running_mean"], torch.zeros_like(matched["bn1.running_mean"]))
