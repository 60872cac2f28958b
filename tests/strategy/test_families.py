"""The default panel and its halving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.strategy.families import panel, pixel_lines
from frostline.strategy.halving import TRANSFER, Setting, beyond_edge, hopeless, promote
from frostline.strategy.racing import clearly_worse, finalists
from frostline.terms.recipe import Family

FIVE = ("s1", "s2", "s3", "s4", "s5")


def test_the_default_panel_has_thirty_lines_in_every_family() -> None:
    lines = [*panel("b", FIVE, FIVE), *pixel_lines()]
    assert len(lines) == 30
    assert {line.family for line in lines} == set(Family)


def counts() -> dict[Family, int]:
    found: dict[Family, int] = {}
    for line in [*panel("b", FIVE, FIVE), *pixel_lines()]:
        found[line.family] = found.get(line.family, 0) + 1
    return found


def test_lines_per_family_are_those_of_the_method() -> None:
    assert counts() == {
        Family.PIXELS: 2,
        Family.RANDOM_FEATURES: 5,
        Family.SOFTMAX_ONLY: 1,
        Family.ALL_LAYER: 1,
        Family.TRUNCATED: 7,
        Family.NEW_LAYERS: 3,
        Family.DEEPER_TUNED: 3,
        Family.DEEPER_REPLACED: 2,
        Family.SINGLE_STAGE: 2,
        Family.NEW_LAYERS_UNFREEZE: 1,
        Family.WHOLE: 1,
        Family.RANDOM_MATCHED: 1,
        Family.SCRATCH: 1,
    }


@pytest.mark.parametrize("count", range(1, 9))
def test_a_panel_exists_for_any_number_of_stages(count: int) -> None:
    stages = [f"s{index}" for index in range(count)]
    lines = panel("b", stages, stages)
    assert len({str(line.recipe) for line in lines}) == len(lines)
    for line in lines:
        assert len(line.recipe.actions(stages)) == count


def test_without_a_feature_map_there_is_no_conv_head() -> None:
    assert not any("conv" in str(line.recipe) for line in panel("b", FIVE, ()))


def test_promote_keeps_the_best_third_and_never_nothing() -> None:
    assert promote({"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.4, "e": 0.3, "f": 0.2}) == ["b", "c"]
    assert promote({"a": 0.1}) == ["a"]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 3))
def test_whoever_is_promoted_in_the_end_was_never_hopeless(scores: list[int], more: int) -> None:
    tried = dict(enumerate(map(float, scores)))
    promoted = set(promote(tried))
    for count in range(1, len(scores) + 1):
        so_far = {name: tried[name] for name in range(count)}
        assert not promoted & set(hopeless(so_far, len(scores) + more))
    assert not hopeless({"a": 0.1}, 1) and hopeless({"a": 0.1, "b": 0.2, "c": 0.3}, 3) == ["b", "a"]


@pytest.mark.parametrize(("best", "expected"), [(2, Setting(3e-3)), (0, Setting(3e-5, "frozen")), (1, None)])
def test_a_best_rate_at_the_edge_asks_for_one_beyond(best: int, expected: Setting | None) -> None:
    assert beyond_edge(TRANSFER, TRANSFER[best]) == expected


def test_protected_finalists_stay_whatever_their_screening_score() -> None:
    scores = {f"r{index}": -index for index in range(8)}
    assert finalists(scores, ["r7"]) == ["r0", "r1", "r2", "r7"]


@pytest.mark.parametrize(
    ("scores", "best", "expected"),
    [
        ([0.80], [0.90], True),
        ([0.88], [0.90], False),
        ([0.8, 0.81, 0.8], [0.9, 0.9, 0.91], True),
        ([0.7, 0.95], [0.9, 0.9], False),
    ],
)
def test_only_clearly_worse_finalists_are_dropped(scores: list[float], best: list[float], expected: bool) -> None:
    assert clearly_worse(scores, best, 0.01) is expected
