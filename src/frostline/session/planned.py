"""`plan`: from what is known of data and backbones to the tasks of a search, their seconds and their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from frostline import data
from frostline.data.columns import Asked
from frostline.planning.cost import on_devices
from frostline.planning.first_rung import first_share
from frostline.planning.forecast import Panel, Scale, fit, forecast, settled_s
from frostline.planning.planner import tasks
from frostline.session.checking import check
from frostline.session.panels import cache_room, panel_of
from frostline.session.profiles import Profile, begin
from frostline.session.request import Request
from frostline.strategy.families import Line, pixel_lines
from frostline.terms.plan import Plan, Reach
from frostline.terms.quantities import duration
from frostline.terms.recipe import Recipe, family


@dataclass(frozen=True)
class Prospect:
    """What the images have to say.

    Attributes:
        images: all of them; decode_s: seconds to decode one, side by side on all cores.
        metric, delta, reach, unit, equality_units, notes: as in `Plan`.
    """

    scale: Scale
    images: int
    decode_s: float
    metric: str
    delta: float
    reach: tuple[Reach, ...]
    unit: str
    equality_units: int
    notes: tuple[str, ...]


def plan(request: Request) -> Plan:
    """The plan of `frostline search` with the same request and no time limit, and what fits into one that was given.

    A very large table is counted instead of read.

    Raises:
        InputError: as the search itself would.
    """
    check(request)
    ahead = begin(request) if data.may_be_large(request.data, request.frame) else None  # while the table is counted
    found = data.surveyed(request.data, asked_of(request), request.frame)
    if found is None:
        from frostline.session.dry_run import prospect_and_profiles

        return assembled(request, *prospect_and_profiles(request, ahead))
    from frostline.session.outline import outlined

    return assembled(request, *outlined(request, found, ahead))


def asked_of(request: Request) -> Asked:
    return Asked(
        request.path_column, request.label, request.split_column, request.group, request.delimiter, tuple(request.subgroups)
    )


def assembled(request: Request, prospect: Prospect, profiles: Sequence[Profile]) -> Plan:
    scale, cache = prospect.scale, cache_room(request.out, request.cache_bytes)
    profiles = [replace(one, kernels=on_devices(one.kernels, request.devices_per_trial)) for one in profiles]
    lines = [_lines(profile) for profile in profiles]
    panels = [panel_of(one.backbone, one.kernels, own) for one, own in zip(profiles, lines, strict=True)]
    every = [*pixel_lines(request.recipes), *(line for own in lines for line in own)]
    decode_s = prospect.decode_s * prospect.images
    limit, first = request.time_s, _first_words(request, panels, scale, decode_s)
    return Plan(
        tasks=tasks(panels, scale, prospect.decode_s, cache, curve=request.learning_curve),
        lines=tuple((line.backbone, str(line.recipe), line.family.value) for line in every),
        size=profiles[0].kernels.size,
        pool=scale.pool,
        sealed=scale.sealed,
        folds=scale.folds,
        repeats=scale.repeats,
        metric=prospect.metric,
        delta=prospect.delta,
        reach=prospect.reach,
        unit=prospect.unit,
        equality_units=prospect.equality_units,
        notes=(*prospect.notes, *first),
        fit=None if limit is None else fit(panels, scale, decode_s, limit, curve=request.learning_curve),
        cache_bytes=cache,
        settled_s=settled_s(panels, scale),
    )


def _first_words(request: Request, panels: Sequence[Panel], scale: Scale, decode_s: float) -> tuple[str, ...]:
    """What comes before all images have been run through, and when."""
    share = first_share(request.first_rung, scale.pool)
    if not share or not any(panel.frozen for panel in panels):
        return ()
    found = forecast(panels, scale)
    seconds = decode_s + share * (found.passes + found.heads)
    return (
        f"{round(share * scale.pool):,} images ({share:.0%}) come first: an interim verdict about {duration(seconds)} after the"
        f" start, of which decoding all images takes {duration(decode_s)} (--first-rung).",
    )


def _lines(profile: Profile) -> list[Line]:
    backbone = profile.backbone
    found = []
    for text in profile.recipes:
        recipe = Recipe.parse(text)
        names = [stage.name for stage in backbone.stages_with(recipe.named)]
        found.append(Line(backbone.name, recipe, family(recipe, names)))
    return found
