"""Paired changes: the difference of two scores, with units drawn together."""

import numpy as np
import pytest

from frostline.stats.metrics import score
from frostline.stats.paired import paired_change
from frostline.stats.pool import Truth


def predictions(labels: np.ndarray, noise: float, seed: int) -> np.ndarray:
    right = 1 / (1 + np.exp(-(2.0 * labels - 1) - noise * np.random.default_rng(seed).normal(size=len(labels))))
    return np.stack([1 - right, right], axis=1)


LABELS = np.repeat([0, 1], 100)
TRUTH = Truth(LABELS, np.arange(200), ("a", "b"))


@pytest.mark.parametrize("metric", ["auroc", "balanced-accuracy", "accuracy", "log-loss"])
def test_the_change_is_the_difference_of_the_scores_and_lies_in_its_interval(metric: str) -> None:
    before, after = predictions(LABELS, 0.5, 0), predictions(LABELS, 3.0, 1)
    found = paired_change(metric, TRUTH, np.arange(200), before, after)
    assert found.value == pytest.approx(score(metric, LABELS, after) - score(metric, LABELS, before))
    assert found.low < found.value < found.high < 0


def test_equal_predictions_have_not_changed_at_all() -> None:
    before = predictions(LABELS, 1.0, 0)
    found = paired_change("auroc", TRUTH, np.arange(200), before, before)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_images_of_one_group_are_drawn_together_which_widens_the_interval() -> None:
    labels = np.repeat([0, 1], 100)
    few = np.arange(200) // 20
    before = predictions(labels, 0.5, 0)
    after = before.copy()
    after[np.isin(few, (0, 7))] = after[np.isin(few, (0, 7))][:, ::-1]  # two groups are turned round
    alone = paired_change("accuracy", Truth(labels, np.arange(200), ("a", "b")), np.arange(200), before, after)
    grouped = paired_change("accuracy", Truth(labels, few, ("a", "b")), np.arange(200), before, after)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_a_subset_in_any_order_is_scored_by_its_own_labels() -> None:
    images = np.random.default_rng(0).permutation(200)[:120]
    before, after = predictions(LABELS, 0.5, 0)[images], predictions(LABELS, 3.0, 1)[images]
    found = paired_change("accuracy", TRUTH, images, before, after)
    hits = (after.argmax(1) == LABELS[images]).mean() - (before.argmax(1) == LABELS[images]).mean()
    assert found.value == pytest.approx(hits) and found.low <= found.value <= found.high
