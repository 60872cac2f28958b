"""A verdict shows itself in a notebook."""

from dataclasses import replace

from tests.report import examples


def test_a_verdict_shows_what_to_use_its_score_and_its_claims() -> None:
    verdict = examples.TWO
    page = verdict._repr_html_()
    assert f"{verdict.score.interval.low:.3f} to {verdict.score.interval.high:.3f}" in page
    for claim in verdict.claims:
        assert claim.claim in page and claim.verdict.value in page


def test_names_cannot_become_markup() -> None:
    verdict = replace(examples.TWO, chosen=replace(examples.TWO.chosen, backbone="<script>x</script>"))
    assert "<script>" not in verdict._repr_html_()


def test_a_printed_verdict_is_short_however_many_recipes_there_were() -> None:
    verdict = examples.TWO
    long = replace(verdict, rows=verdict.rows * 50, notes=("a note",) * 50, not_run=("a line",) * 50)
    assert repr(long) == repr(verdict)
    assert verdict.chosen.recipe in repr(verdict)
