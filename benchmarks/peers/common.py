"""What every peer is given and gives back: images and a weights file in, seconds, scores and probabilities out.

Needs the standard library, numpy, scikit-learn and torch only: it runs in the environment of each peer.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Row = tuple[str, str]  # path of an image, name of its class


@dataclass(frozen=True)
class Job:
    """What a peer is asked to do.

    Attributes:
        weights: torchvision's mobilenet_v2, as safetensors.
        epochs: None for a search, which is given a time. size: pixels a side. out: the JSON file to write.
    """

    train: list[Row]
    test: list[Row]
    weights: Path
    epochs: int | None
    size: int
    seed: int
    out: Path

    @property
    def classes(self) -> list[str]:
        return sorted({label for _, label in self.train})


def read_rows(file: Path) -> list[Row]:
    """The rows of a table with the columns path and label."""
    with file.open(newline="", encoding="utf-8") as stream:
        return [(row["path"], row["label"]) for row in csv.DictReader(stream)]


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("path", "label"), *rows])


def options() -> argparse.ArgumentParser:
    """What every peer is told on its command line."""
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("train", "test", "weights", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def job(given: dict[str, Any]) -> Job:
    """The job that the values of `options` describe."""
    rows = {name: read_rows(given.pop(name)) for name in ("train", "test")}
    paths = {name: given.pop(name).absolute() for name in ("weights", "out")}
    return Job(**rows, **paths, **given)


def job_from_command_line(what: str) -> Job:
    return job(vars(argparse.ArgumentParser(description=what, parents=[options()]).parse_args()))


def scores(labels: Sequence[str], classes: Sequence[str], probabilities: np.ndarray) -> dict[str, float | None]:
    """Accuracy, and AUROC as the mean over the classes, each against the rest; None where only one class is there.

    Args:
        labels: (n,) names; probabilities: (n, classes), columns in the order of `classes`.
    """
    truth = np.array([list(classes).index(label) for label in labels])
    areas = [
        roc_auc_score(truth == column, probabilities[:, column])
        for column in range(len(classes))
        if 0 < (truth == column).sum() < len(truth)
    ]
    accuracy = float((probabilities.argmax(axis=1) == truth).mean())
    return {"accuracy": accuracy, "auroc": float(np.mean(areas)) if areas else None}


def report(
    job: Job,
    *,
    name: str,
    version: str,
    training_s: float,
    with_start_up_s: float,
    classes: Sequence[str],
    probabilities: np.ndarray | Sequence[Sequence[float]],
    settings: Mapping[str, Any],
) -> None:
    """Write what a peer reached to `job.out`.

    Args:
        training_s: of the training call alone; with_start_up_s: from the script's first line to the end of training.
        probabilities: (test images, classes), in the order of `job.test` and of `classes`.
        settings: what was set, as a reader would want to know.
    """
    found = {
        "name": name,
        "version": version,
        "seconds_training": training_s,
        "seconds_with_start_up": with_start_up_s,
        "epochs": job.epochs,
        "size": job.size,
        "train_images": len(job.train),
        "test_images": len(job.test),
        **scores([label for _, label in job.test], classes, np.asarray(probabilities)),
        "settings": dict(settings) | {"threads": os.environ.get("OMP_NUM_THREADS", "all"), "cores": os.cpu_count()},
        "classes": list(classes),
        "probabilities": [
            {"path": path, "label": label, "probabilities": row}
            for (path, label), row in zip(job.test, np.asarray(probabilities, float).round(6).tolist(), strict=True)
        ],
    }
    job.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{name} {version}: {training_s:.1f} s of training, accuracy {found['accuracy']:.3f}, AUROC {found['auroc'] or 0:.3f}")
