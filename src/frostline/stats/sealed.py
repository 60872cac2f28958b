"""Scores of the refitted models on the sealed test set: the very models, nothing left to choose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.stats.bootstrap import Units, batches, standard_noise, units_of
from frostline.stats.classic import mcnemar
from frostline.stats.compare import Distribution, few_units, limits, pseudo_variance
from frostline.stats.metrics import METRICS, score
from frostline.stats.pool import Truth
from frostline.stats.strata import several
from frostline.stats.weighted import weighted_scores
from frostline.terms.verdict import IMAGE, Score, Verdict

Array = npt.NDArray[Any]
Predicted = tuple[Array, Array, Array]  # labels (n,) or (n, C), probabilities (n, C), groups (n,)


def with_test(verdict: Verdict, tests: Mapping[str, Predicted], opened_at: str, replicates: int = 1000, seed: int = 0) -> Verdict:
    """`verdict` with the sealed test set opened.

    The test score of `chosen` becomes the verdict's score; the exact McNemar test of `chosen` against `control` and the
    bootstrap interval of their difference go to the notes. The decision and the claims stay as they were.

    Args:
        tests: `chosen`, and `control` and `softmax-only` where they exist, on the same images in the same order.
        opened_at: when, ISO 8601.

    Interval: percentiles of a bootstrap over groups (images where there are none), stratified by class, widened as in
    `compare`. Estimand: these models, on images like those of the test set. Not guaranteed on another hospital's images.

    A model whose score is undefined there (one class only, NaN) is left out with a note; without a score of `chosen` the
    verdict keeps the one it had.

    Raises:
        ValueError: `chosen` is missing, or the models were tested on different images.
    """
    if "chosen" not in tests:
        raise ValueError(f"the sealed test needs the model 'chosen'; given {', '.join(tests) or 'nothing'}.")
    labels, _, groups = tests["chosen"]
    if any(not np.array_equal(labels, other[0], equal_nan=True) for other in tests.values()):
        raise ValueError("the models were tested on different images; test all of them on the sealed set.")
    sheet = _Sheet.draw(verdict.metric, labels, groups, [predicted for _, predicted, _ in tests.values()], replicates, seed)
    places = {name: place for place, name in enumerate(tests)}
    scored = {name: sheet.score(place) for name, place in places.items()}
    scores = {name: one for name, one in scored.items() if one is not None}
    title = METRICS[verdict.metric].title
    notes = [f"{title} of the model '{name}' is undefined on the sealed test set." for name in scored if name not in scores]
    if "chosen" in scores and "control" in scores:
        notes += _against_control(sheet, places["chosen"], places["control"])
    return dataclasses.replace(
        verdict,
        score=scores.get("chosen", verdict.score),
        test=scores,
        test_opened_at=opened_at,
        notes=(*verdict.notes, *notes),
        interim=False,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Sheet:
    """The test images, and every model's scores under the same weightings of them.

    Attributes:
        probabilities: (n, classes) of each model.
        spread: (B, models).
        noise: (B,).
    """

    metric: str
    labels: Array
    units: Units
    probabilities: Sequence[Array]
    spread: Array
    noise: Array

    @classmethod
    def draw(
        cls, metric: str, labels: Array, groups: Array, probabilities: Sequence[Array], replicates: int, seed: int
    ) -> _Sheet:
        rng = np.random.default_rng(seed)
        names = tuple(str(one) for one in range(probabilities[0].shape[1]))
        truth = Truth(np.asarray(labels), np.asarray(groups), names).numbered()
        units = units_of(np.arange(len(labels)), truth)
        parts = [weighted_scores(metric, truth.labels, probabilities, drawn) for drawn in batches(units, replicates, rng)]
        return cls(metric, truth.labels, units, probabilities, np.concatenate(parts), standard_noise(replicates, rng))

    def around(self, value: float, replicates: Array) -> Distribution:
        defined = np.isfinite(replicates)
        wide = few_units(self.metric, self.units) * (replicates[defined] - replicates[defined].mean())
        return Distribution(value, value + wide + np.sqrt(pseudo_variance(self.metric, self.units)) * self.noise[defined])

    def score(self, place: int) -> Score | None:
        value = score(self.metric, self.labels, self.probabilities[place])
        if not np.isfinite(value):
            return None
        found = self.around(value, self.spread[:, place])
        return Score(self.metric, found.interval(*limits(self.metric, difference=False)), "sealed-test", len(self.labels))


def _against_control(sheet: _Sheet, chosen: int, control: int) -> tuple[str, ...]:
    title = METRICS[sheet.metric].title
    ours, theirs = sheet.probabilities[chosen], sheet.probabilities[control]
    value = score(sheet.metric, sheet.labels, ours) - score(sheet.metric, sheet.labels, theirs)
    differences = sheet.spread[:, chosen] - sheet.spread[:, control]
    found = sheet.around(value, differences).interval(*limits(sheet.metric, difference=True))
    said = (
        f"On the sealed test set, chosen minus control: {found.value:+.3f} {title} (95 % {found.low:+.3f} to {found.high:+.3f}).",
    )
    if several(sheet.labels):
        return said  # of several labels there is no one answer to an image that is right or wrong
    only_chosen, only_control, p = mcnemar(ours.argmax(axis=1) == sheet.labels, theirs.argmax(axis=1) == sheet.labels)
    caveat = "" if sheet.units.name == IMAGE else "; it takes images for independent, though some are drawn together"
    return (
        *said,
        f"Exact McNemar test, chosen against control: {only_chosen} images only the chosen recipe gets right, "
        f"{only_control} only the control, p = {p:.3g}{caveat}.",
    )
