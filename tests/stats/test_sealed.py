"""The sealed test set's scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from frostline.stats import sealed
from frostline.stats.classic import mcnemar
from frostline.stats.decide import DecideSettings, decide
from frostline.stats.sealed import with_test
from frostline.terms.verdict import Verdict
from tests.stats.simulate import Family, candidate, folds, results_of, scores_to_probabilities, truth

LABELS = np.tile([0, 1], 100)
CHOSEN, CONTROL = (
    scores_to_probabilities(s * LABELS + np.random.default_rng(n).normal(size=200)) for n, s in ((1, 2.0), (2, 0.3))
)
OWN = np.arange(200)


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    results = results_of({candidate(Family.SOFTMAX_ONLY): CHOSEN[None]}, folds(LABELS, 4))
    return decide(results, truth(LABELS), [candidate(Family.SOFTMAX_ONLY)], DecideSettings(replicates=50, interim=True))


def test_test_scores_replace_the_corrected_one(verdict: Verdict) -> None:
    found = with_test(verdict, {"chosen": (LABELS, CHOSEN, OWN), "control": (LABELS, CONTROL, OWN)}, "2026-01-01T00:00:00Z")
    assert found.score == found.test["chosen"]
    assert (found.score.how, found.score.images, found.test_opened_at) == ("sealed-test", 200, "2026-01-01T00:00:00Z")
    assert found.score.interval.value == pytest.approx(roc_auc_score(LABELS, CHOSEN[:, 1]))
    assert found.score.interval.low < found.score.interval.value < found.score.interval.high
    assert (found.claims, found.chosen, found.interim) == (verdict.claims, verdict.chosen, False)


def test_what_few_images_lack_widens_the_interval(verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for factor in (1.0, 3.0):
        monkeypatch.setattr(sealed, "few_units", lambda *_, factor=factor: factor)
        found.append(with_test(verdict, {"chosen": (LABELS, CHOSEN, OWN)}, "now").score.interval)
    assert found[1].high - found[1].low > 1.5 * (found[0].high - found[0].low)


def test_mcnemar_goes_to_the_notes(verdict: Verdict) -> None:
    found = with_test(verdict, {"chosen": (LABELS, CHOSEN, OWN), "control": (LABELS, CONTROL, OWN)}, "now")
    first, second, p = mcnemar(CHOSEN.argmax(1) == LABELS, CONTROL.argmax(1) == LABELS)
    assert f"{first} images only the chosen recipe gets right, {second} only the control, p = {p:.3g}." in found.notes[-1]
    assert "chosen minus control: +0." in found.notes[-2]


def test_images_of_one_patient_widen_the_interval_and_are_said(verdict: Verdict) -> None:
    patients = np.arange(200) // 20
    rng = np.random.default_rng(0)
    labels = patients % 2
    p = scores_to_probabilities(labels + np.repeat(rng.normal(size=10), 20))
    by_image = with_test(verdict, {"chosen": (labels, p, OWN)}, "now").score.interval
    both = with_test(verdict, {"chosen": (labels, p, patients), "control": (labels, p, patients)}, "now")
    assert both.score.interval.high - both.score.interval.low > 2 * (by_image.high - by_image.low)
    assert "some are drawn together" in both.notes[-1]


def test_interval_of_accuracy_is_the_binomial_one() -> None:
    labels = np.zeros(400, dtype=int)
    p = np.eye(2)[(np.arange(400) < 80).astype(int)]
    base = Verdict("accuracy", 0.01, None, None, None, (), (), (), None, 0.0)  # type: ignore[arg-type]
    found = with_test(base, {"chosen": (labels, p, np.arange(400))}, "now", replicates=4000).score.interval
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400 + 2 / 400**2)
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.004)


def test_what_cannot_be_scored_is_refused(verdict: Verdict) -> None:
    with pytest.raises(ValueError, match="needs the model 'chosen'"):
        with_test(verdict, {"control": (LABELS, CONTROL, OWN)}, "now")
    with pytest.raises(ValueError, match="different images"):
        with_test(verdict, {"chosen": (LABELS, CHOSEN, OWN), "control": (1 - LABELS, CONTROL, OWN)}, "now")


def test_an_undefined_test_score_is_said_and_loses_nothing(verdict: Verdict) -> None:
    found = with_test(verdict, {"chosen": (LABELS * 0, CHOSEN, OWN), "control": (LABELS * 0, CONTROL, OWN)}, "now")
    assert (found.score, found.test, found.test_opened_at) == (verdict.score, {}, "now")
    assert "AUROC of the model 'chosen' is undefined" in found.notes[-2]
