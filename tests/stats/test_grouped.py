"""Patients and subgroups against brute force."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from frostline.stats.grouped import by_group, subgroups
from frostline.stats.measures import Rows, estimate, scored
from tests.stats.simulate import scores_to_probabilities, truth


def rows_of(labels: np.ndarray, seed: int = 0, fold: np.ndarray | None = None) -> Rows:
    n = len(labels)
    p = scores_to_probabilities(np.random.default_rng(seed).normal(size=n) + 1.2 * labels)
    none = np.zeros(n, dtype=int)
    return Rows(np.arange(n), labels, p, none if fold is None else fold, none, np.full((n, 1), 0.5))


def test_a_group_is_the_mean_of_its_images() -> None:
    groups = np.repeat(np.arange(30), [1, 2, 3] * 10)
    labels = groups % 2
    rows = rows_of(labels, fold=groups % 3)
    found = by_group([rows], truth(labels, groups))
    means = [rows.probabilities[groups == one, 1].mean() for one in range(30)]
    assert found.mixed == 0
    assert found.repeats[0].images.tolist() == list(range(30))
    assert found.repeats[0].probabilities[:, 1] == pytest.approx(means)
    assert found.repeats[0].fold.tolist() == [one % 3 for one in range(30)]
    measured = estimate(found.repeats, found.truth, [scored("auroc")], replicates=40)[0].interval
    areas = [roc_auc_score(np.arange(fold, 30, 3) % 2, means[fold::3]) for fold in range(3)]
    assert measured is not None and measured.value == pytest.approx(np.mean(areas), abs=1e-6)


def test_a_group_with_several_labels_is_left_out_and_counted() -> None:
    groups = np.repeat(np.arange(20), 3)
    labels = groups % 2
    labels[4] = 1 - labels[4]
    found = by_group([rows_of(labels)], truth(labels, groups))
    assert found.mixed == 1
    assert 1 not in found.repeats[0].images and len(found.repeats[0].images) == 19
    assert found.repeats[0].labels.tolist() == [one % 2 for one in range(20) if one != 1]


def test_one_group_with_both_labels_leaves_nothing() -> None:
    labels = np.array([0, 1, 0, 1])
    found = by_group([rows_of(labels)], truth(labels, np.zeros(4, dtype=int)))
    assert (found.repeats, found.mixed) == ((), 1)


def test_patients_of_one_unit_are_scored_apart_and_drawn_together() -> None:
    patients = np.arange(40) // 2
    known = dataclasses.replace(truth(patients % 2, patients), groups=patients // 2)
    found = by_group([rows_of(patients % 2)], known)
    assert found.repeats[0].images.tolist() == list(range(20))
    assert found.truth.groups.tolist() == [one // 2 for one in range(20)]


def test_scores_of_a_subgroup_are_those_of_its_images_alone() -> None:
    labels = np.tile([0, 1], 60)
    cells = np.array(["F", "F", "M", "M", ""] * 24, dtype=object)
    rows = rows_of(labels)
    (found,) = subgroups([rows], truth(labels), {"sex": cells}, [scored("auroc")], replicates=60)
    assert (found.column, found.missing, [one.value for one in found.values]) == ("sex", 24, ["F", "M"])
    for one in found.values:
        inside = cells == one.value
        interval = one.measures[0].interval
        assert interval is not None
        assert interval.value == pytest.approx(roc_auc_score(labels[inside], rows.probabilities[inside, 1]), abs=1e-6)
        assert interval.low < interval.value < interval.high
        assert (one.images, one.units) == (48, 48)


def test_few_units_of_a_class_are_said_instead_of_scored() -> None:
    labels = np.tile([0, 1], 40)
    cells = np.array(["many"] * 60 + ["one class"] * 20, dtype=object)
    labels[60:] = 1
    groups = np.arange(80)
    groups[60:] = 60 + np.arange(20) // 5
    (found,) = subgroups([rows_of(labels)], truth(labels, groups), {"site": cells}, [scored("auroc")], replicates=40)
    many, few = found.values
    assert many.measures and not many.note
    assert few.measures == () and (few.images, few.units) == (20, 4)
    assert few.note == "too few: 0 groups of c0, 4 groups of c1; at least 10 are needed"
