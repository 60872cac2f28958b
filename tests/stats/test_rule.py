"""Leader, eligible recipes and the simplest within delta."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from frostline.errors import DataError
from frostline.stats.pool import Pool, gather
from frostline.stats.rule import ROUNDING, Choice, choose, decide_rule, delta_for, simplicity
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from tests.stats.simulate import candidate, result, truth

SOFTMAX, LAYERS, WHOLE = (candidate(one) for one in (Family.SOFTMAX_ONLY, Family.NEW_LAYERS, Family.WHOLE))
PIXELS, SCRATCH, RANDOM = (candidate(one) for one in (Family.PIXELS, Family.SCRATCH, Family.RANDOM_FEATURES))

Scores = dict[Candidate, Sequence[float | None]]


def pool_of(scores: Scores) -> Pool:
    """A pool whose recipes have these accuracies (multiples of .001) on these folds; None: not run."""
    size = 1000
    count = len(next(iter(scores.values())))
    labels = np.zeros(size * count, dtype=int)
    results = []
    for one, values in scores.items():
        for fold, value in enumerate(values):
            if value is not None:
                wrong = np.arange(size) >= round(value * size)
                results.append(result(one, f"r0f{fold}", np.arange(size) + size * fold, np.eye(2)[wrong.astype(int)][None]))
    return gather(results, truth(labels), list(scores), "accuracy")


def names(pool: Pool, choice: Choice) -> tuple[Family, Family]:
    return pool.candidates[choice.leader].family, pool.candidates[choice.chosen].family


@pytest.mark.parametrize(
    ("scores", "leader", "chosen"),
    [
        pytest.param({SOFTMAX: [0.90], WHOLE: [0.905]}, WHOLE, SOFTMAX, id="simplest within delta"),
        pytest.param({SOFTMAX: [0.90], WHOLE: [0.91]}, WHOLE, SOFTMAX, id="exactly delta is within"),
        pytest.param({SOFTMAX: [0.90], WHOLE: [0.911]}, WHOLE, WHOLE, id="beyond delta"),
        pytest.param({SOFTMAX: [0.89], LAYERS: [0.90], WHOLE: [0.905]}, WHOLE, LAYERS, id="simplest of those within"),
        pytest.param({PIXELS: [0.90], SOFTMAX: [0.89], WHOLE: [0.895]}, PIXELS, SOFTMAX, id="a leading control is not chosen"),
        pytest.param({PIXELS: [0.95], SOFTMAX: [0.80], WHOLE: [0.85]}, PIXELS, WHOLE, id="nothing within: best allowed"),
        pytest.param({SOFTMAX: [0.80], SCRATCH: [0.90]}, SCRATCH, SCRATCH, id="scratch can be chosen"),
        pytest.param({WHOLE: [0.90], SCRATCH: [0.90]}, WHOLE, WHOLE, id="transfer is simpler than scratch"),
        pytest.param({PIXELS: [0.7], RANDOM: [0.8]}, RANDOM, RANDOM, id="only controls: the best, nothing within counts"),
        pytest.param({SOFTMAX: [0.7]}, SOFTMAX, SOFTMAX, id="one recipe"),
        pytest.param({SOFTMAX: [0.9, 0.7], WHOLE: [0.8, None]}, SOFTMAX, SOFTMAX, id="a mean over fewer folds does not win"),
        pytest.param({SOFTMAX: [0.9, 0.7], WHOLE: [0.95, None]}, WHOLE, WHOLE, id="better on its own fold leads"),
        pytest.param({SOFTMAX: [0.7, 0.9], WHOLE: [0.75, None]}, WHOLE, WHOLE, id="though its mean is lower"),
        pytest.param({SOFTMAX: [0.9, 0.7], WHOLE: [0.905, None]}, WHOLE, SOFTMAX, id="deficits on the leader's folds"),
        pytest.param(
            {SOFTMAX: [0.9, 0.5], LAYERS: [0.85, 0.8], WHOLE: [0.9, None]}, WHOLE, WHOLE, id="behind on more folds, lucky on one"
        ),
        pytest.param(
            {SOFTMAX: [0.9, 0.75], LAYERS: [0.86, 0.8], WHOLE: [0.905, None]}, WHOLE, SOFTMAX, id="not behind: within delta there"
        ),
        pytest.param(
            {SOFTMAX: [0.8, 0.8], LAYERS: [0.82, None], WHOLE: [None, 0.85]}, WHOLE, WHOLE, id="largest difference of several"
        ),
        pytest.param({SOFTMAX: [0.8, 0.8], WHOLE: [0.8, None]}, SOFTMAX, SOFTMAX, id="equal on fewer folds does not lead"),
        pytest.param({PIXELS: [0.95, 0.9], WHOLE: [0.85, None]}, PIXELS, WHOLE, id="a control on more folds takes no model away"),
        pytest.param(
            {PIXELS: [0.951, 0.951], SOFTMAX: [0.9, 0.9], WHOLE: [0.949, None]}, PIXELS, WHOLE, id="nor decides on which folds"
        ),
        pytest.param({PIXELS: [0.95, 0.9], SCRATCH: [0.5, 0.5], WHOLE: [0.9, None]}, PIXELS, WHOLE, id="nor between others"),
        pytest.param(
            {PIXELS: [0.95, 0.9], RANDOM: [0.97, 0.7], LAYERS: [0.8, None], WHOLE: [0.85, None]},
            RANDOM,
            WHOLE,
            id="the leader is then the best on the folds that are compared",
        ),
    ],
)
def test_rule(scores: Scores, leader: Candidate, chosen: Candidate) -> None:
    pool = pool_of(scores)
    assert names(pool, decide_rule(pool, 0.01)) == (leader.family, chosen.family)


def test_eligible_are_those_run_on_all_of_the_leaders_folds() -> None:
    pool = pool_of({SOFTMAX: [0.8, 0.8, 0.8], LAYERS: [0.8, None, 0.8], WHOLE: [0.9, 0.9, None]})
    choice = decide_rule(pool, 0.01)
    assert [pool.candidates[one].family for one in choice.eligible] == [Family.SOFTMAX_ONLY, Family.WHOLE]
    assert choice.folds.tolist() == [True, True, False]
    assert choice.deficit(0) == pytest.approx(0.1)


def test_recipes_are_compared_on_the_folds_of_what_may_be_handed_over() -> None:
    pool = pool_of({PIXELS: [0.95, 0.9, 0.9], RANDOM: [0.7, None, 0.9], WHOLE: [0.85, 0.8, None]})
    choice = decide_rule(pool, 0.01)
    assert [pool.candidates[one].family for one in choice.eligible] == [Family.PIXELS, Family.WHOLE]
    assert choice.folds.tolist() == [True, True, False]
    assert choice.deficit(choice.chosen) == pytest.approx(0.1)


@pytest.mark.parametrize(("best", "expected"), [(0.8, 0.01), (0.96, 0.01), (0.98, 0.005), (1.0, 0.0)])
def test_delta_is_at_most_a_quarter_of_what_the_best_lacks(best: float, expected: float) -> None:
    assert delta_for(best, None, "auroc") == pytest.approx(expected)
    assert delta_for(best, 0.03, "auroc") == 0.03


def test_delta_of_log_loss_is_measured_from_zero() -> None:
    assert delta_for(-0.02, None, "log-loss") == pytest.approx(0.005)


def test_simplicity_goes_by_family_parameters_flops_and_backbone() -> None:
    order = [
        candidate(Family.PIXELS),
        candidate(Family.SOFTMAX_ONLY, trained_parameters=900),
        candidate(Family.TRUNCATED, trained_parameters=5, flops=9),
        candidate(Family.TRUNCATED, trained_parameters=6, flops=3, order=0),
        candidate(Family.TRUNCATED, trained_parameters=6, flops=3, order=1),
        candidate(Family.TRUNCATED, trained_parameters=6, flops=4),
        candidate(Family.WHOLE, trained_parameters=1),
        candidate(Family.SCRATCH),
    ]
    shuffled = [order[one] for one in (4, 2, 7, 0, 6, 1, 5, 3)]
    assert simplicity(shuffled).tolist() == [4, 2, 7, 0, 6, 1, 5, 3]


def test_the_rule_in_many_replicates_is_the_rule_in_each() -> None:
    rng = np.random.default_rng(0)
    means = np.round(rng.uniform(0.85, 1.0, (200, 6)), 3)
    allowed, order = np.array([0, 1, 1, 1, 0, 1], dtype=bool), np.array([3, 5, 1, 0, 2, 4])
    for row, found in zip(means, choose(means, allowed, order, None, 1.0), strict=True):
        delta = min(0.01, (1 - row.max()) / 4)
        within = [n for n in range(6) if allowed[n] and row.max() - row[n] <= delta + ROUNDING]
        expected = min(within, key=lambda n: order[n]) if within else max(np.flatnonzero(allowed), key=lambda n: row[n])
        assert found == expected


def test_configuration_is_chosen_among_those_on_most_folds() -> None:
    labels = np.zeros(20, dtype=int)
    right, wrong, half = np.eye(2)[[0] * 10], np.eye(2)[[1] * 10], np.eye(2)[[0] * 5 + [1] * 5]
    first, second = np.arange(10), np.arange(10, 20)
    results = [
        result(WHOLE, "r0f0", first, np.stack([half, wrong]), ("lr=0.1", "lr=0.2")),
        result(WHOLE, "r0f1", second, half[None], ("lr=0.1",)),
        result(WHOLE, "r0f1", second, wrong[None], ("lr=0.2",)),
        result(WHOLE, "r0f0", first, right[None], ("lr=0.3",)),
    ]
    pool = gather(results, truth(labels), [WHOLE], "accuracy")
    assert pool.configurations[pool.best[0]] == "lr=0.1"
    assert pool.recipe_scores.tolist() == [[0.5, 0.5]]


def test_seeds_of_one_configuration_are_averaged() -> None:
    labels, where = np.zeros(10, dtype=int), np.arange(10)
    runs = [result(WHOLE, "val", where, np.eye(2)[[n] * 10][None]) for n in (0, 1)]
    assert gather(runs, truth(labels), [WHOLE], "accuracy").recipe_scores.tolist() == [[0.5]]


def test_order_of_validation_images_does_not_matter() -> None:
    labels = np.array([0, 1, 1, 0])
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    order = np.array([2, 0, 3, 1])
    runs = [result(SOFTMAX, "val", np.arange(4), p[None]), result(WHOLE, "val", order, p[order][None])]
    pool = gather(runs, truth(labels), [SOFTMAX, WHOLE], "auroc")
    assert pool.recipe_scores[0] == pool.recipe_scores[1]


def test_results_on_different_images_are_refused() -> None:
    p = np.eye(2)[None]
    runs = [result(SOFTMAX, "val", np.array([0, 1]), p), result(WHOLE, "val", np.array([0, 2]), p)]
    with pytest.raises(ValueError, match="different images"):
        gather(runs, truth([0, 1, 1]), [SOFTMAX, WHOLE], "accuracy")


def test_a_metric_undefined_everywhere_is_refused() -> None:
    pool = gather([result(SOFTMAX, "val", np.arange(2), np.eye(2)[None])], truth([1, 1]), [SOFTMAX], "auroc")
    with pytest.raises(DataError, match="undefined on every fold"):
        decide_rule(pool, None)


def test_overlapping_splits_are_different_repeats() -> None:
    runs = [result(SOFTMAX, name, np.array(at), np.eye(2)[None]) for name, at in (("a", [0, 1]), ("b", [2, 3]), ("c", [1, 2]))]
    pool = gather(runs, truth([0, 1, 0, 1]), [SOFTMAX], "accuracy")
    assert pool.repeats(np.ones(3, dtype=bool)) == [[0, 1], [2]]
