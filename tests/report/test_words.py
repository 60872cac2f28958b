"""Every sentence is tested word for word where it says a verdict, so that none grows stronger by accident."""

from __future__ import annotations

import dataclasses

import pytest

from frostline.report.words import claim_sentence, recipe_words, side_name, summary
from frostline.terms.verdict import Claim, Interval, Score, Verdict, Word
from tests.report import examples
from tests.report.examples import comparison


@pytest.mark.parametrize(
    ("line", "family", "words"),
    [
        (
            "stem .. layer3: freeze | layer4: tune | head: linear",
            "deeper-tuned",
            "keep everything up to layer3 frozen, tune layer4, new softmax",
        ),
        ("all: freeze | head: linear", "softmax-only", "keep the whole network frozen, new softmax"),
        ("all: tune | head: linear", "whole", "tune the whole network, new softmax"),
        (
            "all: freeze | head: all-layer",
            "all-layer",
            "keep the whole network frozen, new softmax on the pooled features of every kept stage",
        ),
        (
            "all: freeze | head: mlp(512)",
            "new-layers",
            "keep the whole network frozen, one new hidden layer of 512 units and a new softmax",
        ),
        (
            "stem .. layer2: freeze | layer3 .. layer4: drop | head: conv(256)x2",
            "truncated",
            "keep everything up to layer2 frozen, drop everything from layer3 on, "
            "two new convolutions of 256 channels and a new softmax",
        ),
        (
            "stem .. layer3: freeze | layer4: reinit | head: linear",
            "deeper-replaced",
            "keep everything up to layer3 frozen, re-initialise layer4 and train it, new softmax",
        ),
        (
            "stem: freeze | layer1: tune | layer2 .. layer4: freeze | head: linear",
            "single-stage",
            "keep stem frozen, tune layer1, keep everything from layer2 on frozen, new softmax",
        ),
        ("weights: random | all: tune | head: linear", "scratch", "train the whole network from random weights, new softmax"),
        (
            "weights: random | all: freeze | head: linear",
            "random-features",
            "keep the whole network frozen at random weights, new softmax",
        ),
        (
            "weights: matched | all: tune | head: linear",
            "random-matched",
            "train the whole network from random weights with the pre-trained mean and variance, new softmax",
        ),
        ("pixels: forest", "pixels", "no network: a forest of random trees on raw pixels"),
        ("pixels: logistic", "pixels", "no network: logistic regression on raw pixels"),
        ("not a recipe", "whole", "not a recipe"),
    ],
)
def test_recipe_in_words(line: str, family: str, words: str) -> None:
    assert recipe_words(line, family) == words


SECOND = "the control"
SENTENCES = {
    Word.HELPS: ": 2.3 points of AUROC better than the control, corrected for the choice (95 % interval 1.1 to 3.5 points).",
    Word.NO_DIFFERENCE: ": 0.1 points of AUROC better than the control, corrected for the choice"
    " (95 % interval -0.5 to 0.7 points), within the 1.0 points that count as no difference.",
    Word.HARMS: ": 2.3 points of AUROC worse than the control, corrected for the choice (95 % interval -3.5 to -1.1 points).",
    Word.UNDETERMINED: ": 0.9 points of AUROC better than the control, corrected for the choice,"
    " but the 95 % interval is -0.8 to 2.6 points; about 1,400 validated images would probably decide it.",
}
VALUES = {
    Word.HELPS: (0.023, 0.012),
    Word.NO_DIFFERENCE: (0.001, 0.006),
    Word.HARMS: (-0.023, 0.012),
    Word.UNDETERMINED: (0.009, 0.017),
}
LEADS = {
    "pretraining-helps": (
        "Pre-training helps",
        "Pre-training makes no practical difference",
        "Pre-training harms",
        "Whether pre-training helps is undetermined",
    ),
    "tuning-beats-freezing": (
        "Tuning beats freezing",
        "Tuning instead of freezing makes no practical difference",
        "Tuning does worse than freezing",
        "Whether tuning beats freezing is undetermined",
    ),
    "stage-layer2-worth-transferring": (
        "Stage layer2 is worth transferring",
        "Transferring stage layer2 makes no practical difference",
        "Transferring stage layer2 harms",
        "Whether stage layer2 is worth transferring is undetermined",
    ),
    "source-cats-beats-dogs": (
        "Source cats beats dogs",
        "Between the sources cats and dogs there is no practical difference",
        "Source cats does worse than dogs",
        "Whether source cats beats dogs is undetermined",
    ),
}


@pytest.mark.parametrize("name", LEADS)
@pytest.mark.parametrize("word", list(Word))
def test_every_claim_with_every_verdict_word(name: str, word: Word) -> None:
    needed = 1_400 if word is Word.UNDETERMINED else None
    claim = Claim(name, word, comparison(*VALUES[word], SECOND), needed)
    assert claim_sentence(claim, "auroc", 0.01) == LEADS[name][list(Word).index(word)] + SENTENCES[word]


def test_undetermined_says_why_no_number_of_images_can_be_named() -> None:
    claim = Claim("pretraining-helps", Word.UNDETERMINED, comparison(0.0, 0.02), None, "the difference is nearly zero.")
    assert claim_sentence(claim, "auroc").endswith(
        "; how many images would decide it cannot be said (the difference is nearly zero)."
    )


def test_undetermined_without_a_comparison_gives_the_reason() -> None:
    claim = Claim("pretraining-helps", Word.UNDETERMINED, None, None, "No control finished.")
    assert claim_sentence(claim, "auroc") == "Whether pre-training helps is undetermined: No control finished."


CAVEAT = "at this budget: training from scratch had not reached its plateau when it stopped; the claim at plateau is undetermined"


def test_scratch_before_its_plateau_is_a_claim_at_this_budget() -> None:
    claim = Claim("pretraining-helps", Word.HELPS, comparison(0.02, 0.01), None, CAVEAT)
    assert claim_sentence(claim, "auroc") == (
        "At this budget pre-training helps: 2.0 points of AUROC better than training from scratch, corrected for the choice "
        "(95 % interval 1.0 to 3.0 points); "
        "training from scratch had not reached its plateau when it stopped; the claim at plateau is undetermined."
    )


def test_undetermined_keeps_the_caveat_apart_from_the_reason() -> None:
    claim = Claim("pretraining-helps", Word.UNDETERMINED, comparison(0.0, 0.02), None, f"the difference is nearly zero; {CAVEAT}")
    said = claim_sentence(claim, "auroc")
    assert said.endswith(f"; how many images would decide it cannot be said (the difference is nearly zero); {CAVEAT}.")
    needed = Claim("pretraining-helps", Word.UNDETERMINED, comparison(0.0, 0.02), 900, CAVEAT)
    assert claim_sentence(needed, "auroc").endswith(f"; about 900 validated images would probably decide it; {CAVEAT}.")


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("weights: random | all: tune | head: linear (timm/resnet18)", "training from scratch on timm/resnet18"),
        ("weights: random | all: freeze | head: linear", "frozen random features"),
        ("pixels: forest", "raw pixels"),
        ("all: freeze | head: mlp(512)", "'all: freeze | head: mlp(512)'"),
        ("all: freeze | head: mlp(512) (timm/resnet18)", "'all: freeze | head: mlp(512)' on timm/resnet18"),
        ("the other rule", "the other rule"),
    ],
)
def test_a_side_of_a_comparison_in_words(side: str, words: str) -> None:
    assert side_name(side) == words


def test_tied_recipes_of_several_backbones_are_found() -> None:
    verdict = dataclasses.replace(examples.TWO, tied=(f"{examples.ROWS[1].recipe} ({examples.MOBILENET})",))
    assert summary(verdict)[2].startswith("Not distinguishable from it: 1 recipe (whole); ")


def test_log_loss_has_no_points() -> None:
    claim = Claim("pretraining-helps", Word.HELPS, comparison(0.023, 0.012, SECOND))
    expected = (
        "Pre-training helps: 0.023 of negated log-loss better than the control"
        ", corrected for the choice (95 % interval 0.011 to 0.035)."
    )
    assert claim_sentence(claim, "log-loss") == expected


def test_summary_is_three_sentences() -> None:
    use, helped, left = summary(examples.VERDICT)
    assert use == (
        "Use this recipe: keep everything up to features.13 frozen, tune everything from features.16 on, new softmax on "
        "torchvision/mobilenet_v2; AUROC .968 (95 % interval .955 to .979), measured once, after the decision, on 624 images "
        "of the sealed test set."
    )
    assert (
        helped == "Pre-training helps: 1.7 points of AUROC better than the best control, raw pixels"
        ", corrected for the choice (95 % interval 0.6 to 2.8 points)."
    )
    assert left == "Not distinguishable from it: 2 recipes (whole and deeper-tuned); not run: 1 recipe (new-layers+unfreeze)."


def test_interim_says_so_after_the_first_words() -> None:
    first, interim, use, *_ = summary(examples.INTERIM)
    assert first == "Raw pixels do as well."
    assert interim.startswith("Interim: ")
    assert use.startswith("So far the choice is to keep everything up to features.13 frozen")
    assert "test set" not in use


def scored(how: str, **more: object) -> Verdict:
    value = Score("auroc", Interval(0.9, 0.88, 0.92), how, 400)
    return dataclasses.replace(examples.VERDICT, score=value, test={}, **more)  # type: ignore[arg-type]


def test_without_a_sealed_test_set_the_summary_says_so() -> None:
    use = summary(scored("cross-validation", test_opened_at=None))[0]
    assert use.endswith("estimated by cross-validation on 400 images; there was no sealed test set.")


def test_a_test_set_opened_before_does_not_count() -> None:
    use = summary(scored("hold-out-corrected"))[0]
    assert use.endswith("; the test set had been opened before this decision, so it does not count for it.")


def test_without_a_control_nothing_is_claimed() -> None:
    verdict = dataclasses.replace(examples.VERDICT, control=None, claims=())
    assert summary(verdict)[1] == "Nothing is claimed about whether pre-training helps: no control finished."


def test_nothing_tied_and_nothing_left_out() -> None:
    verdict = dataclasses.replace(examples.VERDICT, tied=(), rows=examples.ROWS[:2], not_run=())
    expected = (
        "The evidence distinguishes it from every other recipe that was run in full; nothing that was planned was left out."
    )
    assert summary(verdict)[2] == expected
    alone = dataclasses.replace(verdict, rows=examples.ROWS[:1])
    assert summary(alone)[2].startswith("No other recipe was run in full; ")


def test_why_recipes_were_only_screened_is_said() -> None:
    screened = dataclasses.replace(examples.ROWS[1], status="screened", score=None, recipe="all: tune | head: linear")
    said = (
        "24 of 45 screening trials did not fit into the time.",
        "'all: tune | head: linear' was stopped on fold r0f0: it took longer than expected.",
    )
    verdict = dataclasses.replace(examples.VERDICT, tied=(), rows=(examples.ROWS[0], screened), not_run=said)
    assert summary(verdict)[2].endswith(
        "screened only, on smaller or fewer images: 1 recipe (whole);"
        " 'all: tune | head: linear' was stopped on fold r0f0: it took longer than expected, and 1 more."
    )
