"""Which cuts end a stage: bottlenecks at each change of resolution, or at a quarter of the FLOPs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from frostline.backbones.cuts import Place
from frostline.terms.backbone import Layout

FEWEST, MOST = 4, 8
_LARGE = 0.3  # a stage with a larger share of the FLOPs is split
_STEM = 0.08  # the stem ends before this share
_WIDER = 1.6  # a cut up to so many times wider than the narrowest is as good a bottleneck


def last_boundaries(places: Sequence[Place]) -> list[Place]:
    """Where the backbone ends: its last map or tokens; after it, if layers follow the pooling, their flat output too.

    A normalisation alone between pooling and classifier does not count: it is left out, so that maps stay the last features.
    """
    maps = [place for place in places if is_map(place)]
    if not maps:
        return [places[-1]]
    return [maps[-1], places[-1]] if places[-1].flops > maps[-1].flops else [maps[-1]]


def choose_boundaries(places: Sequence[Place], ends: Sequence[Place]) -> list[Place]:
    """The cuts that end the stages, in order; the `ends` are among them and the last of them ends the last stage.

    Depends on shapes, names and FLOPs only, so that it gives the same stages on every machine.
    """
    maps = [place for place in places[: places.index(ends[0])] if is_map(place)]
    chosen = [_slide(end, maps) for end in _resolution_ends([*maps, ends[0]]) if end is not ends[0]]
    chosen = _spaced([*chosen, *ends], places)
    chosen = _with_stem(chosen, maps)
    chosen = _split(chosen, maps)
    return _merged(chosen)


def is_map(place: Place) -> bool:
    """Has positions or tokens: global pooling comes later."""
    return place.layout is not Layout.FLAT and positions(place) > 1


def positions(place: Place) -> int:
    """Spatial positions or tokens of one image: 1 after global pooling."""
    return place.values // max(1, channels(place))


def channels(place: Place) -> int:
    """Extent of the channel dimension."""
    return place.shape[0] if place.layout in (Layout.NCHW, Layout.FLAT) else place.shape[-1]


def _resolution(place: Place) -> int:
    """Positions, where one class token more makes no difference."""
    count = positions(place)
    side = math.isqrt(count)
    return side * side if count - side * side <= 2 else count


def _resolution_ends(maps: Sequence[Place]) -> list[Place]:
    """For each resolution its last shallow bottleneck; of the last resolution also one much narrower than its end."""
    groups: dict[int, list[Place]] = {}
    for place in maps:
        groups.setdefault(_resolution(place), []).append(place)
    return [_bottleneck(group) for group in groups.values()]


def _bottleneck(group: Sequence[Place]) -> Place:
    narrowest = min(place.values for place in group)
    good = [place for place in group if place.values <= _WIDER * narrowest]
    shallowest = min(place.depth for place in good)
    # one level deeper still is a whole block or layer (`stages.0` beside `stem`), what is deeper lies inside one
    return [place for place in good if place.depth <= shallowest + 1][-1]


def _slide(place: Place, maps: Sequence[Place]) -> Place:
    """On over what costs nothing and has no parameters, as pooling, where that is narrower."""
    later = maps[maps.index(place) :]
    free = [other for other in later if other.flops == place.flops and other.parameters == place.parameters]
    return min(free, key=lambda other: other.values)


def _spaced(chosen: Sequence[Place], places: Sequence[Place]) -> list[Place]:
    """In order, without repetition, and without stages that compute nothing."""
    last = chosen[-1]
    kept: list[Place] = []
    for index in sorted({places.index(place) for place in chosen}):
        place = places[index]
        if place is last:
            while kept and kept[-1].flops >= last.flops:
                kept.pop()
            kept.append(place)
        elif place.parameters > 0 and (not kept or place.flops > kept[-1].flops):
            kept.append(place)
    return kept


def _with_stem(chosen: list[Place], maps: Sequence[Place]) -> list[Place]:
    """A stem of its own where the first stage is more than one: what comes before the first whole layer."""
    total, first = chosen[-1].flops, chosen[0]
    if first.flops <= 0.15 * total:
        return chosen
    early = [place for place in maps if place.flops <= _STEM * total and place.parameters > 0 and place.flops < first.flops]
    return [_bottleneck(early), *chosen] if early else chosen


def _split(chosen: list[Place], maps: Sequence[Place]) -> list[Place]:
    """Halve the largest stage while it is larger than it should be, or there are too few stages."""
    closed: set[Place] = set()
    while len(chosen) < MOST:
        spans = _spans(chosen)
        open_spans = [(share, index) for index, share in enumerate(spans) if chosen[index] not in closed]
        if not open_spans:
            break
        share, index = max(open_spans, key=lambda item: (item[0], -item[1]))
        if share <= _LARGE and len(chosen) >= FEWEST:
            break
        middle = _middle(chosen[index - 1] if index else None, chosen[index], maps)
        if middle is None:
            closed.add(chosen[index])
        else:
            chosen = [*chosen[:index], middle, *chosen[index:]]
    return chosen


def _spans(chosen: Sequence[Place]) -> list[float]:
    """Each stage's share of the FLOPs."""
    total = max(1, chosen[-1].flops)
    starts = [0, *(place.flops for place in chosen[:-1])]
    return [(place.flops - start) / total for place, start in zip(chosen, starts, strict=True)]


def _middle(start: Place | None, end: Place, maps: Sequence[Place]) -> Place | None:
    """The bottleneck nearest to half of the FLOPs between two cuts, among the shallow ones if these are near enough."""
    low = start.flops if start else 0
    width = end.flops - low
    within = [place for place in maps if low + 0.1 * width < place.flops < end.flops - 0.1 * width]
    if not within:
        return None
    narrowest = min(place.values for place in within)
    good = [place for place in within if place.values <= _WIDER * narrowest]
    # the last of equals: after an activation rather than before it
    return min(reversed(good), key=lambda place: abs(place.flops - low - width / 2) / width + 0.1 * place.depth)


def _merged(chosen: list[Place]) -> list[Place]:
    """Join the neighbours that together are smallest until there are few enough stages."""
    while len(chosen) > MOST:
        spans = _spans(chosen)
        index = min(range(len(chosen) - 1), key=lambda i: spans[i] + spans[i + 1])
        chosen = [*chosen[:index], *chosen[index + 1 :]]
    return chosen
