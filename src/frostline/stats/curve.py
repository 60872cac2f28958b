"""Error against the number of training images: a fitted law, its band, and where two curves cross.

The law is err = a + b n^-c with a >= 0, b >= 0, 0 < c <= 2 (an inverse power law, as in Cortes et al. 1994, "Learning curves:
asymptotic values and rate of convergence"). For a given c it is linear in a and b (non-negative least squares), so that only
c is searched for: no starting values, no local minima in three dimensions.

Uncertainty: each replicate draws validation units with replacement, stratified by class, and draws of the nested parts with
replacement; all recipes and sizes share them, so that differences stay paired. Assumptions: validation units are independent;
the draws are typical of parts of that size. Not covered: that all parts are taken from one sample of n images (the largest size
has one part only), and that the true curve may leave the law outside the sizes that were measured. Nothing is said beyond 2n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar, nnls

from frostline.stats.bootstrap import draw_weights, units_of
from frostline.stats.metrics import find
from frostline.stats.pool import Truth
from frostline.stats.weighted import weighted_scores
from frostline.terms.curve import BandPoint, Crossing, Law, LearningCurve, Overtaking, RecipeCurve, SizePoint
from frostline.terms.verdict import Interval

Array = npt.NDArray[Any]

SLOWEST, FASTEST = 0.02, 2.0  # bounds of c; below the first the law is a straight line over log n
LEAST_SIZES = 4  # three parameters, and something to contradict them
FARTHEST = 2.0  # times the images
BAND_POINTS, CROSSING_POINTS = 40, 200
REPLICATES = 400
LOW, HIGH = 0.025, 0.975
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Measured:
    """One trial of a curve.

    Attributes:
        divisor: it was trained on about a `divisor`-th of the images, in truth on `images` of them; draw: in which draw.
        probabilities: (validation images, classes).
    """

    divisor: int
    images: int
    draw: int
    probabilities: Array


@dataclass(frozen=True, eq=False)
class Series:
    """The trials of one recipe; the rest as in `RecipeCurve`."""

    role: str
    recipe: str
    family: str
    backbone: str
    configuration: str
    runs: tuple[Measured, ...]


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one series: S sizes, row 0 as measured, the others B replicates.

    Attributes:
        images: (S,) rising. draws: (S,) how many trials. values: (1 + B, S).
    """

    images: Array
    draws: Array
    values: Array

    @property
    def enough(self) -> bool:
        return len(self.images) >= LEAST_SIZES


def learning_curve(
    series: Sequence[Series],
    validation: Array,
    truth: Truth,
    metric: str,
    images: int,
    seed: int,
    notes: tuple[str, ...] = (),
    replicates: int = REPLICATES,
) -> LearningCurve:
    """The curves of all series, and from where on the others overtake the one of role `frozen`.

    Args:
        validation: (V,) indices into the data set, in the order of all predictions.
        images: n, the training images of the fold.
    """
    rng = np.random.default_rng(seed)
    units = units_of(validation, truth)
    weights = np.concatenate([np.ones((1, len(validation)), np.float32), draw_weights(units, replicates, rng)])
    draws = max((run.draw for one in series for run in one.runs), default=0) + 1
    keys = rng.random((replicates, draws, draws))
    errors = {one.role: _errors(one, truth.labels[validation], metric, weights, keys) for one in series if one.runs}
    laws = {role: fit_all(found.images, found.values) for role, found in errors.items() if found.enough}
    curves = tuple(_curve(one, errors[one.role], laws.get(one.role), images) for one in series if one.runs)
    return LearningCurve(
        metric, images, len(validation), units.name, units.count, draws, curves, _crossings(errors, laws, images), notes
    )


def _errors(series: Series, labels: Array, metric: str, weights: Array, keys: Array) -> Errors:
    runs = sorted(series.runs, key=lambda run: (-run.divisor, run.draw))
    values = find(metric).ceiling - weighted_scores(metric, labels, [run.probabilities for run in runs], weights)
    sizes = sorted({run.divisor for run in runs}, reverse=True)
    places = [[place for place, run in enumerate(runs) if run.divisor == size] for size in sizes]
    drawn = [picks(keys, [runs[place].draw for place in own]) for own in places]
    means = np.stack([_mean_over_draws(values[:, own], picked) for own, picked in zip(places, drawn, strict=True)], axis=1)
    found = np.array([np.mean([runs[place].images for place in own]) for own in places])
    defined = np.isfinite(means).all(axis=1)  # depends on the weights alone: the same rows for every series
    defined[0] = True
    return Errors(found, np.array([len(own) for own in places]), means[defined])


def picks(keys: Array, present: Sequence[int]) -> Array:
    """(B, R) which of the R draws that are `present` is taken R times, each time one of them, all equally likely.

    Args:
        keys: (B, times, draws) uniform: the draw of the highest key is taken. A draw that is missing in one series or size thus
            changes only where it would have been taken, and everything else stays paired.
        present: their numbers.
    """
    return np.asarray(keys[:, : len(present), list(present)].argmax(axis=2))


def _mean_over_draws(values: Array, picked: Array) -> Array:
    """(1 + B, R) of R draws -> (1 + B,): the plain mean in row 0, of the picked draws in the others.

    Deviations are widened by sqrt(R / (R - 1)): the variance among so few draws would else be underestimated by that much.
    """
    count = values.shape[1]
    means = values.mean(axis=1)
    if count == 1:
        return np.asarray(means)
    resampled = np.take_along_axis(values[1:], picked, axis=1).mean(axis=1)
    widened = means[1:] + math.sqrt(count / (count - 1)) * (resampled - means[1:])
    return np.concatenate([means[:1], np.maximum(widened, 0.0)])  # no error is below nothing


# --- the law ---------------------------------------------------------------------------------------------------------


def fit(images: Array, errors: Array) -> Law:
    """The law closest to `errors` (S,) at `images` (S,), by least squares."""
    unit = float(images[-1])  # b is of the size of an error there
    shares = images / unit

    def solved(c: float) -> tuple[Array, float]:
        found = nnls(np.stack([np.ones_like(shares), shares**-c], axis=1), errors)
        return found[0], float(found[1])

    best = minimize_scalar(lambda c: solved(c)[1], bounds=(SLOWEST, FASTEST), method="bounded", options={"xatol": 1e-4})
    c = min((SLOWEST, float(best.x), FASTEST), key=lambda one: solved(one)[1])
    a, b = solved(c)[0]
    return Law(float(a), float(b * unit**c), c)


def fit_all(images: Array, errors: Array) -> Array:
    """(rows, 3) a, b, c of each row of `errors` (rows, S)."""
    laws = [fit(images, row) for row in errors]
    return np.array([(law.a, law.b, law.c) for law in laws])


def predicted(laws: Array, images: Array) -> Array:
    """(rows, M) errors of laws (rows, 3) at `images` (M,)."""
    a, b, c = laws.T[:, :, None]
    return np.asarray(a + b * images[None, :] ** -c)


# --- one curve -------------------------------------------------------------------------------------------------------


def _curve(series: Series, errors: Errors, laws: Array | None, images: int) -> RecipeCurve:
    points = tuple(
        SizePoint(float(size), _interval(errors.values[:, place]), int(errors.draws[place]))
        for place, size in enumerate(errors.images)
    )
    fall = _interval(errors.values[:, 0] - errors.values[:, -1]) if len(points) > 1 else None
    reason = _refusal(errors, fall)
    named = (series.role, series.recipe, series.family, series.backbone, series.configuration)
    if reason or laws is None:
        return RecipeCurve(*named, points, fall=fall, reason=reason)
    grid = np.geomspace(errors.images[0], FARTHEST * images, BAND_POINTS)
    values = predicted(laws, grid)
    band = tuple(BandPoint(float(size), _interval(values[:, place])) for place, size in enumerate(grid))
    ends = predicted(laws, np.array([float(images), FARTHEST * images]))
    a, b, c = (float(value) for value in laws[0])
    return RecipeCurve(*named, points, Law(a, b, c), band, _interval(ends[:, 0] - ends[:, 1]), fall)


def _refusal(errors: Errors, fall: Interval | None) -> str:
    """Why no law is fitted, or nothing."""
    if not errors.enough:
        count = len(errors.images)
        return f"{count} {'size was' if count == 1 else 'sizes were'} measured, and a curve needs {LEAST_SIZES}"
    if fall is None or not fall.low > ROUNDING:
        return "between its smallest and its largest size the error did not fall by more than chance explains"
    return ""


def _interval(values: Array) -> Interval:
    """Row 0 with the 95 % interval of the others; they are the same where there is nothing to draw."""
    value = float(values[0])
    if len(values) < 2:
        return Interval(value, value, value)
    low, high = np.quantile(values[1:], [LOW, HIGH])
    return Interval(value, min(float(low), value), max(float(high), value))


# --- where curves cross ----------------------------------------------------------------------------------------------


def _crossings(errors: dict[str, Errors], laws: dict[str, Array], images: int) -> tuple[Crossing, ...]:
    if "frozen" not in laws:
        return ()
    others = [role for role in laws if role != "frozen"]
    return tuple(crossing(role, "frozen", laws, max(errors[r].images[0] for r in (role, "frozen")), images) for role in others)


def crossing(first: str, second: str, laws: dict[str, Array], smallest: float, images: int) -> Crossing:
    """From how many images on the law of `first` stays below that of `second`, looked at from `smallest` to 2 x `images`.

    It is claimed only where 97.5 % of the replicates agree that it happens there, and denied within twice the images only where
    97.5 % say so; else it cannot be told.
    """
    grid = np.geomspace(smallest, FARTHEST * images, CROSSING_POINTS)
    rows = min(len(laws[first]), len(laws[second]))
    ahead = predicted(laws[first][:rows], grid) < predicted(laws[second][:rows], grid) - ROUNDING
    found = _from_where(ahead, grid)
    low, high = (float(np.sort(found[1:])[round(share * (rows - 2))]) for share in (LOW, HIGH))
    if high <= grid[0]:
        return Crossing(first, second, Overtaking.ALWAYS)
    if math.isinf(low):
        return Crossing(first, second, Overtaking.BEYOND)
    if math.isinf(high):
        return Crossing(first, second, Overtaking.UNTOLD)
    return Crossing(first, second, Overtaking.WITHIN, Interval(min(max(float(found[0]), low), high), low, high))


def _from_where(ahead: Array, grid: Array) -> Array:
    """(rows,) the first of `grid` from which on a row of `ahead` (rows, M) stays true; infinite where its end is false."""
    behind = ~ahead
    last_behind = ahead.shape[1] - 1 - behind[:, ::-1].argmax(axis=1)
    start = np.where(behind.any(axis=1), last_behind + 1, 0)
    return np.asarray(np.append(grid, np.inf)[start])
