"""Class-activation maps and small pictures: checked against the definition, and against what they must not show."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from frostline import backbones
from frostline.compute.attention import class_maps, filters, heated, photograph
from frostline.compute.build import build
from frostline.terms.backbone import Layout
from frostline.terms.recipe import Recipe, Weights

ROWS = np.arange(6)


@pytest.fixture(scope="module")
def bench(make_bench):
    return make_bench("timm/test_resnet")


def decoded(uri: str) -> np.ndarray:
    kind, _, data = uri.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_with_a_linear_head_the_map_is_the_weighted_sum_of_the_channels(bench) -> None:
    """Zhou 2016: a pooled linear head's logit is the mean over the map of the sum over channels, weights by the class."""
    network = build(Recipe.parse("all: freeze | head: linear"), bench.backbone, 2, 0).eval()
    images, classes = bench.pixels().batch(ROWS, 0), np.array([0, 1, 0, 1, 0, 1])
    found = class_maps(network, images, classes)
    assert found is not None and bench.backbone.stages[-1].cut.layout is Layout.NCHW
    with torch.no_grad():
        features = network.trunk.run(images)
    last = [tensor for tensor in network.head.parameters() if tensor.ndim == 2][-1]
    weights = last[torch.from_numpy(classes)].detach()
    raw = torch.relu(torch.einsum("nc,nchw->nhw", weights, features))
    wanted = raw / raw.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    assert np.allclose(found, wanted.numpy(), atol=1e-4)
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("head", ["mlp(8)", "conv(8)x2", "all-layer"])
def test_every_head_has_a_map_and_no_gradient_is_left_behind(bench, head: str) -> None:
    network = build(Recipe.parse(f"all: freeze | head: {head}"), bench.backbone, 2, 0)
    found = class_maps(network, bench.pixels().batch(ROWS, 0), np.zeros(6, np.int64))
    assert found is not None and found.shape[0] == 6 and np.isfinite(found).all()
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("head", ["linear", "mlp(8)", "conv(8)x1", "all-layer"])
def test_a_network_that_reads_its_class_token_alone_is_explained_by_the_tokens_before(head: str) -> None:
    """At the last stage no other token reaches the answer: a map of it would be empty."""
    backbone = backbones.load("timm/test_vit", pretrained=False, size=64)
    assert backbone.stages[-1].cut.layout is Layout.CLASS_TOKEN
    network = build(Recipe.parse(f"all: freeze | head: {head}"), backbone, 2, 0)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = class_maps(network, images, np.array([0, 1, 0]))
    assert found is not None and found.shape == (3, 4, 4) and (found.max(axis=(1, 2)) == 1).all()


def test_where_no_place_moves_the_answer_there_is_no_map(bench) -> None:
    network = build(Recipe.parse("all: freeze | head: linear"), bench.backbone, 2, 0)
    with torch.no_grad():
        network.head.body.weight.zero_()
    assert class_maps(network, bench.pixels().batch(ROWS, 0), np.zeros(6, np.int64)) is None


def test_the_layout_after_a_stage_is_that_of_its_cut(bench) -> None:
    for backbone in (bench.backbone, backbones.load("timm/test_vit", pretrained=False, size=64)):
        trunk = backbone.network()
        found = [trunk.layout_after(number) for number in range(len(backbone.stages))]
        assert found == [stage.cut.layout for stage in backbone.stages]


def test_heat_lies_where_the_map_is_and_nowhere_else() -> None:
    pixels = np.full((32, 32, 3), 100, np.uint8)
    found = np.zeros((4, 4), np.float32)
    found[0, 0] = 1.0
    shown = decoded(heated(pixels, found).uri).astype(int)
    warm = shown[:, :, 0] - shown[:, :, 2]
    assert warm[2, 2] > 60 and abs(warm[28, 28]) < 8
    plain = decoded(heated(pixels, np.zeros((4, 4), np.float32)).uri).astype(int)
    assert np.ptp(plain) < 6, "nothing speaks for the class: a gray picture"


def test_pictures_keep_their_size_gray_or_coloured() -> None:
    for channels in (1, 3):
        tile = photograph(np.full((24, 24, channels), 77, np.uint8))
        assert (tile.width, tile.height) == (24, 24) and decoded(tile.uri).shape[:2] == (24, 24)


def test_filters_are_shown_each_by_its_own_scale_and_differ_from_random_ones(bench) -> None:
    mine = filters(bench.backbone.network(), "pretrained")
    other = filters(bench.backbone.network(Weights.RANDOM, 3), "random")
    assert mine is not None and other is not None
    assert mine.count == other.count and mine.parameter.endswith("weight")
    assert mine.picture.uri != other.picture.uri
    sheet = decoded(mine.picture.uri)
    assert sheet.shape[:2] == (mine.picture.height, mine.picture.width)
    assert {0, 255} & set(np.unique(sheet)), "the largest value of each filter is at the end of the scale"


def test_filters_that_are_no_pictures_are_not_shown() -> None:
    assert filters(torch.nn.Sequential(torch.nn.Conv2d(16, 4, 3)), "random") is None
    assert filters(torch.nn.Linear(3, 3), "random") is None
