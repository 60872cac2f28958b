"""Labels for files, in a stream: unreadable files are reported in place."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from frostline.compute.train import for_evaluation
from frostline.data import load
from frostline.errors import DataError
from frostline.export.bundle import Classifier
from frostline.export.inputs import Inputs, find_inputs
from frostline.terms.kernels import Mode

BATCH = 32
AHEAD = 4 * BATCH  # files that are decoded before they are asked for
IDLE_S = 0.05  # what is there is answered when nothing more has come for so long: somebody may be typing the paths
EXACT = Mode("fp32", True)


@dataclass(frozen=True)
class Rule:
    """How probabilities become a label.

    Attributes:
        least: below this confidence there is no label.
        positive, threshold: for two classes: `positive` is said from this probability on; the likelier class where None.
        several: where an image may have several labels: from which probability on each is said.
    """

    least: float = 0.0
    positive: str | None = None
    threshold: float | None = None
    several: tuple[float, ...] = ()

    def label(self, probabilities: dict[str, float]) -> str:
        """What is said, whatever its confidence: a class; or labels with bars between them, `none` where there are none."""
        if self.several:
            pairs = zip(probabilities.items(), self.several, strict=True)
            return "|".join(name for (name, value), threshold in pairs if value >= threshold) or "none"
        if self.positive is None or self.threshold is None:
            return max(probabilities, key=lambda name: probabilities[name])
        other = next(name for name in probabilities if name != self.positive)
        return self.positive if probabilities[self.positive] >= self.threshold else other

    def confidence(self, probabilities: dict[str, float]) -> float | None:
        """The probability of the class that is said; None with several labels: each has a probability of its own."""
        return None if self.several else probabilities[self.label(probabilities)]


@dataclass(frozen=True)
class Prediction:
    """What the model says of one file.

    Attributes:
        label: the class; or the labels, with bars between them, where an image may have several. None when the model abstains,
            or when the file could not be read.
        probabilities: class name -> probability; empty when the file could not be read, then `error` says why.
        confidence: see `Rule.confidence`.
    """

    file: str
    label: str | None
    probabilities: dict[str, float]
    error: str | None = None
    confidence: float | None = None

    @property
    def abstained(self) -> bool:
        return self.label is None and self.error is None


class Predictions(Iterator[Prediction]):
    """Predictions as they are made, in the order of the files.

    Attributes:
        total: how many there will be, None where that is not known before the end.
    """

    def __init__(self, found: Iterator[Prediction], total: int | None) -> None:
        self._found, self.total = found, total

    def __next__(self) -> Prediction:
        return next(self._found)


def predict_files(model: Classifier, images: Sequence[str | Path], rule: Rule | None = None) -> Predictions:
    """A prediction for each file, in order; what may stand for files: see `inputs.find_inputs`.

    Raises:
        DataError: a path is not there, or no image was found at all.
    """
    return predict_inputs(model, find_inputs(images), rule)


def predict_inputs(model: Classifier, inputs: Inputs, rule: Rule | None = None) -> Predictions:
    """A prediction for each of `inputs`, in order."""
    return Predictions(_stream(model, inputs, rule or Rule(several=model.thresholds)), inputs.total)


def describe(file: str, row: Sequence[float], classes: Sequence[str], rule: Rule) -> Prediction:
    """The prediction that the probabilities `row`, (classes,), stand for."""
    probabilities = {name: float(value) for name, value in zip(classes, row, strict=True)}
    confidence = rule.confidence(probabilities)
    sure = confidence is None or confidence >= rule.least
    return Prediction(file, rule.label(probabilities) if sure else None, probabilities, None, confidence)


def fast(model: Classifier) -> Classifier:
    """The same classifier with normalisation folded away, for prediction only."""
    return Classifier(for_evaluation(model.network, EXACT), model.spec, model.classes, model.geometry, model.thresholds).eval()


def decoding_threads() -> int:
    return max(2, min(8, os.cpu_count() or 1))


Waiting = tuple[str, "Future[Tensor]"]


def _stream(model: Classifier, inputs: Inputs, rule: Rule) -> Iterator[Prediction]:
    quick = fast(model)
    with decode_ahead(inputs.paths, model) as ready:
        while batch := ready.take():
            yield from _answer(quick, batch, rule)
    ready.raise_failure()


@contextlib.contextmanager
def decode_ahead(paths: Iterable[str], model: Classifier) -> Iterator[Ready]:
    """Files that threads decode, while the network runs on those before them."""
    ready = Ready()
    with ThreadPoolExecutor(decoding_threads()) as pool:
        threading.Thread(target=_feed, args=(paths, model, pool, ready), daemon=True).start()
        try:
            yield ready
        finally:
            ready.stop()


class Ready:
    """Decoded or soon decoded files on their way from the feeder to the network."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Waiting | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._ended = False
        self._failure: BaseException | None = None

    def put(self, item: Waiting | None) -> bool:
        """False when nobody wants any more."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def take(self) -> list[Waiting]:
        """Up to a batch, in order; fewer when nothing more comes for a moment, none at the end."""
        found: list[Waiting] = []
        while len(found) < BATCH and not self._ended:
            try:
                item = self._queue.get(timeout=IDLE_S if found else None)
            except queue.Empty:
                break
            if item is None:
                self._ended = True
            else:
                found.append(item)
        return found

    def stop(self) -> None:
        self._stopped.set()

    def fail(self, error: BaseException) -> None:
        self._failure = error

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _feed(paths: Iterable[str], model: Classifier, pool: ThreadPoolExecutor, ready: Ready) -> None:
    try:
        for path in paths:
            if not ready.put((path, pool.submit(load, [path], model.geometry, model.spec.channels))):
                return
    except BaseException as error:  # a table or a pipe may break in the middle: whoever reads the stream must know
        ready.fail(error)
    ready.put(None)


@torch.inference_mode()
def _answer(model: Classifier, batch: list[Waiting], rule: Rule) -> list[Prediction]:
    answers: dict[int, Prediction] = {}
    pixels: dict[int, Tensor] = {}
    for place, (file, decoded) in enumerate(batch):
        try:
            pixels[place] = decoded.result()
        except DataError as error:
            answers[place] = Prediction(file, None, {}, str(error))
    if pixels:
        found = model(torch.cat(list(pixels.values()))).tolist()
        for place, row in zip(pixels, found, strict=True):
            answers[place] = describe(batch[place][0], row, model.classes, rule)
    return [answers[place] for place in range(len(batch))]
