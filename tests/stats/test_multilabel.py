"""Several labels an image, against scikit-learn: each label on the images whose answer is known, then the mean."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from frostline.stats.bootstrap import bootstrap, units_of
from frostline.stats.decide import DecideSettings, decide
from frostline.stats.metrics import BY_LABEL, default_metric, score
from frostline.stats.pool import Truth, gather
from frostline.stats.sealed import with_test
from frostline.stats.strata import image_strata, strata_of
from frostline.stats.weighted import weighted_scores
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family, Recipe
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Budget, Trial
from frostline.terms.verdict import Word

NAMES = ("mass", "fluid", "nodule")
ORACLES = {
    "auroc": roc_auc_score,
    "average-precision": average_precision_score,
    "log-loss": lambda y, p, sample_weight=None: -log_loss(y, p, sample_weight=sample_weight),
}


def made(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < [0.5, 0.3, 0.2]).astype(float)
    return y, np.round((rng.random((n, 3)) + 0.5 * y) / 1.6, 2)


@pytest.mark.parametrize("metric", BY_LABEL)
def test_a_score_is_the_mean_over_labels_of_what_is_known(metric: str) -> None:
    y, p = made()
    y[::3, 1] = np.nan
    known = np.isfinite(y)
    expected = np.mean([ORACLES[metric](y[known[:, one], one], p[known[:, one], one]) for one in range(3)])
    assert score(metric, y, p) == pytest.approx(expected)
    p[::3, 1] = 0.5  # what is predicted where nothing is known does not matter
    assert score(metric, y, p) == pytest.approx(expected)


@pytest.mark.parametrize("column", [0.0, 1.0, np.nan])
def test_a_label_with_one_answer_only_is_left_out(column: float) -> None:
    y, p = made()
    y[:, 2] = column
    assert score("auroc", y, p) == pytest.approx(roc_auc_score(y[:, :2], p[:, :2], average="macro"))
    assert score("average-precision", y, p) == pytest.approx(average_precision_score(y[:, :2], p[:, :2], average="macro"))


def test_nothing_defined_is_nan() -> None:
    y, p = made()
    assert np.isnan(score("auroc", y * 0, p))
    assert np.isnan(score("auroc", y, p * np.nan))
    assert np.isnan(score("log-loss", y * np.nan, p))


@pytest.mark.parametrize("metric", BY_LABEL)
def test_weighted_scores_equal_scikit_learn_with_sample_weight(metric: str) -> None:
    y, p = made()
    y[::4, 0] = np.nan
    weights = np.random.default_rng(1).poisson(1.0, (5, 60)) + (np.arange(60) < 20)
    found = weighted_scores(metric, y, [p, p[::-1]], weights.astype(np.float32))
    for row, (one, other) in zip(weights, found, strict=True):
        known = [np.isfinite(y[:, label]) for label in range(3)]
        assert one == pytest.approx(
            np.mean([ORACLES[metric](y[k, n], p[k, n], sample_weight=row[k]) for n, k in enumerate(known)]), abs=1e-5
        )
        assert other != one


def test_a_weighting_that_leaves_a_label_undefined_leaves_it_out() -> None:
    y, p = made()
    weights = (y[:, 1] == 0).astype(float)[None]
    scores = [roc_auc_score(y[:, one], p[:, one], sample_weight=weights[0]) for one in (0, 2)]
    assert weighted_scores("auroc", y, [p], weights)[0, 0] == pytest.approx(np.mean(scores), abs=1e-5)
    assert np.isnan(weighted_scores("auroc", y * 0, [p], weights)).all()


def test_average_precision_of_classes_too() -> None:
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    expected = np.mean([average_precision_score(labels == one, p[:, one]) for one in range(3)])
    assert score("average-precision", labels, p) == pytest.approx(expected)
    assert weighted_scores("average-precision", labels, [p], np.ones((1, 50)))[0, 0] == pytest.approx(expected)


def test_shapes_that_do_not_fit_are_named() -> None:
    y, p = made()
    with pytest.raises(ValueError, match="do not fit"):
        score("auroc", y, p[:, :2])
    assert default_metric(5, several=True) == "auroc"


def test_an_image_counts_for_the_rarest_label_that_it_has() -> None:
    y = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 0], [0, np.nan, 0]])
    assert image_strata(y).tolist() == [1, 2, 3, 2, 0, 0]
    assert strata_of(y, np.array([0, 0, 1, 1, 2, 2]), 3).tolist() == [1, 3, 0]  # labels 1 and 2 are in both first units, 3 in one
    assert image_strata(np.array([2, 0, 1])).tolist() == [2, 0, 1]


# The whole decision --------------------------------------------------------------------------------------------------

LINES = {
    "all: freeze | head: linear": Family.SOFTMAX_ONLY,
    "weights: random | all: freeze | head: linear": Family.RANDOM_FEATURES,
}


def results(y: np.ndarray, strengths: tuple[float, ...], seed: int = 0) -> list[Result]:
    """Two recipes on five folds, the first with scores that know the answers better."""
    rng, found = np.random.default_rng(seed), []
    for (line, family), strength in zip(LINES.items(), strengths, strict=True):
        recipe = Recipe.parse(line)
        for fold in range(5):
            rows = np.arange(fold, len(y), 5)
            p = 1 / (1 + np.exp(-(rng.standard_normal((len(rows), 3)) + strength * (np.nan_to_num(y[rows]) - 0.5))))
            trial = Trial("net", "d", recipe, family.value, (), f"r0f{fold}", fold, Budget("full", 32), ("l2=1",))
            found.append(Result(trial, Outcome.DONE, rows, p[None].astype(np.float32), trained_parameters=10))
    return found


def candidates() -> list[Candidate]:
    return [Candidate(line, family, "net") for line, family in LINES.items()]


def test_a_verdict_on_several_labels_with_unknown_answers() -> None:
    y, _ = made(300)
    y[::5, 1] = np.nan
    truth = Truth(y, np.arange(300), NAMES)
    verdict = decide(results(y, (3.0, 0.5)), truth, candidates(), DecideSettings(replicates=300))
    assert verdict.metric == "auroc" and verdict.chosen.family == "softmax-only"
    helps = verdict.claims[0]
    assert helps.verdict is Word.HELPS and helps.comparison is not None and helps.comparison.units == 300
    assert verdict.score.interval.low < verdict.score.interval.value < verdict.score.interval.high
    known = [score("auroc", y[r.indices], r.probabilities[0]) for r in results(y, (3.0, 0.5))[:5]]
    assert verdict.score.interval.value == pytest.approx(np.mean(known), abs=0.01)


def test_equal_recipes_are_not_told_apart() -> None:
    y, _ = made(200, seed=3)
    verdict = decide(results(y, (1.0, 1.0)), Truth(y, np.arange(200), NAMES), candidates(), DecideSettings(replicates=300))
    assert verdict.claims[0].verdict in (Word.UNDETERMINED, Word.NO_DIFFERENCE)


def test_a_rare_label_weighs_as_much_in_every_replicate() -> None:
    """With two yes a fold it is often not drawn: it then has its score of the other folds, else the mean would jump."""
    y, _ = made(300)
    y[:, 2] = 0
    y[np.arange(10) * 30 + np.arange(10) % 5, 2] = 1
    truth = Truth(y, np.arange(300), NAMES).numbered()
    found = results(y, (3.0, 0.0))
    pool = gather(found, truth, candidates(), "auroc")
    draws = bootstrap(pool, truth, 300, 0)
    plain = np.mean([score("auroc", y[r.indices], r.probabilities[0]) for r in found[:5]])
    assert abs(float(np.nanmean(draws.outside[:, pool.best[0]])) - plain) < 0.01
    assert units_of(np.arange(300), truth).count == 300


def test_a_sealed_test_of_several_labels() -> None:
    y, p = made(200)
    y[::7, 0] = np.nan
    verdict = decide(results(y, (2.0, 0.5)), Truth(y, np.arange(200), NAMES), candidates(), DecideSettings(replicates=100))
    groups = np.arange(200)
    tested = with_test(verdict, {"chosen": (y, p, groups), "control": (y, p[::-1], groups)}, "now", 200)
    assert tested.score.how == "sealed-test" and tested.score.interval.value == pytest.approx(score("auroc", y, p))
    assert not any("McNemar" in note for note in tested.notes) and any("chosen minus control" in note for note in tested.notes)
