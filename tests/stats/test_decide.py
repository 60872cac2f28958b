"""Verdicts on simulated runs with a known truth, and on runs that are not finished."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest

from frostline.errors import AllTrialsFailed
from frostline.stats import contest
from frostline.stats.decide import Candidate, DecideSettings, Truth, choose_now, decide
from frostline.stats.pool import gather
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.verdict import Claim, Verdict, Word
from tests.stats.simulate import LINES, candidate, folds, heads, result, results_of, scores_to_probabilities, truth

PIXELS, RANDOM, SOFTMAX, LAYERS, TUNED, WHOLE, SCRATCH = (
    candidate(one)
    for one in (
        Family.PIXELS,
        Family.RANDOM_FEATURES,
        Family.SOFTMAX_ONLY,
        Family.NEW_LAYERS,
        Family.DEEPER_TUNED,
        Family.WHOLE,
        Family.SCRATCH,
    )
)
N = 400
LABELS = np.tile([0, 1], N // 2)
KNOWN = truth(LABELS)
SPLITS = folds(LABELS, 5)
FAST = DecideSettings(replicates=300)


def predicted(strengths: dict[Candidate, float], seed: int = 0, configurations: int = 1) -> dict[Candidate, np.ndarray]:
    """Recipes that share most of their errors; the greater the strength the better."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=N)
    own = {one: rng.normal(size=(configurations, N)) for one in strengths}
    return {one: scores_to_probabilities(s * (2 * LABELS - 1) + shared + 0.3 * own[one]) for one, s in strengths.items()}


def run(strengths: dict[Candidate, float], **more: object) -> list[Result]:
    return results_of(predicted(strengths), SPLITS, **more)  # type: ignore[arg-type]


def claim(verdict: Verdict, name: str) -> Claim:
    return next(one for one in verdict.claims if one.claim == name)


def statuses(verdict: Verdict) -> dict[str, str]:
    return {row.family: row.status for row in verdict.rows}


def test_a_clear_run_is_decided() -> None:
    strengths = {PIXELS: 0.2, RANDOM: 0.3, SOFTMAX: 0.7, LAYERS: 0.75, WHOLE: 1.4, SCRATCH: 0.4}
    verdict = decide(run(strengths), KNOWN, list(strengths), FAST)
    assert verdict.chosen.family == "whole"
    assert verdict.control is not None and verdict.control.family == "scratch"
    assert claim(verdict, "pretraining-helps").verdict is Word.HELPS
    assert claim(verdict, "pretraining-helps").reason == ""
    assert claim(verdict, "tuning-beats-freezing").verdict is Word.HELPS
    assert verdict.tied == ()
    assert verdict.first_words == ""
    assert statuses(verdict)["pixels"] == "control" and statuses(verdict)["softmax-only"] == "done"
    assert verdict.rows[0].family == "whole"
    assert verdict.score.how == "cross-validation" and verdict.score.images == N


def test_what_few_images_of_a_class_lack_widens_every_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = {PIXELS: 0.2, RANDOM: 0.3, SOFTMAX: 0.7, WHOLE: 0.8}
    found = []
    for factor in (1.0, 3.0):
        monkeypatch.setattr(contest, "few_units", lambda *_, factor=factor: factor)
        verdict = decide(run(strengths), KNOWN, list(strengths), FAST)
        found.append([verdict.score.interval, *(one.comparison.difference for one in verdict.claims if one.comparison)])
    assert len(found[0]) > 2
    assert all(after.high - after.low > 1.5 * (before.high - before.low) for before, after in zip(*found, strict=True))


def test_intervals_contain_their_value() -> None:
    strengths = {PIXELS: 0.2, SOFTMAX: 0.7, WHOLE: 1.4, SCRATCH: 0.4}
    verdict = decide(run(strengths), KNOWN, list(strengths), FAST)
    scores = [row.score for row in verdict.rows] + [verdict.score.interval]
    differences = [one.comparison.difference for one in verdict.claims if one.comparison]
    assert all(one is not None and one.low <= one.value <= one.high for one in scores + differences)


def test_pretraining_that_harms() -> None:
    strengths = {PIXELS: 1.5, SOFTMAX: 0.7, SCRATCH: 0.4}
    verdict = decide(run(strengths), KNOWN, list(strengths), FAST)
    assert claim(verdict, "pretraining-helps").verdict is Word.HARMS
    assert verdict.chosen.family == "softmax-only"
    assert verdict.first_words.startswith("Raw pixels do at least as well: measured AUROC 0.9")


def test_raw_pixels_do_as_well_is_said_first() -> None:
    predictions = predicted({PIXELS: 1.0, SOFTMAX: 1.0})
    predictions[SOFTMAX] = predictions[PIXELS]
    verdict = decide(results_of(predictions, SPLITS), KNOWN, [PIXELS, SOFTMAX], FAST)
    assert verdict.first_words.startswith("Raw pixels do as well")
    assert verdict.first_words.endswith("These images may not need a network.")
    so_far = decide(results_of(predictions, SPLITS), KNOWN, [PIXELS, SOFTMAX], dataclasses.replace(FAST, interim=True))
    assert so_far.first_words.startswith("Raw pixels do as well") and "may not need" not in so_far.first_words
    assert verdict.chosen.family == "softmax-only" and verdict.chosen.status == "chosen"


def test_one_recipe_under_two_names_ties_and_makes_no_difference() -> None:
    predictions = predicted({SOFTMAX: 1.0, TUNED: 1.0})
    predictions[TUNED] = predictions[SOFTMAX]
    verdict = decide(results_of(predictions, SPLITS), KNOWN, [SOFTMAX, TUNED], FAST)
    assert verdict.chosen.family == "softmax-only"
    assert verdict.tied == (TUNED.recipe,)
    assert claim(verdict, "tuning-beats-freezing").verdict is Word.NO_DIFFERENCE


def test_too_few_images_never_prove_equality() -> None:
    known, splits = truth(LABELS[:60]), folds(LABELS[:60], 5)
    perfect = scores_to_probabilities(4.0 * (2 * LABELS[:60] - 1))[None]
    verdict = decide(
        results_of({SOFTMAX: perfect, TUNED: perfect}, splits), known, [SOFTMAX, TUNED], DecideSettings("accuracy", 0.01)
    )
    assert claim(verdict, "tuning-beats-freezing").verdict is Word.UNDETERMINED
    assert verdict.score.interval.low < 0.99


def test_undetermined_says_how_many_images_would_decide() -> None:
    strengths = {PIXELS: 0.9, SOFTMAX: 0.93, SCRATCH: 0.5}
    found = claim(decide(run(strengths), KNOWN, list(strengths), FAST), "pretraining-helps")
    assert found.verdict is Word.UNDETERMINED
    assert (found.needed_images or 0) > N or found.reason


def test_scratch_short_of_its_plateau_is_said() -> None:
    strengths = {SOFTMAX: 1.2, SCRATCH: 0.3}
    results = [dataclasses.replace(one, converged=False) if one.trial.family == "scratch" else one for one in run(strengths)]
    found = claim(decide(results, KNOWN, list(strengths), FAST), "pretraining-helps")
    assert found.verdict is Word.HELPS
    assert "at this budget" in found.reason and "plateau" in found.reason and "undetermined" in found.reason


def test_scratch_that_longer_training_did_not_improve_needs_no_caveat() -> None:
    """The shorter trainings that led to its plateau are among the results."""
    strengths = {SOFTMAX: 1.2, SCRATCH: 0.3}
    results = [dataclasses.replace(one, converged=False) if one.trial.family == "scratch" else one for one in run(strengths)]
    longer = next(one for one in results if one.trial.family == "scratch")
    results.append(dataclasses.replace(longer, converged=True))
    assert "budget" not in claim(decide(results, KNOWN, list(strengths), FAST), "pretraining-helps").reason


def test_scratch_that_never_ran_is_said() -> None:
    found = claim(decide(run({PIXELS: 0.2, SOFTMAX: 1.2}), KNOWN, [PIXELS, SOFTMAX, SCRATCH], FAST), "pretraining-helps")
    assert found.verdict is Word.HELPS
    assert "has not run at full size" in found.reason


@pytest.mark.parametrize(
    ("strengths", "missing"),
    [
        ({SOFTMAX: 1.0}, "no control"),
        ({SOFTMAX: 1.0, LAYERS: 1.1}, "no control"),
        ({PIXELS: 1.0, RANDOM: 0.5}, "no transfer recipe"),
    ],
)
def test_interim_verdicts_with_a_side_missing(strengths: dict[Candidate, float], missing: str) -> None:
    verdict = decide(run(strengths), KNOWN, [*strengths, WHOLE], dataclasses.replace(FAST, interim=True))
    found = claim(verdict, "pretraining-helps")
    assert found.verdict is Word.UNDETERMINED and found.comparison is None
    assert missing in found.reason
    assert verdict.interim
    assert statuses(verdict)["whole"] == "not-run"


def test_only_controls_hand_nothing_over() -> None:
    verdict = decide(run({PIXELS: 1.0, RANDOM: 0.5}), KNOWN, [PIXELS, RANDOM], FAST)
    assert verdict.chosen.status == "control"
    assert "nothing to hand over" in verdict.notes[0]


def test_all_failed() -> None:
    empty = np.zeros((1, 0, 2))
    failed = result(WHOLE, "r0f0", np.zeros(0, dtype=int), empty, outcome=Outcome.DIVERGED, message="NaN in epoch 1")
    with pytest.raises(AllTrialsFailed, match=r"smaller learning rate.*NaN in epoch 1"):
        decide([failed], KNOWN, [WHOLE], FAST)
    with pytest.raises(AllTrialsFailed, match="no trial has finished"):
        decide([], KNOWN, [WHOLE], FAST)


def test_every_line_of_the_plan_has_a_row_and_those_without_score_come_last() -> None:
    screening = result(TUNED, "r0f0", SPLITS["r0f0"], predicted({TUNED: 1.0})[TUNED][:, SPLITS["r0f0"]], rung="screen-0")
    broken = np.full((1, len(SPLITS["r0f0"]), 2), np.nan)
    failed = result(WHOLE, "r0f0", SPLITS["r0f0"], broken, outcome=Outcome.OUT_OF_MEMORY, seconds=3.0)
    lines = [SCRATCH, WHOLE, RANDOM, TUNED, SOFTMAX]
    verdict = decide([*run({SOFTMAX: 1.0}), screening, failed], KNOWN, lines, FAST)
    assert [row.status for row in verdict.rows] == ["chosen", "screened", "failed", "not-run", "not-run"]
    screened, fell = verdict.rows[1], verdict.rows[2]
    assert screened.score is None and screened.screened is not None and screened.screened > 0.5
    assert fell.seconds == 3.0 and "out of memory" in fell.note


def test_not_a_number_in_one_configuration_leaves_the_others() -> None:
    predictions = predicted({SOFTMAX: 1.0}, configurations=2)
    predictions[SOFTMAX][1, 7] = np.nan
    verdict = decide(results_of(predictions, SPLITS), KNOWN, [SOFTMAX], FAST)
    assert verdict.chosen.configuration == "c0" and verdict.chosen.folds == 5


def test_a_recipe_that_nobody_listed_gets_a_row() -> None:
    assert len(decide(run({SOFTMAX: 1.0, WHOLE: 1.0}), KNOWN, [SOFTMAX], FAST).rows) == 2


def test_claims_use_the_folds_that_both_sides_share() -> None:
    strengths = {PIXELS: 0.2, SOFTMAX: 0.7, WHOLE: 1.5}
    results = run(strengths, only={WHOLE: ["r0f0", "r0f1"]})
    verdict = decide(results, KNOWN, list(strengths), FAST)
    found = claim(verdict, "pretraining-helps").comparison
    assert found is not None and found.folds == ("r0f0", "r0f1") and found.units == 160
    assert verdict.chosen.family == "whole" and verdict.chosen.folds == 2
    assert verdict.score.images == 160
    assert any("2 of 5 folds" in note for note in verdict.notes)


def lucky(strengths: dict[Candidate, float]) -> list[Result]:
    """The whole network ran on one fold only, and was the best there; softmax, the worst of the others, does as well there."""
    predictions = predicted(strengths)
    for one in (SOFTMAX, WHOLE):
        predictions[one][:, SPLITS["r0f0"]] = scores_to_probabilities(3.0 * (2 * LABELS[SPLITS["r0f0"]] - 1))
    return results_of(predictions, SPLITS, only={WHOLE: ["r0f0"]})


def test_one_lucky_fold_does_not_lift_a_recipe_that_is_behind_on_all_others() -> None:
    strengths = {PIXELS: 0.2, SOFTMAX: 0.4, LAYERS: 1.2, TUNED: 1.2, WHOLE: 1.5}
    verdict = decide(lucky(strengths), KNOWN, list(strengths), FAST)
    assert verdict.chosen.family == "whole", "softmax is as good on the leader's fold, and simpler"
    beside = {row.family: row for row in verdict.rows}
    assert beside["softmax-only"].status != "chosen" and beside["softmax-only"].folds == 5


def test_what_cannot_be_handed_over_puts_nobody_behind() -> None:
    strengths = {PIXELS: 2.0, SOFTMAX: 0.4, WHOLE: 1.5}
    assert decide(lucky(strengths), KNOWN, list(strengths), FAST).chosen.family == "softmax-only"


def test_one_split_is_a_hold_out() -> None:
    results = [one for one in run({PIXELS: 0.2, SOFTMAX: 0.7}) if one.trial.split == "r0f0"]
    assert decide(results, KNOWN, [PIXELS, SOFTMAX], FAST).score.how == "hold-out-corrected"


def test_two_backbones_are_compared_in_their_order() -> None:
    first, second = (
        candidate(Family.SOFTMAX_ONLY, backbone="zeta", order=0),
        candidate(Family.SOFTMAX_ONLY, backbone="alpha", order=1),
    )
    verdict = decide(run({first: 1.5, second: 0.5, PIXELS: 0.2}), KNOWN, [first, second, PIXELS], FAST)
    found = claim(verdict, "source-zeta-beats-alpha")
    assert found.verdict is Word.HELPS
    assert found.comparison is not None and found.comparison.first == "all: freeze | head: linear (zeta)"


def test_groups_are_the_unit() -> None:
    known = Truth(LABELS, np.arange(N) // 8, ("a", "b"), np.arange(N) // 8)
    strengths = {PIXELS: 0.2, SOFTMAX: 1.0}
    found = claim(decide(run(strengths), known, list(strengths), FAST), "pretraining-helps").comparison
    assert found is not None and (found.unit, found.units) == ("group", 50)


def test_a_class_of_one_group_says_nothing_for_sure() -> None:
    """The class is in every bag and never out of it: AUROC has no out-of-bag value."""
    known = Truth(LABELS, np.where(LABELS == 1, -1, np.arange(N)), ("a", "b"))
    verdict = decide(run({PIXELS: 0.2, SOFTMAX: 1.5}), known, [PIXELS, SOFTMAX], FAST)
    found = claim(verdict, "pretraining-helps")
    assert found.verdict is Word.UNDETERMINED and "rarest class" in found.reason
    assert (verdict.score.interval.low, verdict.score.interval.high) == (0, 1)


@pytest.mark.parametrize("metric", ["auroc", "balanced-accuracy", "accuracy", "log-loss"])
def test_every_metric_decides(metric: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], 60)
    known, splits = truth(labels, classes=3), folds(labels, 3, repeats=2)
    raw = {PIXELS: rng.random((2, 180, 3)), SOFTMAX: rng.random((2, 180, 3)) + 0.6 * np.eye(3)[labels]}
    predictions = {one: values / values.sum(axis=2, keepdims=True) for one, values in raw.items()}
    verdict = decide(results_of(predictions, splits), known, [PIXELS, SOFTMAX], DecideSettings(metric, replicates=200))
    assert claim(verdict, "pretraining-helps").verdict is Word.HELPS
    assert verdict.metric == metric


def test_the_order_of_the_results_does_not_matter() -> None:
    strengths = {PIXELS: 0.2, SOFTMAX: 0.7, LAYERS: 0.72, WHOLE: 0.9, SCRATCH: 0.4}
    results = run(strengths)
    first, second = (decide(some, KNOWN, list(strengths), FAST) for some in (results, results[::-1]))
    assert first == second


def test_verdict_has_no_numbers_that_json_does_not_know() -> None:
    strengths = {PIXELS: 0.2, SOFTMAX: 0.7}
    json.dumps(dataclasses.asdict(decide(run(strengths), KNOWN, list(strengths), FAST)), allow_nan=False)


def test_corrected_score_is_below_the_maximum_of_many_equals() -> None:
    lines = heads(20)
    results = results_of(predicted(dict.fromkeys(lines, 0.8), configurations=3), SPLITS)
    verdict = decide(results, KNOWN, lines, FAST)
    assert verdict.score.interval.value < gather(results, KNOWN.numbered(), lines, "auroc").recipe_scores.mean(axis=1).max()


@pytest.mark.parametrize("only", [None, {WHOLE: ["r0f0"]}])
def test_what_would_be_chosen_now_is_what_the_verdict_chooses(only: dict[Candidate, list[str]] | None) -> None:
    strengths = {SOFTMAX: 0.5, WHOLE: 1.0, PIXELS: 0.1}
    results = run(strengths, only=only) if only else run(strengths)
    now = choose_now(results, KNOWN, list(strengths), FAST)
    chosen = decide(results, KNOWN, list(strengths), FAST).chosen
    assert now is not None and (now.backbone, now.recipe) == (chosen.backbone, chosen.recipe)
    assert choose_now([], KNOWN, [SOFTMAX], FAST) is None


def test_decision_is_quick() -> None:
    """150 configurations on 2,000 images: about 2 s measured; the bound is loose because machines are."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 1000)
    lines = [candidate(one) for one in LINES] + heads(18)
    predictions = {one: scores_to_probabilities(labels + rng.normal(size=(5, 2000))) for one in lines}
    results = results_of(predictions, folds(labels, 5))
    start = time.process_time()
    decide(results, truth(labels), lines)
    assert time.process_time() - start < 20
