"""The spread of a mean out-of-bag score, against what it truly is where many data sets can be drawn."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from frostline.stats.replay import Choosing, likely, not_chance, replayed

Array = npt.NDArray[Any]

IMAGES, BAGS = 150, 400


def best(means: Array, owners: Array | None = None) -> Array:
    return np.asarray(means.argmax(axis=1))


def bags_of(right: Array, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """(B, C) scores in and out of the bag of right (n, C), each image right or wrong; and the share out of the bag."""
    drawn = rng.multinomial(len(right), np.full(len(right), 1 / len(right)), size=BAGS)
    left = drawn == 0
    return drawn @ right / len(right), left @ right / left.sum(axis=1, keepdims=True), float(left.mean())


def data_set(truths: Array, rng: np.random.Generator) -> Array:
    """(n, C) right or wrong; images are hard for all recipes or for none."""
    shared, own = rng.standard_normal((IMAGES, 1)), rng.standard_normal((IMAGES, len(truths)))
    return np.asarray((0.93 * shared + 0.37 * own < np.quantile(rng.standard_normal(100_000), truths)).astype(float))


def estimates(truths: Array, runs: int) -> tuple[float, float]:
    """The real standard deviation of the mean out-of-bag score of what bags choose, and the replayed one."""
    rng = np.random.default_rng(0)
    means, spreads = [], []
    for _ in range(runs):
        right = data_set(truths, rng)
        inside, outside, left_out = bags_of(right, rng)
        means.append(outside[np.arange(BAGS), best(inside)].mean())
        given = Choosing(inside, outside, right.mean(axis=0), np.arange(len(truths)), best)
        spreads.append(replayed(given, left_out).var())
    return float(np.std(means)), float(np.sqrt(np.mean(spreads)))


@pytest.mark.parametrize(
    "truths",
    [
        pytest.param(np.full(8, 0.85), id="equal"),
        pytest.param(np.array([0.9, 0.8, 0.7]), id="one leads"),
        pytest.param(np.linspace(0.86, 0.8, 6), id="unlike"),
    ],
)
def test_the_replayed_spread_is_that_of_data_sets(truths: Array) -> None:
    real, replay = estimates(truths, runs=150)
    assert replay == pytest.approx(real, rel=0.17)  # of 150 runs the real one has a standard error of 6 %


def test_a_single_recipe_deviates_as_its_score_does() -> None:
    rng = np.random.default_rng(0)
    right = data_set(np.array([0.8]), rng)
    inside, outside, left_out = bags_of(right, rng)
    found = replayed(Choosing(inside, outside, right.mean(axis=0), np.array([0]), best), left_out)
    assert found.std() == pytest.approx(right.std() / np.sqrt(IMAGES), rel=0.1)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_many_equal_configurations_are_a_choice_too() -> None:
    """One recipe with four settings varies as four recipes with one each do: what is chosen is the same."""
    rng = np.random.default_rng(1)
    right = data_set(np.full(4, 0.85), rng)
    inside, outside, left_out = bags_of(right, rng)
    scores = right.mean(axis=0)
    apart = replayed(Choosing(inside, outside, scores, np.arange(4), best), left_out)
    together = replayed(Choosing(inside, outside, scores, np.zeros(4, dtype=int), best), left_out)
    assert together.std() == pytest.approx(apart.std(), rel=0.02)


def test_undefined_scores_take_no_part() -> None:
    rng = np.random.default_rng(2)
    right = data_set(np.array([0.85, 0.8]), rng)
    inside, outside, left_out = bags_of(right, rng)
    inside[::3, 1] = outside[::5, 0] = np.nan
    found = replayed(Choosing(inside, outside, np.array([0.85, np.nan]), np.arange(2), best), left_out)
    assert np.isfinite(found).all()


def test_differences_of_chance_are_drawn_together_and_real_ones_stay() -> None:
    deviations = np.random.default_rng(0).normal(0, 0.02, (2000, 5))
    chance, real = np.array([0.83, 0.85, 0.86, 0.84, 0.85]), np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    assert not_chance(chance, deviations) == 0
    assert not_chance(real, deviations) == pytest.approx(1 - 0.02**2 / real.var(ddof=1), abs=0.002)
    assert not_chance(np.array([0.8]), deviations[:, :1]) == 0
    assert np.ptp(likely(chance, np.arange(5), deviations)[0]) == 0


def test_a_leader_by_luck_deviates_as_the_others_do() -> None:
    """A recipe that by chance has every image right has no spread of its own, nor has one that is never wrong."""
    deviations = np.random.default_rng(0).normal(0, [0.001, 0.03, 0.03], (2000, 3))
    _, found = likely(np.array([0.86, 0.85, 0.84]), np.arange(3), deviations)
    assert found.std(axis=0) == pytest.approx(np.full(3, np.sqrt(0.0018 / 3)), rel=0.05)
    _, still = likely(np.array([0.86, 0.85, 0.84]), np.arange(3), deviations * [0, 1, 1])
    assert still[:, 0].std() == 0
