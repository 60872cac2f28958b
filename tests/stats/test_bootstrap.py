"""The vectorised bootstrap against a loop over replicates that calls scikit-learn, and its parts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

import frostline.stats.bootstrap as engine
from frostline.stats.bootstrap import bootstrap, draw_weights, standard_noise, units_of
from frostline.stats.compare import Distribution, between_models, distribution, few_units, needed_images, pseudo_variance, word
from frostline.stats.pool import Pool, Truth, gather
from frostline.terms.recipe import Family
from frostline.terms.verdict import Word
from tests.stats.simulate import candidate, folds, heads, hits_to_probabilities, results_of, scores_to_probabilities, truth

RECIPES = [candidate(Family.SOFTMAX_ONLY), candidate(Family.WHOLE)]


def tiny(metric: str, n: int = 60, groups: bool = False, repeats: int = 1) -> tuple[Pool, Truth]:
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], n // 2)
    predictions = {one: scores_to_probabilities(labels + rng.normal(size=(3, n))) for one in RECIPES}
    known = truth(labels, np.arange(n) // 4 if groups else None)
    return gather(results_of(predictions, folds(labels, 3, repeats)), known, RECIPES, metric), known


def loop(pool: Pool, known: Truth, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R, F) out-of-bag scores for the configuration best in the bag, and for the one best on all data, one replicate."""
    score = roc_auc_score if pool.metric == "auroc" else accuracy_score
    inside, outside = np.zeros(pool.scores.shape), np.zeros(pool.scores.shape)
    for fold, block in enumerate(pool.blocks):
        w, y = weights[block.indices], known.labels[block.indices]
        for column, p in zip(block.columns, block.probabilities, strict=True):
            said = p[:, 1] if pool.metric == "auroc" else p.argmax(axis=1)
            inside[column, fold] = score(y, said, sample_weight=w)
            outside[column, fold] = score(y[w == 0], said[w == 0])
    columns = [np.flatnonzero(pool.owners == recipe) for recipe in range(len(pool.candidates))]
    picked = [mine[inside[mine].mean(axis=1).argmax()] for mine in columns]
    return outside[picked], outside[pool.best]


@pytest.mark.parametrize("metric", ["auroc", "accuracy"])
@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("repeats", [1, 2])
def test_vectorised_equals_brute_force(metric: str, groups: bool, repeats: int) -> None:
    pool, known = tiny(metric, 120, groups, repeats)
    draws = bootstrap(pool, known, replicates=8, seed=11)
    weights = draw_weights(units_of(pool.images, known), 8, np.random.default_rng(11))
    for number, w in enumerate(weights):
        chosen, fixed = loop(pool, known, w)
        assert draws.outside[number, draws.picked[number]] == pytest.approx(chosen, abs=1e-6)
        assert draws.outside[number, pool.best] == pytest.approx(fixed, abs=1e-6)


def test_batches_of_replicates_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, known = tiny("auroc")
    monkeypatch.setattr(engine, "WEIGHTS_AT_ONCE", 60 * 7)
    found = bootstrap(pool, known, 40, 0)
    assert found.outside.shape == (40, 6, 3) and found.picked.shape == (40, 2)
    assert found.noise.mean() == pytest.approx(0) and found.noise.std() == pytest.approx(1)


def test_the_same_seed_gives_the_same_draws() -> None:
    pool, known = tiny("auroc")
    first, second, other = (bootstrap(pool, known, 30, seed).outside for seed in (1, 1, 2))
    assert np.array_equal(first, second, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_groups_are_drawn_whole_and_classes_keep_their_size() -> None:
    labels = np.repeat([0, 1], [40, 20])
    known = truth(labels, np.arange(60) // 5)
    units = units_of(np.arange(60), known)
    weights = draw_weights(units, 50, np.random.default_rng(0))
    assert (units.name, units.count) == ("group", 12)
    assert (weights.reshape(50, 12, 5).std(axis=2) == 0).all()
    assert (weights[:, labels == 0].sum(axis=1) == 40).all()
    assert (weights[:, labels == 1].sum(axis=1) == 20).all()


def test_without_groups_the_unit_is_the_image() -> None:
    units = units_of(np.array([2, 5, 7]), truth([0] * 8))
    assert (units.name, units.count) == ("image", 3)


def test_text_groups_work() -> None:
    units = units_of(np.arange(4), truth([0, 0, 1, 1], ["anna", "anna", "bert", "carl"]).numbered())
    assert (units.name, units.count, units.strata.tolist()) == ("group", 3, [0, 1, 1])


def test_left_out_share_is_what_is_drawn() -> None:
    units = units_of(np.arange(30), truth([0] * 20 + [1] * 10))
    weights = draw_weights(units, 4000, np.random.default_rng(0))
    assert units.left_out == pytest.approx((weights == 0).mean(), abs=0.003)


def test_centre_is_corrected_and_spread_is_what_it_is_given() -> None:
    rng = np.random.default_rng(0)
    fixed, spread, noise = rng.normal(size=4000), rng.normal(0, 0.02, 4000), standard_noise(4000, rng)
    found = distribution(0.8, fixed - 0.01, fixed, spread, noise, 0.03**2)
    assert found.centre == pytest.approx(0.79)
    assert found.values.mean() == pytest.approx(0.79)
    assert found.spread == pytest.approx(np.hypot(0.02, 0.03), rel=0.03)


def test_pseudo_units_are_two_that_disagree() -> None:
    units = units_of(np.arange(100), truth([0, 1] * 50))
    assert pseudo_variance("accuracy", units) == pytest.approx(2 / 100**2)
    assert pseudo_variance("balanced-accuracy", units) == pytest.approx(2 / 100**2)
    rare = units_of(np.arange(100), truth([0] * 90 + [1] * 10))
    assert pseudo_variance("auroc", rare) > 2 * pseudo_variance("auroc", units)


def test_few_units_of_a_class_widen_as_much_as_t_says() -> None:
    many = units_of(np.arange(4000), truth([0, 1] * 2000))
    assert 1 <= few_units("auroc", many) < 1.002
    ten = units_of(np.arange(10), truth([0] * 10))
    assert few_units("accuracy", ten) == pytest.approx(np.sqrt(10 / 9) * 2.262 / 1.96, rel=1e-3)
    rare = units_of(np.arange(150), truth([0] * 90 + [1] * 48 + [2] * 12))
    assert few_units("accuracy", rare) < 1.02 < 1.09 < few_units("balanced-accuracy", rare) < few_units("accuracy", ten)
    two, five = (units_of(np.arange(100), truth([0] * (100 - few) + [1] * few)) for few in (2, 5))
    assert few_units("auroc", two) == pytest.approx(few_units("auroc", five), rel=0.01)


def test_an_interval_of_ten_units_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(1000):
        values = rng.normal(size=10)
        replicates = rng.choice(values, size=(400, 10)).mean(axis=1)
        wide = few_units("accuracy", units_of(np.arange(10), truth([0] * 10))) * (replicates - replicates.mean())
        found = Distribution(float(values.mean()), values.mean() + wide).interval(-9, 9)
        held.append(found.low <= 0 <= found.high)
    assert 0.93 < np.mean(held) < 0.97


def test_repeats_add_their_variance() -> None:
    values, still = np.array([0.05, 0.15, 0.2, np.nan, 0.3, 0.3]), np.zeros((100, 6))
    assert between_models(values, still, [[0, 1], [2, 3], [4, 5]], 0.4) == pytest.approx(0.01 / 3)


def test_what_images_explain_of_the_difference_between_repeats_is_not_added_again() -> None:
    """Two repeats that differ only because each judges its images anew: their models are the same."""
    rng = np.random.default_rng(0)
    added = []
    for _ in range(200):
        values = rng.normal(size=(400, 2))
        outside = draw_weights(units_of(np.arange(400), truth([0] * 400)), 200, rng) == 0
        fixed = outside @ values / outside.sum(axis=1, keepdims=True)
        added.append(between_models(values.mean(axis=0), fixed, [[0], [1]], 0.37))
    alone = 1 / 400 / 2  # what repeats would add if nothing were taken off
    assert np.mean(added) < 0.6 * alone


def test_one_repeat_adds_what_its_folds_differ_by_beyond_their_images() -> None:
    folds = np.array([0.1, 0.2, 0.3])
    replicates = np.tile(np.tile([-0.05, 0.05], 50)[:, None], 3)  # at q = .2 four times the variance of the mean, .000625
    assert between_models(folds, replicates, [[0, 1, 2]], 0.2) == pytest.approx(0.01 / 3 - 0.000625)
    assert between_models(folds, 10 * replicates, [[0, 1, 2]], 0.2) == 0
    assert between_models(folds[:1], replicates[:, :1], [[0]], 0.2) == 0
    assert between_models(folds, np.full((5, 3), np.nan), [[0, 1, 2]], 0.2) == 0


def test_a_rare_class_weighs_as_much_out_of_the_bag_as_on_the_full_data() -> None:
    """Two images of it a fold: it is missing from 40 % of what is left of a fold, and all of its images are wrong."""
    labels = np.repeat([0, 1], [90, 10])
    known = truth(labels)
    wrong = hits_to_probabilities(labels[None] == 0, labels)
    pool = gather(results_of({heads(1)[0]: wrong}, folds(labels, 5)), known, heads(1), "balanced-accuracy")
    means = bootstrap(pool, known, 200, 0).outside[:, 0].mean(axis=1)
    assert pool.recipe_scores.mean() == 0.5
    assert (means == 0.5).mean() > 0.95  # but for replicates that drew every one of its ten images


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.02, 0.04, Word.HELPS),
        (-0.04, -0.02, Word.HARMS),
        (-0.005, 0.005, Word.NO_DIFFERENCE),
        (0.001, 0.009, Word.NO_DIFFERENCE),
        (-0.02, 0.04, Word.UNDETERMINED),
    ],
)
def test_words(low: float, high: float, expected: Word) -> None:
    assert word(Distribution((low + high) / 2, np.linspace(low, high, 101)), 0.01) is expected


@pytest.mark.parametrize("true", [0.02, -0.02, 0.01, 0.005, 0.0025, 0.0])
def test_with_the_needed_images_four_of_five_runs_decide(true: float) -> None:
    generator, spread = np.random.default_rng(0), 0.02
    needed, reason = needed_images(Distribution(true, generator.normal(true, spread, 20000)), 0.01, 100)
    assert needed is not None and not reason
    then, deviations = spread * (100 / needed) ** 0.5, generator.normal(size=2000)
    said = [word(Distribution(one, one + then * deviations), 0.01) for one in generator.normal(true, then, 1000)]
    assert 1 - said.count(Word.UNDETERMINED) / 1000 == pytest.approx(0.8, abs=0.05)


def test_needed_images_that_cannot_be_said_say_why() -> None:
    values = np.random.default_rng(0).normal(0, 0.02, 2000)
    assert needed_images(Distribution(0.0, values), 0.0, 100)[0] is None
    assert "no realistic number" in needed_images(Distribution(0.0, values), 0.0, 100)[1]
    assert "rarest class" in needed_images(Distribution(0.1, np.zeros(0)), 0.01, 100)[1]


def test_nothing_known_is_the_whole_range() -> None:
    empty = Distribution(0.7, np.zeros(0))
    assert (empty.interval(0, 1).low, empty.interval(0, 1).high) == (0, 1)
    assert word(empty, 0.01) is Word.UNDETERMINED
