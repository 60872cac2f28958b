"""What a plan needs to know of a table that is too large to be read for a plan: counts in place of splits."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from frostline import data
from frostline.data.draws import LEAST_AFTER_SEAL
from frostline.data.survey import Codes, Survey
from frostline.data.units import FOLDS
from frostline.planning.forecast import Scale
from frostline.session.checking import metric_of, size_of
from frostline.session.panels import MORE, reach_of
from frostline.session.planned import Prospect
from frostline.session.profiles import Ahead, Profile, profiles_of
from frostline.session.request import Request
from frostline.stats.metrics import PLAIN
from frostline.stats.power import images_for_equality
from frostline.stats.rule import LARGEST_DELTA
from frostline.stats.strata import strata_of
from frostline.terms.backbone import InputSpec
from frostline.terms.verdict import GROUP, IMAGE

TRIED = 8  # images that are decoded to see how long one takes
ASSUMED_DECODE_S = 0.01  # of one image where no file is there


def outlined(request: Request, found: Survey, ahead: Ahead | None = None) -> tuple[Prospect, list[Profile]]:
    """What the counts allow, and a profile of each backbone.

    Args:
        ahead: where the backbones are being loaded.

    Raises:
        InputError: as the search itself would, as far as a table tells.
    """
    data.in_order(found.classes, request.positive, found.several)
    profiles, told = profiles_of(request, lambda specs: size_of(request, specs, partial(data.size_for, found.seen.sides)), ahead)
    spec = profiles[0].backbone.spec
    split = divided(request, found)
    metric, delta = metric_of(request, len(found.classes), found.several), request.delta or LARGEST_DELTA
    counts = None if metric in PLAIN else split.strata
    prospect = Prospect(
        scale=split.scale,
        images=split.scale.pool + split.scale.sealed,
        decode_s=seconds_to_decode(found.seen.files, spec),
        metric=metric,
        delta=delta,
        reach=tuple(reach_of(more, split.scale.pool, split.units, split.own_share, counts) for more in MORE),
        unit=GROUP if found.grouped else IMAGE,
        equality_units=images_for_equality(delta, class_counts=counts),
        notes=(*found.notes, *split.notes, *told),
    )
    return prospect, profiles


def seconds_to_decode(files: Sequence[Path], spec: InputSpec) -> float:
    """Seconds an image, decoded side by side on all cores; assumed where there is no file."""
    if not files:
        return ASSUMED_DECODE_S
    geometry = data.Geometry.of(spec)
    places = np.linspace(0, len(files) - 1, min(TRIED, len(files))).astype(int)
    begun = time.perf_counter()
    for place in places:
        data.decode(files[place], geometry)
    return (time.perf_counter() - begun) / len(places) / (os.cpu_count() or 1)


@dataclass(frozen=True)
class Divided:
    """How many images and units fall where, as the rules of splitting have it.

    Attributes:
        units: of the pool. own_share: of them, what the user's own `val` holds; None where folds are drawn.
        strata: of the units that are validated, how many are of each class.
    """

    scale: Scale
    units: int
    own_share: float | None
    strata: list[int]
    notes: tuple[str, ...]


def divided(request: Request, found: Survey) -> Divided:
    """The numbers that `data.plan_splits` would arrive at, to within a group; no image is drawn."""
    share = min(1.0, (request.limit or found.images) / found.images)
    own, rest = found.rows("test"), found.rows(None, "train", "val")
    validates = found.rows("val") if len(found.rows("val")) and not request.pool_val else None
    units = _units(found, rest)
    tested = len(own) if request.test is None else data.count_images(request.test)
    seals = validates is None and not tested and _rarest(found, rest) * share * (1 - 1 / FOLDS) >= LEAST_AFTER_SEAL
    kept = share * (1 - 1 / FOLDS if seals else 1.0)
    pool, sealed = round(kept * len(rest)), round(share * len(rest) / FOLDS) if seals else tested
    if validates is not None:
        held, folds, repeats = round(share * len(validates)), 1, 1
        own_share, scored = _units(found, validates) / units, validates
    else:
        kind, repeats, _ = data.draws_at(pool)
        held, folds, own_share, scored = pool // FOLDS, 1 if kind == "hold-outs" else FOLDS, None, rest
    scale = Scale(pool, pool - held, held, folds, repeats, sealed, len(found.classes))
    notes = (f"{sealed:,} images will be sealed as a test set.",) if sealed else ("No test set will be sealed.",)
    return Divided(scale, max(1, round(kept * units)), own_share, _strata(found, scored), notes)


def _units(found: Survey, rows: Codes) -> int:
    return len(np.unique(found.units[rows])) if found.grouped else len(rows)


def _strata(found: Survey, rows: Codes) -> list[int]:
    """Units of each class among `rows`."""
    if not found.grouped and not found.several:
        return [int(count) for count in np.bincount(found.targets[rows])]
    of_image = np.unique(found.units[rows], return_inverse=True)[1]
    return [int(count) for count in np.bincount(strata_of(found.targets[rows], of_image, int(of_image.max()) + 1))]


def _rarest(found: Survey, rows: Codes) -> int:
    """Images of the rarest class, or of the rarest answer to a label that is not too rare to be scored."""
    if not found.several:
        return int(np.bincount(found.targets[rows]).min())
    answers = np.minimum((found.targets[rows] == 1).sum(axis=0), (found.targets[rows] == 0).sum(axis=0))
    return int(answers[answers >= min(FOLDS, answers.max())].min())
