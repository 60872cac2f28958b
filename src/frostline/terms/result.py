"""What a trial left behind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.terms.evidence import Filters
from frostline.terms.trial import Trial

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


class Outcome(StrEnum):
    """How a trial ended; the value is the advice."""

    DONE = "finished"
    DIVERGED = "the loss became NaN or infinite: try a smaller learning rate"
    OUT_OF_MEMORY = "out of memory even with the smallest batch: try --size smaller or a smaller backbone"
    OVERFLOW = "activations overflowed their storage type: report this backbone"
    FAILED = "an unexpected error; it is written in the result's `message`"


@dataclass(frozen=True, eq=False)
class Result:
    """Predictions for every validation sample of the trial's split, and what they cost.

    Attributes:
        indices: (n,) the validation samples, as indices into `Dataset.samples`.
        probabilities: (configurations, n, classes), in the order of `trial.configurations`.
        curve: a row an epoch: (epoch, training loss, validation score), empty for solvers.
        seconds: monotonic time that this trial alone took.
        trained_parameters: numbers that training changed.
        converged: the validation score had reached its plateau; None where that has no meaning.
        filters: of the first layer of a network that was trained from scratch at full size; None of all others.
        forked: epochs that did not run in it, because an earlier trial had run them.
    """

    trial: Trial
    outcome: Outcome
    indices: IntArray
    probabilities: FloatArray
    curve: tuple[tuple[float, ...], ...] = ()
    seconds: float = 0.0
    trained_parameters: int = 0
    converged: bool | None = None
    message: str = ""
    forked: int = 0
    filters: Filters | None = None
