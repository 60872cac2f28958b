"""Several labels an image, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from frostline.stats.multilabel import multilabel_over_folds, multilabel_scores, weighted_multilabel

NAMES = ("mass", "fluid", "nodule")


def made(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < [0.5, 0.3, 0.2]).astype(float)
    return y, np.round(rng.random((n, 3)) + 0.5 * y, 2)


def test_complete_answers_equal_scikit_learn() -> None:
    y, p = made()
    found = multilabel_scores(y, p, NAMES)
    assert found.auroc == pytest.approx(roc_auc_score(y, p, average="macro"))
    assert found.average_precision == pytest.approx(average_precision_score(y, p, average="macro"))
    assert [one.auroc for one in found.labels] == pytest.approx(roc_auc_score(y, p, average=None))
    assert found.messages == ()


def test_unknown_answers_are_left_out_of_their_label_only() -> None:
    y, p = made()
    y[::3, 1] = np.nan
    found = multilabel_scores(y, p, NAMES)
    known = np.isfinite(y[:, 1])
    assert found.labels[1].auroc == pytest.approx(roc_auc_score(y[known, 1], p[known, 1]))
    assert found.labels[1].average_precision == pytest.approx(average_precision_score(y[known, 1], p[known, 1]))
    assert [one.known for one in found.labels] == [60, 40, 60]
    assert found.labels[0].auroc == pytest.approx(roc_auc_score(y[:, 0], p[:, 0]))


@pytest.mark.parametrize(
    ("column", "message"), [(0.0, "no image has it"), (1.0, "every image has it"), (np.nan, "no answer is known")]
)
def test_a_label_with_one_answer_only_is_left_out_and_said(column: float, message: str) -> None:
    y, p = made()
    y[:, 2] = column
    found = multilabel_scores(y, p, NAMES)
    assert np.isnan(found.labels[2].auroc) and np.isnan(found.labels[2].average_precision)
    assert found.messages == (f"nodule: {message}. It is left out of the means.",)
    assert found.auroc == pytest.approx(roc_auc_score(y[:, :2], p[:, :2], average="macro"))
    assert found.average_precision == pytest.approx(average_precision_score(y[:, :2], p[:, :2], average="macro"))


def test_nothing_defined_is_nan_and_said() -> None:
    y, p = made()
    found = multilabel_scores(y * 0, p, NAMES)
    assert np.isnan(found.auroc) and np.isnan(found.average_precision) and len(found.messages) == 3


def test_a_score_that_is_not_finite_makes_its_label_undefined() -> None:
    y, p = made()
    p[5, 0], p[7, 0] = np.nan, np.inf
    found = multilabel_scores(y, p, NAMES)
    assert np.isnan(found.labels[0].auroc)
    assert found.messages == ("mass: 2 of 60 scores are not finite. It is left out of the means.",)


def test_a_score_that_is_not_finite_beside_an_unknown_answer_does_not_matter() -> None:
    y, p = made()
    y[5, 0], p[5, 0] = np.nan, np.nan
    assert np.isfinite(multilabel_scores(y, p, NAMES).labels[0].auroc)


def test_constant_scores_are_defined_and_named() -> None:
    y, p = made()
    p[:, 1] = 0.4
    found = multilabel_scores(y, p, NAMES)
    assert (found.labels[1].auroc, found.labels[1].average_precision) == pytest.approx((0.5, y[:, 1].mean()))
    assert found.messages == ("fluid: all scores are equal.",)


def test_over_folds_a_label_is_averaged_where_it_is_defined() -> None:
    folds = [made(seed=one) for one in range(3)]
    folds[1][0][:, 2] = 0.0
    found = multilabel_over_folds(folds, NAMES)
    expected = [np.mean([roc_auc_score(y[:, one], p[:, one]) for y, p in folds if y[:, one].any()]) for one in range(3)]
    assert [one.auroc for one in found.labels] == pytest.approx(expected)
    assert found.auroc == pytest.approx(np.mean(expected))
    assert found.messages == ("nodule: in 1 of 3 folds: no image has it.",)
    pooled = roc_auc_score(np.concatenate([y for y, _ in folds]), np.concatenate([p for _, p in folds]), average="macro")
    assert found.auroc != pytest.approx(pooled, abs=1e-6)


def test_a_label_missing_in_every_fold_is_left_out() -> None:
    folds = [made(seed=one) for one in range(2)]
    for y, _ in folds:
        y[:, 0] = 0.0
    found = multilabel_over_folds(folds, NAMES)
    assert found.messages == ("mass: in 2 of 2 folds: no image has it. It is left out of the means.",)
    assert np.isfinite(found.auroc)


def test_weighted_scores_equal_scikit_learn_with_sample_weight() -> None:
    y, p = made()
    y[::4, 0] = np.nan
    weights = np.random.default_rng(1).poisson(1.0, (5, 60)) + (np.arange(60) < 20)
    for measure, function in (("auroc", roc_auc_score), ("average-precision", average_precision_score)):
        found = weighted_multilabel(measure, y, p, weights.astype(np.float32))
        for row, one in zip(weights, found, strict=True):
            known = [np.isfinite(y[:, label]) for label in range(3)]
            scores = [function(y[k, n], p[k, n], sample_weight=row[k]) for n, k in enumerate(known)]
            assert one == pytest.approx(np.mean(scores), abs=1e-5)


def test_a_weighting_that_leaves_a_label_undefined_leaves_it_out() -> None:
    y, p = made()
    weights = (y[:, 1] == 0).astype(float)[None]
    scores = [roc_auc_score(y[:, one], p[:, one], sample_weight=weights[0]) for one in (0, 2)]
    assert weighted_multilabel("auroc", y, p, weights)[0] == pytest.approx(np.mean(scores), abs=1e-5)
    assert np.isnan(weighted_multilabel("auroc", y * 0, p, weights)).all()


def test_wrong_input_is_named() -> None:
    y, p = made()
    with pytest.raises(ValueError, match=r"truth \(60, 3\), scores \(60, 2\) and 3 names do not fit"):
        multilabel_scores(y, p[:, :2], NAMES)
    with pytest.raises(ValueError, match="the truth holds 2; expected 1 for yes"):
        multilabel_scores(y * 2, p, NAMES)
    with pytest.raises(ValueError, match="no fold was given"):
        multilabel_over_folds([], NAMES)
