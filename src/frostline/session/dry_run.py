"""What a plan needs to know of data that are read and split as a search would: nothing is decoded for good or trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from frostline import data
from frostline.session.checking import metric_of, size_of
from frostline.session.measured import load_all, profiles
from frostline.session.outline import seconds_to_decode
from frostline.session.outlook import equality_units, reaches
from frostline.session.panels import scale_of
from frostline.session.planned import Prospect
from frostline.session.prepare import read, recognise, told_apart
from frostline.session.profiles import Ahead, Profile
from frostline.session.request import Request
from frostline.session.sizing import at_size
from frostline.session.work import truth_of
from frostline.stats.rule import LARGEST_DELTA
from frostline.terms.finding import bare


def prospect_and_profiles(request: Request, ahead: Ahead | None = None) -> tuple[Prospect, list[Profile]]:
    """What the data allow, and a profile of each backbone.

    Args:
        ahead: where the backbones are being loaded.

    Raises:
        InputError: as the search itself would.
    """
    recognise(request)
    dataset = read(request)
    loaded = told_apart(ahead.loaded() if ahead else load_all(request))
    size = size_of(request, [one.spec for one in loaded], partial(data.default_size, dataset))
    sized = [at_size(backbone, size, request) for backbone in loaded]
    splits = data.plan_splits(dataset, request.seed, request.pool_val)
    classes, metric = len(dataset.classes), metric_of(request, len(dataset.classes), dataset.several)
    scale, truth = scale_of(splits, classes), truth_of(dataset).numbered()
    delta = request.delta or LARGEST_DELTA
    needed, unit = equality_units(splits, truth, metric, delta)
    files = [Path(dataset.root) / sample.path for sample in dataset.samples]
    prospect = Prospect(
        scale=scale,
        images=len(files),
        decode_s=seconds_to_decode(files, sized[0].spec),
        metric=metric,
        delta=delta,
        reach=reaches(splits, truth, metric),
        unit=unit,
        equality_units=needed,
        notes=_notes((*dataset.notes, *splits.notes)),
    )
    return prospect, profiles(request, sized, classes, scale.pool)


def _notes(notes: Sequence[str]) -> tuple[str, ...]:
    """Without rows of a splits.csv that no plan writes."""
    said = [bare(note) for note in notes]
    named = ["`frostline check DATA` names the files."] if said != list(notes) else []
    return (*said, *named)
