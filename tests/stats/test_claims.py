"""The claims on stages: which recipes are on which side, and that they are one family."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from frostline.stats.compare import Distribution, step_down
from frostline.stats.decide import DecideSettings, decide
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.verdict import Claim, Word
from tests.stats.simulate import candidate, folds, result, results_of, scores_to_probabilities, truth

FAST = DecideSettings(metric="auroc", replicates=200)
LABELS = np.tile([0, 1], 150)
KNOWN = truth(LABELS)
SPLITS = folds(LABELS, 5)

PIXELS = candidate(Family.PIXELS, transferred=())
SCRATCH = candidate(Family.SCRATCH, transferred=())
SOFTMAX = candidate(Family.SOFTMAX_ONLY, transferred=("s1", "s2"))
TRUNCATED = candidate(Family.TRUNCATED, transferred=("s1",))
REPLACED = candidate(Family.DEEPER_REPLACED, transferred=("s1",))
FINER = candidate(Family.TRUNCATED, "s1.a: freeze | s1.b .. s2: drop | head: linear", transferred=None)


def stage_claims(strengths: dict[Candidate, float], seed: int = 0) -> dict[str, Claim]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=len(LABELS))
    predictions = {
        one: scores_to_probabilities((2 * LABELS - 1) * strength + shared + 0.3 * rng.normal(size=(1, len(LABELS))))
        for one, strength in strengths.items()
    }
    verdict = decide(results_of(predictions, SPLITS), KNOWN, list(strengths), FAST)
    return {claim.claim: claim for claim in verdict.claims if claim.claim.startswith("stage-")}


def test_each_stage_is_judged_by_the_best_recipe_with_it_and_the_best_without() -> None:
    found = stage_claims({PIXELS: 0.1, SCRATCH: 0.3, SOFTMAX: 0.4, TRUNCATED: 1.2, REPLACED: 1.0})
    assert list(found) == ["stage-s1-worth-transferring", "stage-s2-worth-transferring"]
    first, second = (claim.comparison for claim in found.values())
    assert first is not None and second is not None
    assert (first.first, first.second) == (TRUNCATED.recipe, SCRATCH.recipe)
    assert (second.first, second.second) == (SOFTMAX.recipe, TRUNCATED.recipe)
    assert [claim.verdict for claim in found.values()] == [Word.HELPS, Word.HARMS]
    assert "Holm" in first.assumptions[-1] and "2 claims" in first.assumptions[-1]


def test_a_claim_against_a_control_carries_the_caveat_of_scratch() -> None:
    found = stage_claims({PIXELS: 0.1, SOFTMAX: 1.2, TRUNCATED: 0.4})
    assert "at this budget" in found["stage-s1-worth-transferring"].reason
    assert "at this budget" not in found["stage-s2-worth-transferring"].reason


def test_recipes_on_finer_cuts_take_no_side() -> None:
    found = stage_claims({FINER: 3.0, SCRATCH: 0.3, SOFTMAX: 0.4, TRUNCATED: 0.5})
    sides = {side for claim in found.values() if (item := claim.comparison) for side in (item.first, item.second)}
    assert FINER.recipe not in sides


def test_a_stage_that_every_recipe_transfers_has_nothing_to_be_compared_with() -> None:
    found = stage_claims({SOFTMAX: 0.4, candidate(Family.WHOLE, transferred=("s1", "s2")): 0.5})
    assert [claim.verdict for claim in found.values()] == [Word.UNDETERMINED] * 2
    assert "no recipe without s1" in found["stage-s1-worth-transferring"].reason


def test_two_backbones_are_told_apart_in_the_name() -> None:
    other = candidate(Family.SOFTMAX_ONLY, backbone="b", transferred=("t1",))
    found = stage_claims({PIXELS: 0.1, SOFTMAX: 0.4, other: 0.5})
    expected = ["stage-toy:s1-worth-transferring", "stage-toy:s2-worth-transferring", "stage-b:t1-worth-transferring"]
    assert list(found) == expected


def test_transfer_that_was_only_screened_is_a_claim_at_this_budget() -> None:
    whole = candidate(Family.WHOLE, transferred=("s1", "s2"))
    rng = np.random.default_rng(0)
    values = {SCRATCH: 2.0, SOFTMAX: 0.2}
    predictions = {
        one: scores_to_probabilities((2 * LABELS - 1) * strength + rng.normal(size=(1, len(LABELS))))
        for one, strength in values.items()
    }
    results = results_of(predictions, SPLITS)
    indices = SPLITS["r0f0"]
    screened = result(whole, "r0f0", indices, predictions[SOFTMAX][:, indices], rung="screen-0")
    ran = result(whole, "r0f0", indices, predictions[SOFTMAX][:, indices])
    for extra, said in (([screened], True), ([screened, ran], False), ([], False)):
        claim = decide([*results, *extra], KNOWN, [*values, whole], FAST).claims[0]
        assert claim.verdict is Word.HARMS
        assert ("was only screened" in claim.reason) == said
        assert claim.reason.count("at this budget") <= 1


@pytest.mark.parametrize(
    ("certainties", "passing"),
    [
        ([0.96], [True]),
        ([0.96, 0.96], [False, False]),
        ([0.98, 0.96], [True, True]),
        ([0.96, 0.98], [True, True]),
        ([0.999, 0.94, 0.98], [True, False, True]),
        ([0.98, 0.98, 0.98], [False, False, False]),
        ([], []),
    ],
)
def test_holm_steps_down_from_the_surest(certainties: list[float], passing: list[bool]) -> None:
    assert [one >= level for one, level in zip(certainties, step_down(certainties), strict=True)] == passing


def test_a_family_of_null_claims_is_rarely_wrong() -> None:
    """5,000 families of five independent one-sided claims without any effect: one in twenty errs in one of its words."""
    rng = np.random.default_rng(0)
    above = norm.cdf(rng.normal(size=(5000, 5)))
    wrong = [any(p >= level for p, level in zip(family, step_down(family), strict=True)) for family in above.tolist()]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.01)


def test_certainty_is_that_of_the_likeliest_word() -> None:
    assert Distribution(0.0, np.array([-0.1, 0.001, 0.002, 0.1])).certainty(0.01) == 0.75
    assert Distribution(0.0, np.array([0.003, 0.002])).certainty(0.01) == 1
