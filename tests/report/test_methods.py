"""The methods paragraph says what was done, from values, and nothing that was not."""

from __future__ import annotations

import dataclasses

import pytest

from frostline.report.facts import RunFacts
from frostline.report.methods import methods
from frostline.terms.verdict import Claim, Verdict, Word
from tests.report.examples import FACTS, INTERIM, SETTINGS, VERDICT, comparison

FOLDS = dataclasses.replace(FACTS, split_kind="repeated-folds", sealed=0, sealed_by="none", groups=310)
FIFTEEN = dataclasses.replace(FOLDS, folds=FACTS.folds * 3)
UNSEALED = dataclasses.replace(VERDICT, score=INTERIM.score, test={}, test_opened_at=None)
REGISTERED = dataclasses.replace(FACTS, registered=("ab" * 32, "2026-11-02T13:40:00+00:00"))
BEHIND = dataclasses.replace(
    VERDICT.rows[0], recipe="stem: freeze | layer1: drop | head: linear", family="truncated", status="screened", score=None
)
CONV = dataclasses.replace(BEHIND, recipe="stem: freeze | layer1: drop | head: conv(256)x2")
SHORT = Claim("pretraining-helps", Word.HELPS, comparison(0.02, 0.01), reason="at this budget: scratch stopped early")


def drawn(unit: str) -> Verdict:
    """As `UNSEALED`, from a bootstrap over that."""
    compared = [(claim, claim.comparison) for claim in UNSEALED.claims]
    claims = [dataclasses.replace(claim, comparison=one and dataclasses.replace(one, unit=unit)) for claim, one in compared]
    return dataclasses.replace(UNSEALED, claims=tuple(claims))


@pytest.mark.parametrize(
    ("verdict", "facts", "said", "unsaid"),
    [
        (VERDICT, FACTS, "normal (1,448) and pneumonia (3,884)", "group"),
        (VERDICT, FACTS, "bootstrap over images", "SHA-256"),
        (VERDICT, FACTS, "The given test set (624 images)", "set aside by rule"),
        (VERDICT, FACTS, "AUROC .968 (95 % interval .955 to .979), measured once, after the decision", "cross-validation on"),
        (VERDICT, FACTS, "11 recipes for torchvision/mobilenet_v2 and raw pixels at 96 x 96 pixels", "at this budget"),
        (
            dataclasses.replace(VERDICT, rows=(*VERDICT.rows[:2], BEHIND, CONV)),
            FACTS,
            "; 1 further one was dropped by successive halving; 1 further one was clearly behind another one of the same family"
            " on a part of the images, and left out.",
            "2 further",
        ),
        (
            dataclasses.replace(
                VERDICT, rows=(*VERDICT.rows[:2], CONV), not_run=(f"'{CONV.recipe}' was not run at full size: no time.",)
            ),
            FACTS,
            "; 1 further one was screened, and not run at full size for want of time.",
            "halving",
        ),
        (VERDICT, FACTS, "2 planned recipes did not run or failed (new-layers+unfreeze and random-matched).", "Nothing"),
        (VERDICT, FACTS, "raw pixels, training from scratch and frozen random features", "No control"),
        (VERDICT, FACTS, "tuned recipes started from the head fitted on frozen features", "no stage of a pre-trained"),
        (VERDICT, FOLDS, "stratified cross-validation, 5 folds in all", "of them were run"),
        (dataclasses.replace(VERDICT, rows=VERDICT.rows[3:]), FACTS, "no stage of a pre-trained network was trained", "Kumar"),
        (VERDICT, FIFTEEN, "(5 of them were run)", "Nothing"),
        (VERDICT, FACTS, "(stage by stage: Holm 1979)", "repeats with new seeds"),
        (UNSEALED, FOLDS, "from 310 groups (such as patients), none of which was split", "measured once"),
        (drawn("group"), FOLDS, "bootstrap over groups", "bootstrap over images"),
        (drawn("set of like images"), FACTS, "bootstrap over sets of like images", "group"),
        (UNSEALED, FOLDS, "5 folds in all from repeats with new seeds", "The given test set"),
        (UNSEALED, FACTS, "the test set is still sealed", "measured once"),
        (VERDICT, REGISTERED, f"plan.json, 2026-11-02T13:40:00+00:00, SHA-256 {'ab' * 32}", "set aside by rule"),
        (
            dataclasses.replace(VERDICT, claims=(SHORT,)),
            FACTS,
            "What is said of pre-training holds at this budget: scratch stopped early.",
            "Holm",
        ),
        (
            dataclasses.replace(VERDICT, rows=VERDICT.rows[:2]),
            FACTS,
            "No control without pre-trained features was run.",
            "raw pixels",
        ),
    ],
)
def test_each_sentence_follows_from_the_values(verdict: Verdict, facts: RunFacts, said: str, unsaid: str) -> None:
    text = methods(verdict, SETTINGS, facts)
    assert said in text
    assert unsaid not in text
    assert "\n" not in text and "  " not in text
