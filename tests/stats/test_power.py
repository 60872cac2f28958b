"""The smallest detectable difference that is printed before a run."""

from __future__ import annotations

import pytest

from frostline.stats import rule
from frostline.stats.power import images_for_equality
from frostline.stats.power import smallest_detectable_difference as detectable
from frostline.terms.verdict import Word
from tests.stats.test_calibration import Case, many, share


@pytest.mark.parametrize(("images", "expected"), [(150, 0.069), (400, 0.044), (2400, 0.0225)])
def test_points_of_the_docstring(images: int, expected: float) -> None:
    assert detectable(images, folds=5, repeats=3) == pytest.approx(expected, abs=0.0005)


def test_more_of_anything_detects_less() -> None:
    assert detectable(1000) < detectable(500)
    assert detectable(500, repeats=3) < detectable(500, repeats=1)
    assert detectable(500, disagreement=0.05) < detectable(500)
    assert detectable(500, metric_sd=0.1) == detectable(500, disagreement=0.01)


def test_rare_classes_detect_more_slowly() -> None:
    assert detectable(500, class_counts=[250, 250]) == pytest.approx(detectable(500))
    assert detectable(500, class_counts=[450, 50]) > 1.3 * detectable(500)


def test_bounds() -> None:
    assert detectable(10) <= 1
    assert detectable(10_000_000, repeats=100, delta=0.01) == 0.01
    with pytest.raises(ValueError, match="at least 1"):
        detectable(0)


def test_equality_within_a_point_takes_thousands_of_images() -> None:
    assert 7_000 <= images_for_equality(0.01) <= 11_000
    assert images_for_equality(0.02) == pytest.approx(images_for_equality(0.01) / 4, abs=1)
    assert images_for_equality(0.01, disagreement=0.05) == pytest.approx(images_for_equality(0.01) / 2, abs=1)
    assert images_for_equality(0.01, class_counts=[10, 10]) == images_for_equality(0.01)
    assert images_for_equality(0.01, class_counts=[90, 10]) == pytest.approx(images_for_equality(0.01) / 0.36, rel=0.01)
    with pytest.raises(ValueError, match="positive"):
        images_for_equality(0.0)


@pytest.mark.slow
@pytest.mark.parametrize(("transfer", "controls"), [(1, 1), (4, 3)])
def test_power_of_no_practical_difference_at_the_printed_number_of_images(
    transfer: int, controls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated with 9.6 % disagreement and delta at 3 points, where a run is quick; standard error .023."""
    monkeypatch.setattr(rule, "LARGEST_DELTA", 0.03)
    images = images_for_equality(0.03, disagreement=0.096)
    found = many(Case(images + images % 2, transfer, controls), 300)
    assert 0.76 <= share(found, Word.NO_DIFFERENCE) <= 0.9
