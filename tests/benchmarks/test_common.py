"""What peers hand back."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.peers.common import Job, report, scores


def test_auroc_is_the_mean_over_classes_against_the_rest() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), 60)
    numbers = np.arange(60) % 3
    found = scores([f"c{number}" for number in numbers], ["c0", "c1", "c2"], probabilities)
    assert found["auroc"] == pytest.approx(roc_auc_score(numbers, probabilities, multi_class="ovr"))
    assert found["accuracy"] == pytest.approx((probabilities.argmax(1) == numbers).mean())


def test_columns_may_come_in_any_order() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    labels = ["a", "b", "b"]
    assert scores(labels, ["a", "b"], probabilities) == scores(labels, ["b", "a"], probabilities[:, ::-1])


def test_one_class_alone_has_no_auroc() -> None:
    assert scores(["a", "a"], ["a", "b"], np.array([[0.9, 0.1], [0.2, 0.8]])) == {"accuracy": 0.5, "auroc": None}


def test_a_report_holds_seconds_scores_and_probabilities_of_each_image(tmp_path: Path) -> None:
    test = [("x.png", "a"), ("y.png", "b")]
    job = Job([("t.png", "a"), ("u.png", "b")], test, tmp_path / "w", 3, 96, 0, tmp_path / "out.json")
    report(
        job, name="peer", version="1", training_s=2.0, with_start_up_s=5.0, classes=["b", "a"],
        probabilities=np.array([[0.25, 0.75], [0.5, 0.5]]), settings={"batch": 8},
    )  # fmt: skip
    found = json.loads(job.out.read_text(encoding="utf-8"))
    assert (found["seconds_training"], found["seconds_with_start_up"], found["accuracy"], found["auroc"]) == (2.0, 5.0, 1.0, 1.0)
    assert found["probabilities"][0] == {"path": "x.png", "label": "a", "probabilities": [0.25, 0.75]}
    assert found["settings"]["batch"] == 8
