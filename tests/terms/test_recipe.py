"""The recipe language: it prints what it parses, names what it does, and its errors say what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.errors import RecipeError
from frostline.terms.recipe import TRAIN_OPTIONS, Action, Family, Head, HeadKind, Range, Recipe, Weights, family

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")

names = st.from_regex(r"[a-z][a-z0-9_.]{0,8}[a-z0-9]", fullmatch=True).filter(
    lambda name: name not in ("head", "train", "weights", "pixels") and ".." not in name
)
ranges = st.builds(Range, names, names, st.sampled_from(Action)) | st.builds(
    lambda name, action: Range(name, name, action), names | st.just("all"), st.sampled_from(Action)
)
heads = st.builds(Head, st.sampled_from([HeadKind.LINEAR, HeadKind.ALL_LAYER])) | st.builds(
    Head, st.sampled_from([HeadKind.MLP, HeadKind.CONV]), st.integers(1, 4096), st.integers(1, 9)
)
trains = st.dictionaries(st.sampled_from(list(TRAIN_OPTIONS)), st.none()).flatmap(
    lambda chosen: st.tuples(
        *(st.tuples(st.just(name), st.from_regex(f"({TRAIN_OPTIONS[name]})", fullmatch=True)) for name in chosen)
    )
)
recipes = st.builds(
    Recipe, st.lists(ranges, min_size=1, max_size=5).map(tuple), heads, st.sampled_from(Weights), trains
) | st.builds(lambda kind: Recipe((), None, pixels=kind), st.sampled_from(["forest", "logistic"]))


@given(recipes)
def test_parse_of_print_is_the_recipe(recipe: Recipe) -> None:
    assert Recipe.parse(str(recipe)) == recipe


@given(recipes)
def test_spaces_do_not_matter_where_they_separate(recipe: Recipe) -> None:
    spaced = "  " + str(recipe).replace("|", "  |  ").replace(": ", " :  ") + " "
    assert Recipe.parse(spaced) == recipe


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("all: freeze | head: linear", "softmax-only"),
        ("stem .. layer3: freeze | layer4: tune | head: linear", "deeper-tuned"),
        ("stem .. layer3: freeze | layer4: reinit | head: linear", "deeper-replaced"),
        ("all: tune | head: linear", "whole"),
        ("all: freeze | head: mlp(512)", "new-layers"),
        ("all: freeze | head: conv(256)x2", "new-layers"),
        ("stem .. layer3: freeze | layer4: tune | head: mlp(512)", "new-layers+unfreeze"),
        ("stem .. layer2: freeze | layer3 .. layer4: drop | head: conv(256)x2", "truncated"),
        ("all: freeze | head: all-layer", "all-layer"),
        ("stem: freeze | layer1: tune | layer2 .. layer4: freeze | head: linear", "single-stage"),
        ("weights: random | all: tune | head: linear", "scratch"),
        ("all: reinit | head: linear", "scratch"),
        ("weights: random | all: freeze | head: linear", "random-features"),
        ("weights: matched | all: tune | head: linear", "random-matched"),
        ("pixels: forest", "pixels"),
        ("pixels: logistic", "pixels"),
    ],
)
def test_every_recipe_has_its_plain_name(line: str, name: str) -> None:
    assert family(Recipe.parse(line), STAGES) == name


def test_the_plain_names_are_the_closed_list() -> None:
    assert {item.value for item in Family} == {
        *("softmax-only", "deeper-tuned", "deeper-replaced", "whole", "new-layers", "new-layers+unfreeze", "truncated"),
        *("all-layer", "single-stage", "scratch", "random-features", "random-matched", "pixels"),
    }
    assert {item.value for item in Family if item.control} == {"scratch", "random-features", "random-matched", "pixels"}


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("", "has an empty part; expected for example 'stem .. layer3: freeze"),
        ("all: tune || head: linear", "has an empty part"),
        ("all tune | head: linear", "'all tune' is not 'name: value', for example 'layer4: tune'"),
        ("all: tune", "does not end with a head; add for example '| head: linear'"),
        ("head: linear", "says nothing about the stages; add for example 'all: freeze |' in front"),
        ("weights: imagenet | all: tune | head: linear", "'imagenet' is not one of pretrained, random, matched"),
        ("weights: randon | all: tune | head: linear", "Nearest: random, pretrained."),
        ("all: tunne | head: linear", "'tunne' is not one of freeze, tune, reinit, drop. Nearest: tune."),
        ("head: linear | all: tune | head: linear", "'head:' is in the wrong place; the order is weights, stages, head, train"),
        ("stem..layer4 x: tune | head: linear", "is not a stage nor 'stage .. stage' (with a space on each side of ..)"),
        ("stem .. : tune | head: linear", "is not a stage nor 'stage .. stage'"),
        (
            "all: tune | head: liner",
            "is not one of linear, all-layer, mlp(WIDTH), conv(WIDTH), conv(WIDTH)xDEPTH. Nearest: linear",
        ),
        ("all: tune | head: mlp", "needs a width, for example mlp(256)"),
        ("all: tune | head: linear(3)", "linear takes no width and no depth; write head: linear"),
        ("all: tune | head: mlp(0)", "is not one of linear"),
        ("all: tune | head: linear | train: learning=1", "train option 'learning' is not one of opt, lr, epochs"),
        ("all: tune | head: linear | train: epoch=1", "Nearest: epochs."),
        ("all: tune | head: linear | train: lr=fast", "'lr=fast' does not fit lr="),
        ("all: tune | head: linear | train: epochs=0", "does not fit epochs="),
        ("all: tune | head: linear | train: lr=1 lr=2", "'lr' is given twice"),
        ("pixels: trees", "expected exactly 'pixels: forest' or 'pixels: logistic'"),
        ("pixels: forest | head: linear", "expected exactly 'pixels: forest' or 'pixels: logistic'"),
    ],
)
def test_a_line_that_does_not_parse_gets_advice(line: str, advice: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(line)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("stem .. layer5: tune | head: linear", "'layer5' is not one of stem, layer1, layer2, layer3, layer4. Nearest: layer4"),
        ("stem .. layer5: tune | head: linear", "`frostline stages NAME --all` lists every cut that may be named"),
        ("layer4 .. stem: tune | head: linear", "'layer4' comes after 'stem'; write 'stem .. layer4'"),
        ("stem .. layer2: freeze | layer2 .. layer4: tune | head: linear", "'layer2' has two actions; name each stage once"),
        (
            "stem .. layer2: freeze | layer4: tune | head: linear",
            "says nothing about layer3; every stage needs one action (stem,",
        ),
        ("all: drop | head: linear", "drops every stage; keep at least the first, or use 'pixels: logistic'"),
        ("stem: drop | layer1 .. layer4: tune | head: linear", "drop is possible only at the end, after the last kept stage"),
    ],
)
def test_a_line_that_does_not_fit_the_stages_gets_advice(line: str, advice: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(line).actions(STAGES)
    assert advice in str(caught.value)


def test_the_frozen_prefix_ends_at_the_first_trained_stage() -> None:
    recipe = Recipe.parse("stem .. layer1: freeze | layer2: tune | layer3: freeze | layer4: drop | head: linear")
    assert recipe.frozen_prefix(STAGES) == 2
    assert recipe.kept(STAGES) == ("stem", "layer1", "layer2", "layer3")
    assert not recipe.trunk_frozen(STAGES)
    assert Recipe.parse("all: freeze | head: linear").trunk_frozen(STAGES)


def test_option_is_what_train_says() -> None:
    recipe = Recipe.parse("all: tune | head: linear | train: lr=1e-3 norm=frozen")
    assert (recipe.option("lr"), recipe.option("norm"), recipe.option("opt")) == ("1e-3", "frozen", None)
