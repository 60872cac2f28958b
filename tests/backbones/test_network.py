"""Freezing means freezing; copies are independent; names are the original network's."""

from __future__ import annotations

import copy

import pytest
import torch

from frostline.backbones import LoadedBackbone, StagedNetwork
from frostline.errors import BackboneError
from frostline.terms.recipe import Weights

from .conftest import random_backbone
from .equality import noise, whole_network


def step(network: StagedNetwork, images: torch.Tensor) -> None:
    """One SGD step with weight decay and momentum over everything that asks for gradients."""
    network.train()
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1, momentum=0.9, weight_decay=0.1)
    network(images).square().mean().backward()
    optimizer.step()


def snapshot(network: StagedNetwork) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.original_state().items()}


def test_recipe_names_of_resnet18(resnet18: LoadedBackbone) -> None:
    assert resnet18.stage_names == ("stem", "layer1", "layer2", "layer3", "layer4")
    assert [stage.modules for stage in resnet18.stages[1:]] == [("layer1",), ("layer2",), ("layer3",), ("layer4",)]


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/mobilenetv3_small_100", "timm/vit_tiny_patch16_224"])
def test_frozen_tensors_and_buffers_are_byte_identical_after_a_step(name: str) -> None:
    loaded = random_backbone(name)
    network = loaded.network()
    frozen = set(loaded.stage_names[:3])
    network.freeze(loaded.stage_names[:3])
    before, owner = snapshot(network), network.stage_of()
    step(network, noise(loaded, batch=4))
    after = network.original_state()
    for key, tensor in before.items():
        if owner[key] in frozen:
            assert tensor.numpy().tobytes() == after[key].numpy().tobytes(), key
    assert any(not torch.equal(before[key], after[key]) for key in before if owner[key] not in frozen)


def test_a_frozen_stage_stays_in_evaluation_mode(resnet18: LoadedBackbone) -> None:
    network = resnet18.network()
    network.freeze(["layer1"])
    outer = torch.nn.Sequential(network, torch.nn.Flatten())
    outer.train()
    assert network.training and network.part("layer2").training
    assert not any(module.training for module in network.part("layer1").modules())
    network.part("layer1").frozen = False
    outer.train()
    assert network.part("layer1").training
    assert all(parameter.requires_grad for parameter in network.part("layer1").parameters())


def test_dropout_and_drop_path_are_off_in_frozen_stages(resnet18: LoadedBackbone) -> None:
    loaded = random_backbone("timm/levit_128s", None)
    network = loaded.network()
    network.freeze(loaded.stage_names)
    network.train()
    images = noise(loaded)
    assert torch.equal(network(images), network(images))


def test_norm_frozen_trains_the_affine_part_but_keeps_statistics(resnet18: LoadedBackbone) -> None:
    network = resnet18.network()
    network.part("layer4").norm_frozen = True
    before = snapshot(network)
    step(network, noise(resnet18, batch=4))
    after = network.original_state()
    assert torch.equal(before["layer4.0.bn1.running_mean"], after["layer4.0.bn1.running_mean"])
    assert not torch.equal(before["layer4.0.bn1.weight"], after["layer4.0.bn1.weight"])
    assert not torch.equal(before["layer3.0.bn1.running_mean"], after["layer3.0.bn1.running_mean"])
    assert int(after["layer4.0.bn1.num_batches_tracked"]) == 0


def test_copies_share_nothing(resnet18: LoadedBackbone) -> None:
    one, two = resnet18.network(), resnet18.network()
    reference = snapshot(two)
    step(one, noise(resnet18))
    assert all(torch.equal(reference[name], tensor) for name, tensor in two.original_state().items())
    assert all(torch.equal(reference[name], tensor) for name, tensor in resnet18.network().original_state().items())


@pytest.mark.parametrize("weights", [Weights.RANDOM, Weights.MATCHED])
def test_random_copies_come_from_their_seed_alone(resnet18: LoadedBackbone, weights: Weights) -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one = resnet18.network(weights, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    two, other = resnet18.network(weights, seed=5), resnet18.network(weights, seed=6)
    assert all(torch.equal(tensor, two.original_state()[name]) for name, tensor in one.original_state().items())
    assert not torch.equal(one.original_state()["conv1.weight"], other.original_state()["conv1.weight"])
    assert not torch.equal(one.original_state()["conv1.weight"], resnet18.network().original_state()["conv1.weight"])


def test_reinitialising_a_stage_copies_that_stage_alone(resnet18: LoadedBackbone) -> None:
    network, fresh = resnet18.network(), resnet18.network(Weights.RANDOM, seed=9)
    before = snapshot(network)
    network.copy_stage_from(fresh, "layer4")
    for name, stage in network.stage_of().items():
        expected = fresh.original_state()[name] if stage == "layer4" else before[name]
        assert torch.equal(network.original_state()[name], expected)


def test_truncating_keeps_the_first_stages(resnet18: LoadedBackbone) -> None:
    network = resnet18.network().eval()
    short = network.truncate(3)
    images = noise(resnet18)
    with torch.no_grad():
        assert torch.equal(short(images), network.run(images, last=3))
        assert torch.equal(network.run(short(images), first=3), network(images))
    assert short.stage_names == ("stem", "layer1", "layer2")
    with pytest.raises(BackboneError, match="keep at least 1"):
        network.truncate(0)


def test_names_are_the_original_networks(resnet18: LoadedBackbone) -> None:
    network, whole = resnet18.network(), whole_network(resnet18)
    state = network.original_state()
    expected = {name: tensor for name, tensor in whole.state_dict().items() if not name.startswith("fc.")}
    assert state.keys() == expected.keys() == network.stage_of().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_a_deep_copy_of_a_network_is_independent(resnet18: LoadedBackbone) -> None:
    network = resnet18.network().eval()
    twin = copy.deepcopy(network)
    images = noise(resnet18)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        assert torch.equal(twin(images), resnet18.network().eval()(images))


def test_an_unknown_stage_names_the_nearest(resnet18: LoadedBackbone) -> None:
    with pytest.raises(BackboneError, match=r"'layer5' is not one of stem, layer1.*Nearest: layer"):
        resnet18.network().part("layer5")


def test_own_boundaries_by_the_name_of_any_cut(resnet18: LoadedBackbone) -> None:
    own = resnet18.with_stages(["layer1.0", "layer3"])
    assert own.stage_names == ("stem", "layer3", "layer4")
    assert own.stages[0].cut.name == "layer1.0"
    assert own.digest == resnet18.digest
    assert sum(stage.parameters for stage in own.stages) == sum(stage.parameters for stage in resnet18.stages)
    images = noise(resnet18)
    with torch.no_grad():
        assert torch.equal(own.network().eval()(images), resnet18.network().eval()(images))
    with pytest.raises(BackboneError, match="has no cut 'layer9'"):
        resnet18.with_stages(["layer9"])


def test_another_size_keeps_names_and_digest(resnet18: LoadedBackbone) -> None:
    larger = resnet18.at(96)
    assert larger.input_size == (3, 96, 96)
    assert larger.stage_names == resnet18.stage_names
    assert [cut.name for cut in larger.cuts] == [cut.name for cut in resnet18.cuts]
    assert larger.digest == resnet18.digest
    assert larger.stages[-1].cut.shape == (512, 3, 3)
    assert resnet18.at(64) is resnet18


def test_a_vision_transformer_changes_size_with_its_position_table() -> None:
    native = random_backbone("timm/vit_tiny_patch16_224", None)
    small = native.at(96)
    assert small.network().original_state()["pos_embed"].shape == (1, 37, 192)
    assert small.digest == native.digest and small.stage_names == native.stage_names
    assert small.at(224).network().original_state()["pos_embed"].shape == (1, 197, 192)
    assert torch.equal(small.at(224).network().original_state()["pos_embed"], native.network().original_state()["pos_embed"])


def test_few_stages_and_values_left_out_are_said() -> None:
    few = random_backbone("timm/tnt_s_legacy_patch16_224", None)
    assert any(f"only {len(few.stages)}" in note for note in few.description.notes)
    assert any("random weights" in note for note in few.description.notes)
    several_classifiers = random_backbone("timm/efficientvim_m1", 128)
    assert any("several places inside it" in note for note in several_classifiers.description.notes)


def test_tied_stages_can_only_be_frozen_together() -> None:
    loaded = random_backbone("timm/coat_tiny", None)
    tied = {stage.name: stage.tied_to for stage in loaded.stages if stage.tied_to}
    if not tied:
        pytest.skip("this version of the network shares nothing between stages")
    name = next(iter(tied))
    with pytest.raises(BackboneError, match="share parameters"):
        loaded.network().freeze([name])
    loaded.network().freeze([name, *tied[name]])
