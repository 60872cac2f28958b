"""What a run can detect, said before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH = 2.6  # standard errors: 1.645 + .842 = 2.49 for one fixed pair, and what its two pseudo-units add
EQUAL_WIDTH = 3.25  # of them in delta; 1.645 + 1.282 = 2.93 in theory, .80 to .90 power in simulations of the whole rule
TRAINING_NOISE = 0.01  # standard deviation of a paired difference from other partitions and seeds, one repeat


def smallest_detectable_difference(
    n_images: int,
    folds: int = 5,
    repeats: int = 1,
    *,
    disagreement: float = 0.1,
    metric_sd: float | None = None,
    delta: float = 0.0,
    class_counts: Sequence[int] | None = None,
) -> float:
    """The true difference that the claim `helps` finds in at least 80 % of runs, in the metric's own unit (0.062: 6.2 points).

    A closed form, 2.6 sqrt(v / n + .01^2 / repeats): 6.9 / 4.4 / 2.3 points at n = 150 / 400 / 2,400 with 5 x 3 folds and 10 % of
    images classified differently. In simulations of the whole rule (docs/calibration.md) `helps` is said of such a difference
    in well over 80 % of runs; choosing among many recipes costs nothing more, since their mean varies less than one pair's
    difference. Folds of one repeat hold all images together, so their number does not enter.

    Args:
        n_images: validated images (units, where they come in groups).
        disagreement: share of images on which the two recipes' scores differ by a whole image.
        metric_sd: standard deviation of one image's contribution to the difference; instead of sqrt(disagreement).
        delta: the answer is never below it: smaller differences are of no practical interest.
        class_counts: images of each class, for metrics that weigh classes alike (balanced accuracy, AUROC).

    Not guaranteed: the power for data whose images disagree more, whose groups are large, or whose training is noisier than
    .01; AUROC usually disagrees less and detects smaller differences.

    Raises:
        ValueError: not a positive number of images, folds or repeats.
    """
    if min(n_images, folds, repeats) < 1:
        raise ValueError(f"given {n_images} images, {folds} folds, {repeats} repeats; each must be at least 1.")
    variance = metric_sd**2 if metric_sd is not None else disagreement
    found = WIDTH * math.sqrt(variance / _effective(n_images, class_counts) + TRAINING_NOISE**2 / repeats)
    return min(1.0, max(found, delta))


def images_for_equality(delta: float, *, disagreement: float = 0.1, class_counts: Sequence[int] | None = None) -> int:
    """Validated images (units, where they come in groups) with which `no-practical-difference` is found in at least 80 % of runs
    where two recipes are truly equal: EQUAL_WIDTH standard errors fit into delta (two one-sided tests, Schuirmann 1987).

    Args: as of `smallest_detectable_difference`; of `class_counts` only the proportions matter.

    Not counted: what training again would change. It comes on top, and no number of images removes it, only repeats do.

    Raises:
        ValueError: delta is not positive.
    """
    if not delta > 0:
        raise ValueError(f"given delta {delta}; it must be positive.")
    unbalanced = 1 / _effective(1, class_counts)
    return math.ceil(EQUAL_WIDTH**2 * disagreement / delta**2 * unbalanced)


def _effective(n_images: float, class_counts: Sequence[int] | None) -> float:
    """The number of images of balanced classes whose mean recall varies as much."""
    counts = [count for count in class_counts or () if count > 0]
    if not counts:
        return float(n_images)
    share = n_images / sum(counts)
    return share * len(counts) ** 2 / sum(1 / count for count in counts)
