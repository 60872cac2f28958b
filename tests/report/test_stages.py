"""The table of stages joins claims, rewinds, movement and likeness; claims become marks and rows."""

from __future__ import annotations

import dataclasses

from frostline.report.answers import layers_answer
from frostline.report.charts import ClaimMark, claims_picture
from frostline.report.stages import stage_lines
from frostline.report.tables import claim_basis, claim_line, claim_subject
from frostline.terms.evidence import Evidence
from frostline.terms.verdict import Claim, Word
from tests.report.examples import CLAIMS, EVIDENCE, MOBILENET, NEEDED, RESNET, STAGES, VERDICT, around


def test_a_line_for_each_stage_in_order_and_the_head_last() -> None:
    lines = stage_lines(VERDICT, EVIDENCE)
    assert [line.name for line in lines] == [*STAGES, "head"]
    last = lines[5]
    assert (last.fate, last.moved, last.statistics, last.alike) == ("transferred, trained", "15.2 %", "38.0 %", "0.840")
    assert (last.word, last.gain) == ("harms", "-1.4 (-2.2 to -0.6)")
    assert (last.pretrained, last.random) == ("-2.4 (-3.3 to -1.5)", "-25.0 (-27.0 to -23.0)")
    assert lines[0].pretrained == "" and lines[0].random == "-5.0 (-7.0 to -3.0)"
    assert lines[0].moved == "0" and lines[-1].moved == ""


def test_without_any_evidence_only_the_claims_speak() -> None:
    lines = stage_lines(VERDICT, Evidence("auroc", (), None, ()))
    assert [line.name for line in lines] == ["stem", "features.13", "features.18"]


def test_claims_in_cells() -> None:
    line = claim_line(NEEDED, VERDICT)
    assert (line.about, line.word, line.difference) == ("pre-training", "undetermined", "+0.9")
    assert line.decide == "1,400 validated images"
    bare = Claim("pretraining-helps", Word.UNDETERMINED, None, None, "no control finished")
    assert claim_line(bare, VERDICT).decide == "cannot be said"
    assert claim_subject(Claim("source-A-beats-B", Word.HELPS, None)) == "A, not B"
    assert claim_subject(CLAIMS[1]) == "tuning, not freezing"
    assert claim_basis(VERDICT) == ("4,708 images in 5 folds",)


def test_the_picture_of_the_claims_says_all_of_them() -> None:
    marks = [
        ClaimMark("pre-training", around(0.017, 0.01), "helps"),
        ClaimMark("stage stem", around(0.0, 0.002), "no-practical-difference"),
    ]
    drawn = claims_picture(marks, 0.008, "auroc")
    assert drawn.alt == "Claims. pre-training: +1.7, helps; stage stem: 0.0, no practical difference."
    assert "var(--good)" in drawn.wide and "#0101" not in drawn.wide


def test_with_several_backbones_the_table_is_about_the_chosen_one_and_the_words_about_each() -> None:
    named = [(MOBILENET, "stem", Word.HELPS), (MOBILENET, "features.18", Word.HELPS), (RESNET, "stem", Word.HARMS)]
    claims = tuple(
        Claim(f"stage-{backbone}:{stage}-worth-transferring", word, CLAIMS[0].comparison) for backbone, stage, word in named
    )
    verdict = dataclasses.replace(VERDICT, claims=claims)
    lines = {line.name: line.word for line in stage_lines(verdict, EVIDENCE)}
    assert list(lines) == [*STAGES, "head"]
    assert (lines["stem"], lines["features.3"], lines["features.18"]) == ("helps", "", "helps")
    assert layers_answer(verdict, EVIDENCE)[-2:] == [
        f"Stage by stage, {MOBILENET}: Worth transferring: every stage.",
        f"Stage by stage, {RESNET}: Transferring harms for stem.",
    ]
    assert [claim_subject(claim) for claim in claims] == [
        "mobilenet_v2: stem",
        "mobilenet_v2: features.18",
        "resnet18.a1_in1k: stem",
    ]
