"""The data-size curve: known laws are found again, noise is refused, and nothing is said beyond twice the images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.stats.curve import Measured, Series, crossing, fit, fit_all, learning_curve, picks, predicted
from frostline.terms.curve import DIVISORS, DRAWS, Law, LearningCurve, Overtaking
from tests.stats.simulate import hits_to_probabilities, truth

SIZES = np.array([40.0, 80.0, 160.0, 320.0])
VALIDATION = 600


def law_at(law: Law, images: float) -> float:
    return law.a + law.b * images**-law.c


def simulated(
    laws: dict[str, Law], seed: int = 0, images: int = 320, luck: float = 0.01, divisors: tuple[int, ...] = DIVISORS
) -> LearningCurve:
    """Recipes whose validation images are right or wrong by shared and own luck; each draw and size has luck of its own."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], VALIDATION // 2)
    hard = rng.uniform(size=VALIDATION)  # the same images are hard for everybody
    series = []
    for role, law in laws.items():
        runs = []
        for divisor in divisors:
            for draw in range(DRAWS if divisor > 1 else 1):
                own = np.where(rng.uniform(size=VALIDATION) < 0.1, rng.uniform(size=VALIDATION), hard)
                error = law_at(law, images / divisor) + luck * np.sqrt(divisor / 8) * rng.normal()
                hits = own > error
                runs.append(Measured(divisor, images // divisor, draw, hits_to_probabilities(hits, labels)))
        series.append(Series(role, "all: freeze | head: linear", role, "toy", "l2=1", tuple(runs)))
    return learning_curve(series, np.arange(VALIDATION), truth(labels), "accuracy", images, seed, replicates=200)


def of(curve: LearningCurve, role: str):  # type: ignore[no-untyped-def]
    return next(one for one in curve.curves if one.role == role)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 0.3), st.floats(0.02, 0.4), st.floats(0.1, 1.9))
def test_a_law_without_noise_is_found_again_and_goes_on_to_twice_the_images(a: float, rise: float, c: float) -> None:
    law = Law(a, rise * 320**c, c)
    found = fit(SIZES, np.array([law_at(law, one) for one in SIZES]))
    assert law_at(found, 640) == pytest.approx(law_at(law, 640), abs=2e-3 * rise + 1e-6)
    assert found.a >= 0 and found.b >= 0 and 0 < found.c <= 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_whatever_the_errors_a_fit_keeps_its_bounds_and_never_rises(errors: list[float]) -> None:
    found = fit(SIZES, np.array(errors))
    assert found.a >= 0 and found.b >= 0 and 0 < found.c <= 2
    values = [law_at(found, one) for one in (*SIZES, 640)]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(values))


def test_a_clear_curve_says_what_twice_the_images_would_buy() -> None:
    law = Law(0.05, 3.0, 0.7)
    found = of(simulated({"frozen": law}), "frozen")
    truly = law_at(law, 320) - law_at(law, 640)
    assert found.law is not None and found.doubling is not None and not found.reason
    assert found.doubling.low <= truly <= found.doubling.high
    assert found.doubling.high - found.doubling.low < 0.1
    assert found.band[0].images == pytest.approx(40) and found.band[-1].images == pytest.approx(640)
    assert [point.draws for point in found.points] == [3, 3, 3, 1]


def test_noise_is_said_instead_of_fitted() -> None:
    refused = [of(simulated({"frozen": Law(0.2, 0.0, 1.0)}, seed), "frozen") for seed in range(12)]
    assert sum(one.law is None for one in refused) >= 10
    one = next(one for one in refused if one.law is None)
    assert "did not fall" in one.reason and one.doubling is None and one.band == () and one.fall is not None


def test_too_few_sizes_are_said_instead_of_fitted() -> None:
    found = simulated({"frozen": Law(0.05, 3.0, 0.7), "scratch": Law(0.05, 9.0, 0.7)}, divisors=(4, 2, 1))
    assert "3 sizes were measured" in of(found, "frozen").reason
    assert of(found, "frozen").law is None and found.crossings == ()


def test_a_crossing_within_the_data_is_found_where_it_is() -> None:
    flat, steep = Law(0.15, 0.3, 0.5), Law(0.02, 25.0, 1.0)
    found = simulated({"frozen": flat, "chosen": steep})
    grid = np.geomspace(40, 640, 2000)
    truly = grid[np.argmax([law_at(steep, one) < law_at(flat, one) for one in grid])]
    (one,) = found.crossings
    assert one.answer is Overtaking.WITHIN and one.images is not None
    assert one.images.low <= truly <= one.images.high <= 640
    assert one.images.high - one.images.low < 200


def test_a_crossing_beyond_twice_the_images_is_never_claimed() -> None:
    """Scratch would overtake at about 3,000 images; there are 320."""
    frozen, scratch = Law(0.08, 0.5, 0.6), Law(0.02, 5.0, 0.5)
    assert law_at(scratch, 10_000) < law_at(frozen, 10_000) and law_at(scratch, 640) > law_at(frozen, 640) + 0.05
    for seed in range(5):
        (one,) = simulated({"frozen": frozen, "scratch": scratch}, seed).crossings
        assert one.answer is Overtaking.BEYOND and one.images is None


def test_better_at_every_size_is_not_called_overtaking() -> None:
    (one,) = simulated({"frozen": Law(0.2, 2.0, 0.5), "chosen": Law(0.02, 0.5, 0.5)}).crossings
    assert one.answer is Overtaking.ALWAYS and one.images is None


def test_equal_recipes_cannot_be_told_apart() -> None:
    law = Law(0.05, 2.0, 0.6)
    answers = [simulated({"frozen": law, "chosen": law}, seed).crossings[0].answer for seed in range(8)]
    assert answers.count(Overtaking.UNTOLD) >= 6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_what_is_claimed_of_a_crossing_lies_between_the_smallest_size_and_twice_the_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    laws = {role: fit_all(SIZES, np.sort(rng.uniform(0, 0.5, (40, 4)), axis=1)[:, ::-1]) for role in ("frozen", "chosen")}
    one = crossing("chosen", "frozen", laws, 40.0, 320)
    assert (one.images is not None) == (one.answer is Overtaking.WITHIN)
    if one.images is not None:
        assert 40 <= one.images.low <= one.images.value <= one.images.high <= 640 + 1e-6


def test_groups_are_what_is_drawn() -> None:
    labels = np.tile([0, 1], 60)
    groups = np.arange(120) // 4
    runs = tuple(Measured(d, 320 // d, 0, hits_to_probabilities(np.arange(120) % 16 >= d, labels)) for d in DIVISORS)
    series = [Series("frozen", "all: freeze | head: linear", "softmax-only", "toy", "", runs)]
    found = learning_curve(series, np.arange(120), truth(labels, groups), "accuracy", 320, 0, replicates=50)
    assert (found.unit, found.units, found.validation) == ("group", 30, 120)
    assert predicted(np.array([[0.1, 2.0, 1.0]]), np.array([20.0]))[0, 0] == pytest.approx(0.2)


@pytest.mark.slow
def test_intervals_of_what_twice_the_images_buy_hold_the_truth() -> None:
    """With four sizes the nominal 95 % are kept to within some points."""
    law = Law(0.05, 3.0, 0.7)
    truly = law_at(law, 320) - law_at(law, 640)
    found = [of(simulated({"frozen": law}, seed), "frozen").doubling for seed in range(200)]
    known = [one for one in found if one is not None]
    assert len(known) >= 190
    assert np.mean([one.low <= truly <= one.high for one in known]) >= 0.9


def test_draws_that_are_present_are_taken_equally_often_and_stay_paired() -> None:
    keys = np.random.default_rng(0).random((20_000, 3, 3))
    every, two = picks(keys, [0, 1, 2]), picks(keys, [0, 2])
    assert every.shape == (20_000, 3) and two.shape == (20_000, 2)
    assert np.bincount(every.ravel()) / every.size == pytest.approx([1 / 3] * 3, abs=0.01)
    assert np.bincount(two.ravel()) / two.size == pytest.approx([1 / 2] * 2, abs=0.01)
    taken = every[:, :2] != 1
    assert (np.array([0, 2])[two][taken] == every[:, :2][taken]).all()
