"""Networks taken apart by hand are the networks they were."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torchvision.models import mobilenet_v2

from benchmarks.loops import How, optimizer_of, step
from benchmarks.networks import Classifier, Kind, classifier, stages, units, whole
from benchmarks.panel import items, load, stage_ends
from benchmarks.peers.timm_weights import ARCHITECTURE, timm_state

MOBILENET = "torchvision/mobilenet_v2"
ENDS = ("features.1", "features.6", "features.18")


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def small(weights: Path, kind: Kind) -> Classifier:
    return classifier(MOBILENET, weights, ENDS, kind, 2, 64)


def test_stages_together_are_the_whole_network(weights: Path, batch: torch.Tensor) -> None:
    network = mobilenet_v2(weights=None).eval()
    network.load_state_dict(load_file(weights))
    model = small(weights, whole(ENDS))
    model.head = network.classifier
    assert torch.equal(model.eval()(batch), network(batch))


def test_a_stage_of_nested_blocks_ends_after_its_last_block(batch: torch.Tensor) -> None:
    torch.manual_seed(0)
    blocks = units("timm/tf_efficientnet_lite0", None)
    parts = stages(blocks, ["blocks.0", "blocks.4.0", "bn2"])
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    found = torch.nn.Sequential(*parts).eval()(batch)
    assert torch.equal(found, network.forward_features(batch))
    assert [len(part) for part in parts] == [2, len(blocks) - 10, 8]


def test_training_changes_only_what_is_trained(weights: Path, batch: torch.Tensor) -> None:
    model = small(weights, Kind((False, True, False), "linear")).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step(model, batch, torch.tensor([0, 1, 0, 1]), optimizer_of(model, 0.01), How())
    changed = {name.split(".")[1] if name.startswith("stages") else "head" for name, tensor in model.state_dict().items()
               if not torch.equal(tensor, before[name])}  # fmt: skip
    assert changed == {"1", "head"}


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (Kind((False, False), "linear"), 32),
        (Kind((False, False, False), "all-layer"), 16 + 32 + 1280),
        (Kind((False,), "mlp(256)"), 16),
    ],
)
def test_a_head_sees_the_channels_of_the_kept_stages(weights: Path, batch: torch.Tensor, kind: Kind, inputs: int) -> None:
    model = small(weights, kind)
    first = next(module for module in model.head.modules() if isinstance(module, torch.nn.Linear))
    assert first.in_features == inputs
    assert model(batch).shape == (4, 2)


def test_a_conv_head_halves_large_maps(weights: Path, batch: torch.Tensor) -> None:
    model = small(weights, Kind((False,), "conv(8)x2"))  # 32 pixels a side -> 16 -> 8
    strides = [module.stride[0] for module in model.head.modules() if isinstance(module, torch.nn.Conv2d)]
    assert strides == [2, 2]
    assert model(batch).shape == (4, 2)


def test_peers_that_load_through_timm_get_the_same_network(weights: Path, batch: torch.Tensor) -> None:
    source, target = mobilenet_v2(weights=None).eval(), timm.create_model(ARCHITECTURE, pretrained=False).eval()
    source.load_state_dict(load_file(weights))
    target.load_state_dict(timm_state(weights))
    assert torch.allclose(source(batch), target(batch), rtol=1e-4, atol=1e-6)


def test_every_line_of_the_panel_is_work_that_can_be_built(weights: Path) -> None:
    backbone = load(MOBILENET, weights)
    found = items(backbone)
    count = len(backbone.stages)
    by_line = {item.recipe: item for item in found}
    heads = [item for item in found if item.frozen_trunk]
    assert len(heads) == count + (count - 1) + 4  # random features, cuts, softmax-only, all-layer and two mlp heads
    assert [item.recipe for item in found if item.kind is None] == ["pixels: logistic", "pixels: forest"]
    assert all(item.epochs and item.settings >= 3 for item in found[2:] if not item.frozen_trunk)
    assert by_line["all: tune | head: linear"].kind == Kind((True,) * count, "linear")
    assert by_line["all: freeze | head: all-layer"].frozen_trunk
    assert not by_line["all: freeze | head: conv(256)x2"].frozen_trunk
    ends = stage_ends(backbone)
    for kind in {item.kind for item in found if item.kind}:
        classifier(MOBILENET, None, ends, kind, 2, 32)
