"""Real images with a known answer: what a search with public flags says, beside what is right.

The source networks are trained here, in seconds: a small network on cells of some patients; the searches see cells of other
patients. Nothing is downloaded.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

import frostline as fl
from benchmarks.calibration.networks import SIZE
from frostline.stats.metrics import score
from frostline.stats.weighted import mean_of_defined, weighted_scores
from frostline.terms.verdict import Claim, Interval, Word

Array = npt.NDArray[Any]
Row = dict[str, str]

SMALL = "benchmarks.calibration.networks:small"
SAME = "benchmarks.calibration.networks:same"
NAMED = "timm/test_resnet"  # a network that a run's model can be rebuilt from by its name
SOURCE_IMAGES, TARGET_IMAGES = 1600, 300
MANY = 900  # images; with 300 the first stage has some 80 steps, too few to change the sign of anything
LONG = "train: lr=0.01 epochs=40"
EPOCHS, BATCH, RATE = 12, 32, 3e-3

FROZEN = "all: freeze | head: linear"
WHOLE = "all: tune | head: linear"
FIRST = "stem: tune | first.5 .. last: freeze | head: linear"
LAST = "stem .. third: freeze | last: tune | head: linear"
SCRATCH = "weights: random | all: tune | head: linear"
FOREST = "pixels: forest"
RANDOM_FEATURES = "weights: random | all: freeze | head: all-layer"
FLATTERED = (FOREST, RANDOM_FEATURES, f"{SCRATCH} | train: epochs=30")
CONTROLS = (
    "pixels: logistic",
    FOREST,
    "weights: random | all: freeze | head: linear",
    RANDOM_FEATURES,
    "weights: matched | all: tune | head: linear",
    SCRATCH,
)
TRANSFER = (FROZEN, "all: freeze | head: all-layer", "all: freeze | head: mlp(64)", LAST, FIRST, WHOLE)


@dataclass(frozen=True)
class Answer:
    """What was said of a question with a known answer.

    Attributes:
        right: said as expected; numbers: the difference (or score) that it rests on, where there is one.
    """

    question: str
    expected: str
    said: str
    right: bool
    numbers: Interval | None = None


# Sources and targets -------------------------------------------------------------------------------------------------


def cells(data: Path) -> list[Row]:
    """The rows of the malaria cells' table: path, label, patient."""
    with (data / "malaria-cells" / "index.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def by_patient(rows: Sequence[Row], seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Images for the source, and for the target from other patients, each in random order."""
    rng = np.random.default_rng(seed)
    patients = rng.permutation(sorted({row["patient"] for row in rows}))
    size = {patient: sum(row["patient"] == patient for row in rows) for patient in patients}
    total = np.cumsum([size[patient] for patient in patients])
    ours = set(patients[: int(np.searchsorted(total, SOURCE_IMAGES)) + 1])
    mixed = [rows[number] for number in rng.permutation(len(rows))]
    return [row for row in mixed if row["patient"] in ours], [row for row in mixed if row["patient"] not in ours]


def target(data: Path, rows: Sequence[Row], folder: Path, columns: Sequence[str] = ("path", "label", "patient")) -> Path:
    """A folder with copies of these images and their table, of these columns."""
    for row in rows:
        place = folder / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / "malaria-cells" / row["path"], place)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def balanced(rows: Sequence[Row], count: int) -> list[Row]:
    """The first `count` rows, as many of each label."""
    labels = sorted({row["label"] for row in rows})
    return [row for label in labels for row in [one for one in rows if one["label"] == label][: count // len(labels)]]


def pixels(files: Sequence[Path]) -> torch.Tensor:
    """(n, 3, SIZE, SIZE) in -1..1, as the small network takes them."""
    images = [np.asarray(Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for file in files]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def random_source(file: Path, seed: int = 0) -> Path:
    """A weights file of the small network, untrained."""
    return _save(fl.build(SCRATCH, fl.load_backbone(SMALL, pretrained=False, size=SIZE), classes=2, seed=seed), file)


def trained_source(images: torch.Tensor, labels: Sequence[str], file: Path, network: str = SMALL, seed: int = 0) -> Path:
    """A weights file of a network after some epochs on these images."""
    names = sorted(set(labels))
    y = torch.tensor([names.index(label) for label in labels])
    model = fl.build(SCRATCH, fl.load_backbone(network, pretrained=False, size=SIZE), classes=len(names), seed=seed)
    optimizer = torch.optim.AdamW(fl.parameter_groups(model, lr=RATE))
    order = torch.Generator().manual_seed(seed)
    batches = [rows for _ in range(EPOCHS) for rows in torch.randperm(len(y), generator=order).split(BATCH) if len(rows) > 1]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=len(batches))
    model.train()
    for rows in batches:
        flipped = images[rows].flip(3) if torch.rand((), generator=order) < 0.5 else images[rows]
        optimizer.zero_grad()
        cross_entropy(model(flipped), y[rows]).backward()
        optimizer.step()
        schedule.step()
    return _save(model, file)


def _save(model: Any, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.clone().contiguous() for name, tensor in model.trunk.original_state().items()}, file)
    return file


def _cell_source(data: Path, rows: Sequence[Row], file: Path, inverted: bool = False) -> Path:
    if file.exists():
        return file
    images = pixels([data / "malaria-cells" / row["path"] for row in rows])
    return trained_source(-images if inverted else images, [row["label"] for row in rows], file)


def _cell_target(data: Path, out: Path, images: int = TARGET_IMAGES) -> tuple[list[Row], Path]:
    ours, others = by_patient(cells(data))
    return ours, target(data, balanced(others, images), out / "target")


def _claim(run: fl.Run, name: str) -> Claim:
    return next(claim for claim in run.verdict.claims if claim.claim == name)


def _said(claim: Claim) -> tuple[str, Interval | None]:
    return claim.verdict.value, claim.comparison.difference if claim.comparison else None


# Questions -----------------------------------------------------------------------------------------------------------


def random_weights(data: Path, out: Path) -> Answer:
    """A freshly random network, given as pre-trained, must not be said to help."""
    _, folder = _cell_target(data, out)
    run = fl.search(folder, f"{SMALL}={random_source(out / 'random.safetensors')}", recipe=(*TRANSFER, *CONTROLS), size=SIZE,
                    out=out / "random")  # fmt: skip
    said, numbers = _said(_claim(run, "pretraining-helps"))
    return Answer("random weights given as pre-trained", "not helps", said, said != Word.HELPS, numbers)


def same_task(data: Path, out: Path) -> Answer:
    """A source trained on cells of other patients helps."""
    ours, folder = _cell_target(data, out)
    run = fl.search(folder, f"{SMALL}={_cell_source(data, ours, out / 'cells.safetensors')}", recipe=(*TRANSFER, *CONTROLS),
                    size=SIZE, out=out / "same-task")  # fmt: skip
    said, numbers = _said(_claim(run, "pretraining-helps"))
    return Answer("source trained on the same task, other patients", "helps", said, said == Word.HELPS, numbers)


def inverted_inputs(data: Path, out: Path) -> Answer:
    """The source saw negatives: tuning the first stage is among the tied best, and above tuning the last."""
    ours, folder = _cell_target(data, out, MANY)
    source = _cell_source(data, ours, out / "inverted.safetensors", inverted=True)
    first, last = f"{FIRST} | {LONG}", f"{LAST} | {LONG}"
    run = fl.search(folder, f"{SMALL}={source}", recipe=(FROZEN, first, last, WHOLE), size=SIZE, out=out / "run")
    of = {row.recipe: row for row in run.verdict.rows if row.score is not None}
    best = {run.verdict.chosen.recipe, *run.verdict.tied}
    scores = {name: of[recipe].score.value for name, recipe in (("first", first), ("last", last))}  # type: ignore[union-attr]
    said = f"first stage {scores['first']:.3f}, last {scores['last']:.3f}; first {'' if first in best else 'not '}tied best"
    right = first in best and scores["first"] > scores["last"]
    return Answer("source trained on negatives", "first stage tied best, above last", said, right, of[first].score)


def two_names(data: Path, out: Path) -> Answer:
    """One network under two names: nothing is said to win, and both are among the tied best."""
    ours, folder = _cell_target(data, out)
    source = _cell_source(data, ours, out / "cells.safetensors")
    run = fl.search(folder, [f"{SMALL}={source}", f"{SAME}={source}"], recipe=(FROZEN, LAST), size=SIZE, out=out / "names")
    said, numbers = _said(next(claim for claim in run.verdict.claims if claim.claim.startswith("source-")))
    tied = {
        row.backbone for row in run.verdict.rows if row.recipe == run.verdict.chosen.recipe and row.status in ("chosen", "tied")
    }
    right = said in (Word.NO_DIFFERENCE, Word.UNDETERMINED) and len(tied) == 2
    return Answer("one network under two names", "a tie", f"{said}, {len(tied)} tied", right, numbers)


def patients(data: Path, out: Path) -> Answer:
    """Splitting by image instead of by patient flatters: by how much, interval from a bootstrap over patients."""
    rows, source = cells(data), random_source(out / "random.safetensors")
    runs = []
    for name, columns in (("by-image", ("path", "label")), ("by-patient", ("path", "label", "patient"))):
        folder = target(data, rows, out / f"cells-{name}", columns)
        run = fl.search(folder, f"{SMALL}={source}", recipe=FLATTERED, size=SIZE, out=out / f"run-{name}")
        runs.append(pd.read_parquet(run.path / "predictions.parquet"))
    patient = {row["path"]: row["patient"] for row in rows}
    found = {recipe: flattery(*runs, patient, recipe) for recipe in FLATTERED}
    said = "; ".join(f"`{recipe}` {one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f})" for recipe, one in found.items())
    asked = found[FLATTERED[-1]]  # the one that trains a network; the others are shown beside it
    return Answer("cells split by image minus by patient", "above 0 for the trained network", said, asked.low > 0, asked)


def flattery(
    by_image: pd.DataFrame, by_patient: pd.DataFrame, patient: dict[str, str], recipe: str = "pixels: forest"
) -> Interval:
    """AUROC of a recipe under one way to split minus that under the other, on the images that both validated."""
    tables = [table[(table["recipe"] == recipe) & (table["rung"] == "full")] for table in (by_image, by_patient)]
    common = sorted(set(tables[0]["sample"]) & set(tables[1]["sample"]))
    names, unit = np.unique([patient[sample] for sample in common], return_inverse=True)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=1000)
    weights = np.concatenate([np.ones((1, len(common))), drawn[:, unit]])
    place = {sample: number for number, sample in enumerate(common)}
    differences = np.subtract(*(_mean_auroc(table, place, weights) for table in tables))
    low, high = np.nanpercentile(differences[1:], [2.5, 97.5])
    return Interval(float(differences[0]), float(low), float(high))


def _mean_auroc(table: pd.DataFrame, place: dict[str, int], weights: Array) -> Array:
    """(B,) AUROC a fold, averaged over folds, under each weighting of the images in `place`."""
    second = sorted(name for name in table.columns if name.startswith("probability: "))[1]
    known = table[table["sample"].isin(place)]
    found = []
    for _, fold in known.groupby(["repeat", "fold"]):
        p = fold[second].to_numpy()
        labels = (fold["label"] == second.removeprefix("probability: ")).to_numpy().astype(int)
        columns = weights[:, [place[sample] for sample in fold["sample"]]]
        found.append(weighted_scores("auroc", labels, [np.stack([1 - p, p], axis=1)], columns)[:, 0])
    return mean_of_defined(np.stack(found), axis=0)


PUBLISHED = {"AUC": 0.944, "ACC": 0.854}  # MedMNIST v2 (Yang et al. 2023), PneumoniaMNIST, ResNet-18 at 28 pixels, official test
NEAR = 0.03


def published(data: Path, out: Path, backbone: str | None = None) -> Answer:
    """PneumoniaMNIST's official test set against the published table; the shift between the parts is said by the tool."""
    images = data / "pneumoniamnist"
    if backbone is None:
        backbone = f"{NAMED}={_pets_source(data, out / 'pets.safetensors')}"
    run = fl.search(images, backbone, recipe=(FOREST, FROZEN, WHOLE), size=SIZE, out=out / "pneumonia")
    files = sorted(path for path in (images / "test").rglob("*") if path.is_file())
    said = list(fl.predict(run.path, files))
    names = sorted(said[0].probabilities)
    labels = np.array([names.index(file.parent.name) for file in files])
    probabilities = np.array([[one.probabilities[name] for name in names] for one in said])
    auc, acc = score("auroc", labels, probabilities), score("accuracy", labels, probabilities)
    shift = any("test" in note and ("were not drawn" in note or "unlike" in note) for note in run.verdict.notes)
    others = ", ".join(f"{name} {one.interval.value:.3f}" for name, one in run.verdict.test.items())
    text = f"AUC {auc:.3f}, ACC {acc:.3f} ({run.verdict.chosen.recipe}); {others}; shift {'said' if shift else 'not said'}"
    right = shift and auc > PUBLISHED["AUC"] - NEAR
    expected = f"AUC {PUBLISHED['AUC']} or up to {NEAR} below, ACC {PUBLISHED['ACC']}; shift said"
    return Answer("PneumoniaMNIST, official test", expected, text, right, run.verdict.score.interval)


def _pets_source(data: Path, file: Path) -> Path:
    """`NAMED` trained on cats and dogs."""
    if file.exists():
        return file
    files = sorted((data / "cats-dogs").rglob("*.jpg"))
    return trained_source(pixels(files), [one.parent.name for one in files], file, NAMED)


QUESTIONS: dict[str, Callable[[Path, Path], Answer]] = {
    "random-weights": random_weights,
    "same-task": same_task,
    "inverted-inputs": inverted_inputs,
    "two-names": two_names,
    "patients": patients,
    "published": published,
}


def run(data: Path, only: Sequence[str], out: Path) -> None:
    """Ask all questions (or `only` these), print a row for each and keep the answers."""
    out = out.absolute()
    print("| question | expected | said | difference or score (95 %) | |\n|---|---|---|---|---|", flush=True)
    for name in only or QUESTIONS:
        answer = QUESTIONS[name](data.absolute(), out / name)
        (out / f"{name}.json").write_text(json.dumps(asdict(answer), indent=1), encoding="utf-8")
        one = answer.numbers
        numbers = f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})" if one else ""
        print(
            f"| {answer.question} | {answer.expected} | {answer.said} | {numbers} | {'yes' if answer.right else 'NO'} |",
            flush=True,
        )
