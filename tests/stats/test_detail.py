"""The whole detail of a verdict, from results to values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score

from frostline.stats.decide import DecideSettings, decide
from frostline.stats.detail import DetailSettings, Fold, Model, as_repeats, confusion, describe, out_of_fold
from frostline.store.records import read_verdict, write_verdict
from frostline.terms.data import Split
from frostline.terms.detail import Detail, ModelDetail
from frostline.terms.result import Outcome
from frostline.terms.verdict import Interval, Row
from tests.stats.simulate import Family, candidate, folds, result, results_of, scores_to_probabilities, truth

N = 120
LABELS = np.arange(N) % 3 % 2  # a third positive
FAST = DetailSettings("auroc", replicates=60)


def predicted(seed: int, strength: float = 1.5) -> np.ndarray:
    return scores_to_probabilities(np.random.default_rng(seed).normal(size=N) + strength * LABELS)


def splits_of(parts: dict[str, np.ndarray]) -> tuple[Split, ...]:
    everyone = np.arange(N)
    return tuple(
        Split(name, 0, number, 0, tuple(np.setdiff1d(everyone, held).tolist()), tuple(held.tolist()))
        for number, (name, held) in enumerate(parts.items())
    )


def model(seed: int, parts: dict[str, np.ndarray], recipe: str = "all: freeze | head: linear", strength: float = 1.5) -> Model:
    p = predicted(seed, strength)
    made = [Fold(one.name, parts[one.name], p[parts[one.name]], np.array(one.train)) for one in splits_of(parts)]
    return Model(recipe, "toy", tuple(made))


def found(models: dict[str, Model], settings: DetailSettings = FAST, groups: np.ndarray | None = None) -> Detail:
    detail = describe(models, truth(LABELS, groups), settings)
    assert detail is not None
    return detail


def value(one: ModelDetail, name: str) -> float:
    interval = next(measure.interval for measure in one.measures if measure.name == name)
    assert interval is not None
    return interval.value


def test_out_of_fold_predictions_of_the_chosen_configuration_only() -> None:
    one, parts = candidate(Family.SOFTMAX_ONLY), folds(LABELS, 3)
    both = np.stack([predicted(0), predicted(1)])
    results = results_of({one: both}, parts)
    broken = both.copy()
    broken[:, 0] = np.nan
    results.append(result(one, "r0f0", parts["r0f0"], broken[:, parts["r0f0"]], ("c0", "c1"), rung="screen-0"))
    results.append(result(one, "r0f1", parts["r0f1"], both[:, parts["r0f1"]], ("c0", "c1"), outcome=Outcome.FAILED))
    row = Row(one.recipe, "softmax-only", "toy", "auroc", None, 1, 3, 1.0, 1, "chosen", "c1")
    got = out_of_fold(results[::-1], row, splits_of(parts))
    assert [fold.split for fold in got] == ["r0f0", "r0f1", "r0f2"]
    for fold in got:
        assert (fold.probabilities == predicted(1)[fold.indices]).all()
        assert not np.isin(fold.indices, fold.train).any() and len(fold.train) + len(fold.indices) == N
    other = dataclasses.replace(row, recipe="all: tune | head: linear")
    assert out_of_fold(results, other, splits_of(parts)) == ()


def test_repeats_share_no_image_inside() -> None:
    repeats = as_repeats(model(0, folds(LABELS, 4, repeats=3)).folds, truth(LABELS))
    assert [rows.folds for rows in repeats] == [4, 4, 4]
    assert all(sorted(rows.images.tolist()) == list(range(N)) for rows in repeats)


def test_cross_validation_is_per_fold_for_rankings_and_together_for_the_rest() -> None:
    parts = folds(LABELS, 4)
    detail = found(
        {"chosen": model(0, parts), "softmax-only": model(1, parts), "control": model(2, parts, "pixels: forest", 0.3)}
    )
    chosen, p = detail.models[0], predicted(0)
    assert (detail.how, detail.unit, detail.positive) == ("out-of-fold", "image", "c1")
    assert [one.name for one in detail.models] == ["chosen", "control", "softmax-only"]
    assert (chosen.images, chosen.units, chosen.folds) == (N, N, 4)
    areas = [roc_auc_score(LABELS[held], p[held, 1]) for held in parts.values()]
    assert value(chosen, "auroc") == pytest.approx(np.mean(areas), abs=1e-6)
    assert value(chosen, "brier") == pytest.approx(brier_score_loss(LABELS, p[:, 1]), abs=1e-6)
    assert value(detail.models[1], "auroc") < value(chosen, "auroc")
    assert np.array(detail.confusion).tolist() == confusion_matrix(LABELS, p.argmax(axis=1)).tolist()
    assert [one.images for one in detail.per_class] == [80, 40]
    assert [point.rule for point in chosen.operating] == ["youden", "specificity"]
    assert all(len(point.thresholds) == 4 for point in chosen.operating)


def test_the_majority_is_that_of_the_training_side() -> None:
    parts = folds(LABELS, 2)
    made = model(0, parts)
    odd = tuple(dataclasses.replace(fold, train=np.flatnonzero(LABELS == 1)) for fold in made.folds)
    assert value(found({"chosen": made}).models[0], "majority") == pytest.approx(80 / N)
    assert value(found({"chosen": dataclasses.replace(made, folds=odd)}).models[0], "majority") == pytest.approx(40 / N)


def test_on_the_sealed_test_set_thresholds_come_from_the_folds() -> None:
    parts = {name: held[held < 80] for name, held in folds(LABELS, 4).items()}
    sealed, pool = np.arange(80, N), np.arange(80)
    chosen = dataclasses.replace(model(0, parts), sealed=Fold("sealed", sealed, predicted(5)[80:], pool))
    detail = found({"chosen": chosen, "control": model(2, parts, "pixels: forest")})
    (only,) = detail.models
    assert (detail.how, only.images, only.folds) == ("sealed-test", 40, 1)
    assert value(only, "auroc") == pytest.approx(roc_auc_score(LABELS[80:], predicted(5)[80:, 1]), abs=1e-6)
    observed = set(predicted(0)[:80, 1].tolist())
    assert all(len(point.thresholds) == 1 and point.thresholds[0] in observed for point in only.operating)
    assert detail.notes == ("The control ('pixels: forest') left no predictions on the sealed test set.",)


def test_a_rival_is_measured_on_the_folds_of_the_chosen_recipe() -> None:
    parts = folds(LABELS, 4)
    fewer = dict(list(parts.items())[:2])
    detail = found({"chosen": model(0, fewer), "control": model(1, parts, "pixels: forest")})
    assert [(one.folds, one.images) for one in detail.models] == [(2, 60), (2, 60)]


def test_a_class_missing_in_a_fold_and_constant_predictions_are_defined() -> None:
    negatives = np.flatnonzero(LABELS == 0)
    parts = {"r0f0": np.setdiff1d(np.arange(N), negatives[:20]), "r0f1": negatives[:20]}
    made = model(0, parts)
    detail = found({"chosen": made})
    held = parts["r0f0"]
    assert value(detail.models[0], "auroc") == pytest.approx(roc_auc_score(LABELS[held], predicted(0)[held, 1]), abs=1e-6)
    assert detail.models[0].operating[0].note == "no threshold in 1 of 2 folds"
    flat = tuple(dataclasses.replace(one, probabilities=np.full((len(one.indices), 2), 0.5)) for one in made.folds)
    constant = found({"chosen": dataclasses.replace(made, folds=flat)})
    assert value(constant.models[0], "auroc") == 0.5
    assert constant.models[0].operating[0].sensitivity is None


def test_patients_and_subgroups() -> None:
    groups = np.arange(N) // 3 * 3 + LABELS  # one or two images a patient and class
    groups[:3] = 0  # one patient with both labels
    cells = np.array(["F", "M"] * 60, dtype=object)
    parts = {"r0f0": np.arange(N)[: N // 2], "r0f1": np.arange(N)[N // 2 :]}
    settings = dataclasses.replace(FAST, columns={"sex": cells, "site": np.array(["x"] * 5 + [""] * 115, dtype=object)})
    detail = found({"chosen": model(0, parts)}, settings, groups)
    assert detail.unit == "group" and detail.patients is not None
    assert (detail.patients.groups, detail.patients.mixed) == (78, 1)
    assert [one.name for one in detail.patients.measures][:2] == ["auroc", "balanced-accuracy"]
    assert all(point.sensitivity is not None for point in detail.patients.operating)
    sex, site = detail.subgroups
    assert [one.value for one in sex.values] == ["F", "M"]
    assert [one.name for one in sex.values[0].measures] == ["auroc", "sensitivity", "specificity"]
    assert site.missing == 115 and site.values[0].note.startswith("too few: ")


def test_like_images_without_patients_give_no_table_of_patients() -> None:
    known = dataclasses.replace(truth(LABELS), groups=np.maximum(np.arange(N), 3))
    detail = describe({"chosen": model(0, folds(LABELS, 4))}, known, FAST)
    assert detail is not None and (detail.unit, detail.patients) == ("set of like images", None)
    assert detail.models[0].units == N - 3


def test_more_classes_have_no_operating_point() -> None:
    labels = np.arange(N) % 3
    p = np.random.default_rng(0).dirichlet([1, 1, 1], N)
    parts = folds(labels, 3)
    made = Model(
        "x", "", tuple(Fold(one.name, parts[one.name], p[parts[one.name]], np.array(one.train)) for one in splits_of(parts))
    )
    detail = describe({"chosen": made}, truth(labels, classes=3), FAST)
    assert detail is not None
    assert (detail.positive, detail.models[0].operating, detail.reliability.of) == ("", (), "")
    assert len(detail.confusion) == len(detail.per_class) == 3


def test_without_predictions_there_is_no_detail() -> None:
    assert describe({"chosen": Model("x", "", ())}, truth(LABELS), FAST) is None


def test_confusion_is_the_mean_over_repeats() -> None:
    labels = np.array([0, 1])
    right, wrong = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.1, 0.9], [0.1, 0.9]])
    repeats = [Fold(name, np.arange(2), p, np.arange(2)) for name, p in (("r0f0", right), ("r1f0", wrong))]
    assert confusion(as_repeats(repeats, truth(labels)), 2) == ((0.5, 0.5), (0.0, 1.0))


def test_it_goes_through_verdict_json_and_names_no_patient(tmp_path: Path) -> None:
    groups = np.array([f"nih:{one // 2}" for one in range(N)], dtype=object)
    one, parts = candidate(Family.SOFTMAX_ONLY), folds(LABELS, 3)
    verdict = decide(results_of({one: predicted(0)[None]}, parts), truth(LABELS, groups), [one], DecideSettings(replicates=50))
    settings = dataclasses.replace(FAST, columns={"sex": np.array(["F", "M"] * 60, dtype=object)})
    detail = found({"chosen": model(0, parts)}, settings, groups)
    whole = dataclasses.replace(verdict, detail=detail)
    write_verdict(tmp_path / "verdict.json", whole)
    assert read_verdict(tmp_path / "verdict.json") == whole
    assert "nih:" not in (tmp_path / "verdict.json").read_text()
    assert isinstance(detail.models[0].measures[0].interval, Interval)
