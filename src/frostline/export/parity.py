"""The same files through frostline and through what was exported: are the answers the same?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline.errors import ExportFailed
from frostline.export.bundle import Classifier
from frostline.export.predict import predict_files

LIMIT = 1e-3  # of a probability, in fp32
TIMEOUT_S = 600


@dataclass(frozen=True)
class Parity:
    """What the comparison found.

    Attributes:
        files: how many both could read; refused: how many neither could.
        largest: difference of a probability.
        changed: files with another label, or that only one of the two could read.
    """

    files: int
    refused: int
    largest: float
    changed: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.files > 0 and not self.changed and self.largest < LIMIT

    def __str__(self) -> str:
        refused = f" ({self.refused} more could be read by neither)" if self.refused else ""
        labels = f"{len(self.changed)} changed labels" if self.changed else "no changed label"
        return f"parity on {self.files} real files{refused}: largest difference {self.largest:.1e}, {labels}"


Answers = dict[str, dict[str, Any]]  # file -> its label and probabilities, or its error


def compare(model: Classifier, theirs: Answers, files: Sequence[str]) -> Parity:
    """What `model` says of `files` against other answers about the same files."""
    ours = {one.file: one for one in predict_files(model, files)}
    both = [name for name, one in ours.items() if one.probabilities and "probabilities" in theirs[name]]
    refused = [name for name, one in ours.items() if not one.probabilities and "probabilities" not in theirs[name]]
    differing = [name for name in both if ours[name].label != theirs[name]["label"]]
    largest = max(
        (abs(value - theirs[name]["probabilities"][label]) for name in both for label, value in ours[name].probabilities.items()),
        default=0.0,
    )
    lost = [name for name in ours if name not in both and name not in refused]
    return Parity(len(both), len(refused), largest, tuple(differing + lost))


def answers_of_model(model: Classifier, files: Sequence[str]) -> Answers:
    """frostline's own."""
    found = predict_files(model, files)
    return {one.file: {"label": one.label, **({"probabilities": one.probabilities} if not one.error else {})} for one in found}


def answers_of_program(command: Sequence[str], files: Sequence[str]) -> Answers:
    """Those of an exported program, in a Python of its own.

    Args:
        command: the program and its arguments; it reads paths from standard input.

    Raises:
        ExportFailed: the program ended with an error.
    """
    absolute = {str(Path(name).resolve()): name for name in files}
    done = subprocess.run(
        [sys.executable, *command], input="\n".join(absolute), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportFailed(
            f"the exported program {command[0]} ended with an error: {reason} This is our fault; please report it."
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {absolute[str(one["file"])]: one for one in answers}
