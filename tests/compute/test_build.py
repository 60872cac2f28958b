"""What a recipe leaves as it was, what it makes random, and what an optimizer may touch."""

import pytest
import torch

from frostline import backbones
from frostline.compute.build import build, parameter_groups
from frostline.errors import RecipeError
from frostline.terms.recipe import Action, Recipe, Weights

# BatchNorm and squeeze-and-excitation; LayerNorm with dropout and drop-path; a plain residual network.
NAMES = ("timm/test_efficientnet", "timm/test_vit", "timm/test_resnet")


@pytest.fixture(scope="module", params=NAMES)
def backbone(request):
    return backbones.load(request.param, pretrained=False, size=64 if "vit" not in request.param else None)


def line(backbone, text: str) -> Recipe:
    """`text` with FIRST, REST, LAST and BEFORE replaced by this backbone's stages."""
    names = backbone.stage_names
    before = f"{names[0]} .. {names[-2]}" if len(names) > 2 else names[0]
    rest = f"{names[1]} .. {names[-1]}" if len(names) > 2 else names[-1]
    return Recipe.parse(
        text.replace("FIRST", names[0]).replace("REST", rest).replace("LAST", names[-1]).replace("BEFORE", before)
    )


RECIPES = (
    "all: freeze | head: linear",
    "all: freeze | head: all-layer",
    "all: freeze | head: mlp(16)",
    "all: freeze | head: conv(16)x2",
    "BEFORE: freeze | LAST: drop | head: linear",
    "BEFORE: freeze | LAST: tune | head: linear",
    "BEFORE: freeze | LAST: reinit | head: linear",
    "BEFORE: freeze | LAST: tune | head: mlp(16)",
    "FIRST: tune | REST: freeze | head: linear",
    "all: tune | head: linear",
    "weights: random | all: tune | head: linear",
    "weights: matched | all: tune | head: linear",
)


@pytest.mark.parametrize("text", RECIPES)
def test_frozen_tensors_stay_byte_identical_and_trained_ones_move(backbone, text: str) -> None:
    recipe = line(backbone, text)
    model = build(recipe, backbone, 3, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    groups = parameter_groups(model, lr=0.01)
    optimizer = torch.optim.SGD(groups, lr=0.01)
    images, targets = torch.rand(6, *backbone.input_size), torch.tensor([0, 1, 2, 0, 1, 2])
    for _ in range(2):
        model.train()
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = model.state_dict()
    for name, action in model.actions.items():
        part = model.trunk.part(name)
        same = [torch.equal(before[key], after[key]) for key in keys(model, part)]
        assert all(same) if action is Action.FREEZE else not all(same), name
    assert not all(torch.equal(before[key], after[key]) for key in before if key.startswith("head."))


def keys(model, part) -> list[str]:
    mine = {tensor.data_ptr() for tensor in part.state_dict().values() if tensor.numel()}
    return [name for name, tensor in model.state_dict().items() if tensor.numel() and tensor.data_ptr() in mine]


@pytest.mark.parametrize("text", RECIPES)
def test_each_trainable_parameter_is_in_exactly_one_group(backbone, text: str) -> None:
    model = build(line(backbone, text), backbone, 3)
    for rates in ("flat", "discriminative"):
        grouped = [id(p) for group in parameter_groups(model, 1e-3, rates=rates) for p in group["params"]]
        assert sorted(grouped) == sorted({id(p) for p in model.parameters() if p.requires_grad})


def test_discriminative_rates_fall_towards_the_input(backbone) -> None:
    model = build(Recipe.parse("all: tune | head: linear"), backbone, 3)
    rates = {group["name"]: group["lr"] for group in parameter_groups(model, 1e-3, rates="discriminative")}
    ordered = [rates[name] for name in (*backbone.stage_names, "head")]
    assert ordered == sorted(ordered) and ordered[-1] == 1e-3 and ordered[0] < 1e-3


def test_only_what_the_recipe_names_is_random(backbone) -> None:
    recipe = line(backbone, "BEFORE: freeze | LAST: reinit | head: linear")
    first, again, other = (build(recipe, backbone, 3, seed=seed) for seed in (1, 1, 2))
    source = backbone.network(Weights.PRETRAINED)
    for name, action in first.actions.items():
        own, theirs = dict(first.trunk.part(name).named_parameters()), dict(source.part(name).named_parameters())
        equal = all(torch.equal(own[key], theirs[key]) for key in own)
        assert equal is (action is Action.FREEZE)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.head.body.weight, other.head.body.weight)


def test_two_networks_of_one_backbone_share_nothing(backbone) -> None:
    one, two = (build(Recipe.parse("all: tune | head: linear"), backbone, 2) for _ in range(2))
    assert not {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in two.parameters()}


def test_matched_weights_keep_mean_and_spread_but_not_the_values(backbone) -> None:
    pretrained, matched = backbone.network(Weights.PRETRAINED), backbone.network(Weights.MATCHED, 3)
    for (name, a), (_, b) in zip(pretrained.named_parameters(), matched.named_parameters(), strict=True):
        if a.numel() > 2000:
            assert not torch.equal(a, b), name
            assert abs(float(a.std() - b.std())) < 0.1 * float(a.std()) + 1e-6, name


def test_any_listed_cut_is_accepted_in_a_recipe(backbone) -> None:
    boundaries = {stage.cut.name for stage in backbone.stages}
    inner = [cut.name for cut in backbone.description.cuts if cut.name not in boundaries]
    if not inner:
        pytest.skip("every cut is a stage boundary")
    cut = inner[-1]
    recut = backbone.with_stages([c.name for c in backbone.description.cuts if c.name in boundaries | {cut}])
    names = recut.stage_names
    at = names.index(cut)
    recipe = Recipe.parse(f"{names[0]} .. {cut}: freeze | {names[at + 1]} .. {names[-1]}: tune | head: linear")
    model = build(recipe, backbone, 2)
    assert model(torch.rand(2, *backbone.input_size)).shape == (2, 2)
    assert cut in model.actions


def test_a_stage_that_is_not_there_is_named_with_its_neighbours(backbone) -> None:
    with pytest.raises(RecipeError, match="nonsense"):
        build(Recipe.parse("nonsense: freeze | head: linear"), backbone, 2)
