"""From bootstrap draws to a value with its interval, its probabilities and the word of a claim.

How an interval is centred and how wide it is:

- Centre: the score (or paired difference) of what the full data choose, plus the mean over replicates of (what the bag
  chose minus what the full data chose), both out of the bag. That is BBC-CV's mean out-of-bag score, with its Monte-Carlo
  noise removed; where there is nothing to choose it is the plain cross-validated score.
- Spread: that of this centre, found by playing the choice again on data sets like this one (`replay`). (BBC-CV takes the
  percentiles of single replicates: its intervals are those of one bag's choice, wider by half where recipes are alike.)
- Models: other partitions and seeds would give other models. The variance between repeats beyond what the images explain is
  added, over their number; of a single repeat that between its folds (docs/decisions/single-repeat-and-rare-classes.md).
- Two pseudo-units that disagree, one each way, are added to the variance, after Agresti and Min 2005 ("Simple improved
  confidence intervals for comparing matched proportions"): otherwise three differing images would be certainty, and none
  would prove equality. It vanishes as 1/n.
- Few units of a class: deviations are widened by what a bootstrap of so few lacks (`few_units`).

Sample unit: the group, or the image where there are none. The estimand in cross-validation is the procedure at this
training size. Not guaranteed: coverage when a class has only a handful of units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from frostline.stats.bootstrap import Units
from frostline.stats.metrics import METRICS, PLAIN
from frostline.stats.weighted import mean_of_defined
from frostline.terms.verdict import Interval, Word

Array = npt.NDArray[Any]

SURE = 0.95
POWER = 0.8  # of runs with the images that are said to decide
GRID, HALVINGS = 2000, 40  # numbers of images that are tried; steps of a bisection
MOST_IMAGES = 1_000_000
ENOUGH_REPLICATES = 20  # fewer defined ones and nothing is said
FEWEST_UNITS = 5  # of a class: fewer count as five, or one class of two would drown what the others say


@dataclass(frozen=True, eq=False)
class Distribution:
    """A bootstrap distribution of a score or of a difference.

    Attributes:
        centre: bias-corrected value.
        values: (B',) replicates around it, undefined ones left out; empty when too few are defined.
    """

    centre: float
    values: Array

    @property
    def spread(self) -> float:
        """Its standard deviation; infinite when nothing is known."""
        return float(self.values.std()) if len(self.values) else math.inf

    def interval(self, low: float, high: float) -> Interval:
        """The 95 % interval, clipped to the possible values `low` .. `high`; all of these when nothing is known."""
        if not len(self.values):
            return Interval(self.centre, low, high)
        bounds = np.clip(np.percentile(self.values, [2.5, 97.5]), low, high)
        value = min(max(self.centre, low), high)
        return Interval(value, min(float(bounds[0]), value), max(float(bounds[1]), value))

    @property
    def above(self) -> float:
        return float((self.values > 0).mean()) if len(self.values) else 0.5

    @property
    def below(self) -> float:
        return float((self.values < 0).mean()) if len(self.values) else 0.5

    def within(self, delta: float) -> float:
        return float((np.abs(self.values) <= delta).mean()) if len(self.values) else 0.0

    def certainty(self, delta: float) -> float:
        """The probability of the likeliest of the three words."""
        return max(self.above, self.below, self.within(delta))


def distribution(plain: float, chosen: Array, fixed: Array, spread: Array, noise: Array, variance: float) -> Distribution:
    """The distribution of one quantity.

    Args:
        plain: its value on the full data, by what the full data choose.
        chosen: (B,) out of the bag, by what each bag chose; NaN where undefined.
        fixed: (B,) out of the bag, by what the full data choose.
        spread: (B,) how it deviates from one data set to another (`replay.replayed`), not paired with the bags.
        noise: (B,) standard normal.
        variance: what repeats and pseudo-units add.
    """
    defined = np.isfinite(chosen) & np.isfinite(fixed)
    if defined.sum() < ENOUGH_REPLICATES or not math.isfinite(plain):
        return Distribution(plain, np.zeros(0))
    chosen, fixed, spread, noise = chosen[defined], fixed[defined], spread[defined], noise[defined]
    centre = plain + float((chosen - fixed).mean())
    return Distribution(centre, centre + spread - spread.mean() + math.sqrt(variance) * noise)


def pseudo_variance(metric: str, units: Units) -> float:
    """Variance of two more units, one better and one worse by all that a unit can be.

    One unit moves accuracy by 1/n, a recall by 1/n_c, hence balanced accuracy by 1/(C n_c); AUROC is treated alike. Log-loss
    has no largest step and gets none.
    """
    if metric == "log-loss" or units.count == 0:
        return 0.0
    if metric == "accuracy":
        return 2 / units.count**2
    sizes = np.bincount(units.strata)
    sizes = sizes[sizes > 0]
    return float(2 * (1 / sizes).sum() / (len(sizes) ** 2 * units.count))


def few_units(metric: str, units: Units) -> float:
    """The factor by which deviations are widened because units are few.

    A bootstrap of m units shows (m - 1) / m of the variance. Out of the bag less is lacking; the same factor is taken there, and
    docs/calibration.md says how often such intervals hold the truth. That variance is itself an estimate: quantiles are those of
    Student's t with Welch and Satterthwaite's degrees of freedom (Satterthwaite 1946, "An approximate distribution of estimates
    of variance components"), classes taken to vary alike. A mean over all images counts as one class.

    Args:
        metric: its name; units: those that are drawn, each with its class.

    Returns:
        at least 1; 1.10 for balanced accuracy with a class of 12 of 150.
    """
    sizes = np.bincount(units.strata) if metric not in PLAIN else np.array([units.count])
    sizes = np.maximum(sizes[sizes > 0], FEWEST_UNITS)
    if not len(sizes):
        return 1.0
    shares = 1 / sizes
    freedom = shares.sum() ** 2 / (shares**2 / (sizes - 1)).sum()
    lacking = (1 / (sizes - 1)).sum() / shares.sum()
    return float(math.sqrt(lacking) * t.ppf(0.975, freedom) / norm.ppf(0.975))


def between_models(plain: Array, fixed: Array, repeats: Sequence[Sequence[int]], left_out: float) -> float:
    """Variance of the mean because other partitions and seeds would give other models, beyond what the images explain.

    Between the means of repeats, where there are several; else between the folds of the one, each with a model of its own.
    What they differ by because each image is judged anew is in the bootstrap over images already: taken off, to no less than 0.
    Of one hold-out it cannot be known, and is 0.

    Args:
        plain: (F,) the value on each fold, NaN where undefined.
        fixed: (B, F) replicates out of the bag, nothing chosen in them.
        repeats: the folds of each.
        left_out: share of units out of the bag.
    """
    shrink = left_out / (1 - left_out)  # a mean over the units out of the bag varies 1 / shrink times as much as one over all
    if len(repeats) == 1:
        folds = repeats[0]
        explained = _variance(mean_of_defined(fixed[:, folds], axis=1)) * shrink
        return max(0.0, variance_of_mean(plain[folds]) - explained)
    means = np.array([mean_of_defined(plain[one], axis=0) for one in repeats])
    drawn = np.stack([mean_of_defined(fixed[:, one], axis=1) for one in repeats], axis=1)
    return max(0.0, variance_of_mean(means) - _between(drawn) * shrink / len(repeats))


def _between(drawn: Array) -> float:
    """Variance of one of several repeats about their mean, over replicates (B, repeats)."""
    about = drawn - drawn.mean(axis=1, keepdims=True)
    return float(sum(_variance(one) for one in about.T) / (drawn.shape[1] - 1))


def _variance(values: Array) -> float:
    """Variance of what is defined; infinite when nothing is."""
    defined = values[np.isfinite(values)]
    return float(defined.var()) if len(defined) else math.inf


def variance_of_mean(values: Array) -> float:
    """Of independent values, NaN left out; 0 for a single one."""
    values = values[np.isfinite(values)]
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0


def word(found: Distribution, delta: float, sure: float = SURE) -> Word:
    """The closed list of words, each at probability `sure`; within +-delta wins where two hold."""
    if found.within(delta) >= sure:
        return Word.NO_DIFFERENCE
    if found.above >= sure:
        return Word.HELPS
    return Word.HARMS if found.below >= sure else Word.UNDETERMINED


def step_down(certainties: Sequence[float], sure: float = SURE) -> list[float]:
    """What probability each claim of one family must reach, so that the chance of any false one is about that of a single claim.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the surest of m claims must reach 1 - a/m, the next
    1 - a/(m-1), and so on; from the first that does not, the same is asked of all that are less sure.

    Args:
        certainties: of each claim's likeliest word.
    """
    order = sorted(range(len(certainties)), key=lambda one: -certainties[one])
    needed, failed = [sure] * len(certainties), None
    for place, one in enumerate(order):
        level = failed if failed is not None else 1 - (1 - sure) / (len(order) - place)
        needed[one] = level
        failed = level if certainties[one] < level else failed
    return needed


def needed_images(found: Distribution, delta: float, images: int, sure: float = SURE) -> tuple[int | None, str]:
    """With how many validated images four of five runs would decide, were the true difference the observed one and its spread
    to shrink as 1/sqrt(n).

    Args:
        images: that were validated. sure: the probability that the claim must reach.

    Returns:
        (images, "") or (None, why that cannot be said). It is a guess from the same noisy difference: no promise.
    """
    if not math.isfinite(found.spread):
        return None, "too few images of the rarest class for any estimate"
    more = np.geomspace(1, max(MOST_IMAGES / images, 1), GRID)  # times as many images
    undecided = _undecided(abs(found.centre), found.spread / np.sqrt(more), delta, sure)
    enough = np.flatnonzero(undecided <= 1 - POWER)
    if not len(enough):
        return None, "the difference is so close to the boundary of delta that no realistic number of images would decide"
    return max(math.ceil(images * more[enough[0]]), images + 1), ""


def _undecided(size: float, spread: Array, delta: float, sure: float) -> Array:
    """The share of runs whose claim stays open: estimates are normal around the true difference `size` with these deviations.

    Args:
        spread: (n,) standard deviations; an estimate's own distribution has the same.

    Returns:
        (n,) shares.
    """
    needed, true, room = norm.ppf(sure), size / spread, delta / spread  # in standard deviations
    low, high = np.zeros_like(room), room.copy()
    for _ in range(HALVINGS):  # how far from zero an estimate may lie and still be within delta, as sure as is asked
        middle = (low + high) / 2
        within = norm.cdf(room - middle) - norm.cdf(-room - middle) >= sure
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    equal = np.where(low > 0, norm.cdf(low - true) - norm.cdf(-low - true), 0.0)
    signed = norm.cdf(true - needed) + norm.cdf(-true - needed)
    return np.asarray(np.where(low >= needed, 0.0, 1 - equal - signed))


def limits(metric: str, difference: bool) -> tuple[float, float]:
    """The smallest and largest possible score, or difference of two."""
    low, high = METRICS[metric].floor, METRICS[metric].ceiling
    return (low - high, high - low) if difference else (low, high)
