"""Labels for files, in a stream: unreadable files are reported in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from frostline.data import load
from frostline.data.entries import IMAGE_SUFFIXES
from frostline.errors import DataError
from frostline.export.bundle import Classifier

BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What the model says of one file.

    Attributes:
        label: the class; or the labels, with bars between them, where an image may have several.
        probabilities: class name -> probability; empty when the file could not be read, then `error` says why.
    """

    file: str
    label: str | None
    probabilities: dict[str, float]
    error: str | None = None


def predict_files(model: Classifier, images: Sequence[str | Path]) -> Iterator[Prediction]:
    """A prediction for each file, in order; folders stand for the images in them.

    Raises:
        DataError: a path is not there, or no image was found at all.
    """
    return _stream(model, list(expand(images)))


def expand(images: Iterable[str | Path]) -> Iterator[Path]:
    """Files as given; every image below a folder, sorted."""
    found = False
    for given in map(Path, images):
        if not given.exists():
            raise DataError(f"{given} is not there. Give image files or folders that hold some.")
        if given.is_dir():
            inside = sorted(path for path in given.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
            found = found or bool(inside)
            yield from inside
        else:
            found = True
            yield given
    if not found:
        raise DataError(
            f"no image was found in {', '.join(map(str, images))}. Known endings: {', '.join(sorted(IMAGE_SUFFIXES))}."
        )


def _stream(model: Classifier, files: list[Path]) -> Iterator[Prediction]:
    for start in range(0, len(files), BATCH):
        yield from _batch(model, files[start : start + BATCH])


@torch.no_grad()
def _batch(model: Classifier, files: list[Path]) -> list[Prediction]:
    answers: dict[Path, Prediction] = {}
    pixels: list[Tensor] = []
    readable = []
    for path in files:
        try:
            pixels.append(load([path], model.geometry, model.spec.channels))
            readable.append(path)
        except DataError as error:
            answers[path] = Prediction(str(path), None, {}, str(error))
    if readable:
        found = model(torch.cat(pixels)).numpy()
        for path, row in zip(readable, found, strict=True):
            probabilities = {name: float(value) for name, value in zip(model.classes, row, strict=True)}
            answers[path] = Prediction(str(path), model.label(row), probabilities)
    return [answers[path] for path in files]
