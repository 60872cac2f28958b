"""What stands beside the primary metric, in words and on the page."""

from __future__ import annotations

import dataclasses
import re

from frostline.report.details import detail_section, short_lines, which_number
from frostline.report.html import render
from frostline.terms.detail import Measure
from tests.report import examples

OUT_OF_FOLD = dataclasses.replace(examples.DETAIL, how="out-of-fold")


def section(detail: object) -> str:
    page = render(
        verdict=dataclasses.replace(examples.VERDICT, detail=detail),  # type: ignore[arg-type]
        evidence=examples.EVIDENCE,
        settings=examples.SETTINGS,
        facts=examples.FACTS,
    )
    return page[page.index('id="detail"') : page.index('id="done"')]


def test_a_terminal_gets_few_lines() -> None:
    lines = short_lines(examples.DETAIL)
    assert len(lines) == 4
    assert lines[0].startswith(
        "Beside it, on 624 images of the sealed test set: AUROC .968 (.956 to .980), balanced accuracy .887"
    )
    assert "accuracy .902 (.881 to .923, majority .625)" in lines[0]
    assert "P(pneumonia) ≥ .430: sensitivity .912 (.881 to .943), specificity .871" in lines[1]
    assert "Specificity .900 aimed at" in lines[1] and "specificity .893 (.867 to .919)" in lines[1]
    assert "fixed on out-of-fold predictions" in lines[1]
    assert lines[2].startswith(
        "By group (391 groups, mean probability of its images, 9 groups with several labels left out): AUROC"
    )
    assert lines[3] == "By sex, descriptive only: in the report."


def test_out_of_fold_says_that_nothing_is_corrected() -> None:
    assert "624 images in 1 fold, not corrected for having chosen on them" in short_lines(OUT_OF_FOLD)[0]
    assert "fixed on the other folds" in short_lines(OUT_OF_FOLD)[1]
    shown = section(OUT_OF_FOLD)
    assert "not corrected for having chosen this recipe" in shown and "never pooled over folds" in shown
    assert "Each fold&#39;s threshold was fixed on the other folds of its repeat" in shown


def test_the_page_shows_every_table() -> None:
    found = detail_section(examples.DETAILED)
    assert found is not None
    titles = [one.title for one in (*found.before, *found.after)]
    assert titles == [
        "Confusion matrix",
        "Beside the primary metric",
        "Operating points",
        "Class by class",
        "By group (patient)",
        "By sex",
    ]
    for table in (*found.before, *found.after):
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title
    shown = section(examples.DETAIL)
    assert all(f"<h3>{title}</h3>" in shown for title in titles)
    assert "no sealed image helped to choose them" in shown
    assert "accuracy of always saying the most frequent class of the training side" in shown
    assert "not defined: nothing was called pneumonia" in shown
    assert "none: there are no other predictions to fix a threshold on" in shown
    assert "9 groups whose images have several labels left out" in shown
    assert "too few: 4 groups of normal" in shown
    assert "Descriptive: many looks" in shown and "6 images with nothing in this column left out" in shown
    assert "34.5" in shown and "355.5" in shown, "a mean over repeats keeps its half"


def test_the_reliability_plot_has_words_and_marks() -> None:
    shown = section(examples.DETAIL)
    drawn: list[str] = re.findall(r'<svg.*?aria-label="([^"]*)"', shown)
    (wide, narrow) = (said for said in drawn if said.startswith("Predicted probability"))
    assert wide == narrow and wide.startswith("Predicted probability and observed share: .050 came true .080")
    assert "probability of pneumonia" in shown and "var(--frost)" in shown


def test_more_than_two_classes_say_what_auroc_is_the_mean_of() -> None:
    three = dataclasses.replace(
        examples.DETAIL,
        classes=("a", "b", "c"),
        positive="",
        patients=None,
        subgroups=(),
        models=tuple(dataclasses.replace(one, operating=()) for one in examples.DETAIL.models),
    )
    found = detail_section(dataclasses.replace(examples.VERDICT, detail=dataclasses.replace(three, confusion=((1.0,) * 3,) * 3)))
    assert found is not None
    assert [one.title for one in found.before] == ["Confusion matrix", "Beside the primary metric"]
    assert found.before[1].rows[0][0] == "AUROC (mean over classes, each against the rest)"
    assert len(short_lines(three)) == 1


def test_a_rare_class_has_its_auprc_beside_what_guessing_reaches() -> None:
    rare = Measure("auprc", examples.around(0.41, 0.1), "folds", "scar", "guessing reaches 0.060")
    models = tuple(dataclasses.replace(one, measures=(*one.measures, rare)) for one in examples.DETAIL.models)
    detail = dataclasses.replace(examples.DETAIL, models=models)
    assert "AUPRC of scar .410 (.310 to .510)" in short_lines(detail)[0]
    assert "guessing reaches 0.060" in section(detail)


def test_many_classes_have_no_matrix_on_the_page() -> None:
    many = dataclasses.replace(examples.DETAIL, classes=tuple(f"c{one}" for one in range(21)))
    found = detail_section(dataclasses.replace(examples.VERDICT, detail=many))
    assert found is not None and "Confusion matrix" not in [one.title for one in found.after]


def test_without_a_detail_the_section_is_left_out() -> None:
    assert detail_section(examples.VERDICT) is None
    page = render(verdict=examples.VERDICT, evidence=examples.EVIDENCE, settings=examples.SETTINGS, facts=examples.FACTS)
    assert 'id="detail"' not in page


def test_names_from_the_data_are_escaped() -> None:
    page = render(
        verdict=examples.HOSTILE_DETAILED,
        evidence=examples.HOSTILE_EVIDENCE,
        settings=examples.HOSTILE_SETTINGS,
        facts=examples.HOSTILE_FACTS,
    )
    assert examples.HOSTILE not in page


def test_one_score_in_several_forms_is_told_apart() -> None:
    row = dataclasses.replace(examples.VERDICT.chosen, score=examples.around(0.975, 0.01))
    said = which_number(dataclasses.replace(examples.VERDICT, chosen=row, detail=OUT_OF_FOLD))
    assert said.startswith("The same recipe's AUROC stands here in several forms: .968 in the verdict (")
    assert ".975 in the ranking (mean over the folds, corrected for the choice among settings only)" in said
    assert "in detail (out-of-fold predictions as they are" in said and said.endswith("Quote the verdict's.")
    assert which_number(dataclasses.replace(examples.VERDICT, detail=OUT_OF_FOLD)) == "", "one number needs no words"
