"""From recipes to tasks with named inputs: each shared piece of work once, beside what it would cost without sharing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frostline.planning.allot import FREE_EPOCHS, FREE_SCRATCH_EPOCHS, Load, Screening, epochs_of, screening
from frostline.planning.forecast import CLOSING_S, Panel, Scale, closing_s, curve_s, finalists_s, scratch_epochs, screening_s
from frostline.planning.worth import worth_of
from frostline.terms.backbone import Backbone
from frostline.terms.plan import Task
from frostline.terms.recipe import Recipe, Weights

POOLED_BYTES = 4  # a value of pooled features is stored as fp32, one of a feature map as fp16
TAPPED = 12  # cuts at which features are looked at, more where there are more stages
CURVES = 3  # frozen features, the chosen recipe, scratch
PIXELS = "decoded pixels"


def tasks(
    panels: Sequence[Panel], scale: Scale, decode_s: float, cache_bytes: int, rates: int = 3, curve: bool = False
) -> tuple[Task, ...]:
    """The tasks of a search without a time limit, in an order in which they can be run.

    Args:
        decode_s: seconds to decode one image.
        cache_bytes: for pooled features and feature maps; of the maps those that save most seconds a byte are stored first.
        rates: learning rates that a line is screened with. curve: with a learning curve.
    """
    images = scale.pool + scale.sealed
    every = sum(len(panel.frozen) + len(panel.deep) for panel in panels)
    side = max((panel.full.kernels.size for panel in panels), default=0)
    found = [Task(PIXELS, (), every, decode_s * images, decode_s * images * every, images * side * side * 3)]
    allotted = screening([Load(panel.screen, panel.deep) for panel in panels], rates, scale.train, scale.screened, None)
    room = cache_bytes
    for panel in panels:
        own = list(_of_backbone(panel, scale, allotted, room, rates))
        room -= sum(task.stored_bytes for task in own)
        found += own
    if curve:
        shared, alone = (max((curve_s(panel, scale, both) for panel in panels), default=0.0) for both in (True, False))
        found.append(Task("learning curve", _ends(found), CURVES, shared, alone))
    dearest = max((closing_s(panel, scale) for panel in panels), default=0.0)
    return (*found, Task("verdict, refit, test and page", _ends(found), every, CLOSING_S + dearest, CLOSING_S + dearest))


def _ends(found: Sequence[Task]) -> tuple[str, ...]:
    """What no other task needs."""
    return tuple(task.name for task in found if not any(task.name in other.inputs for other in found))


def _of_backbone(panel: Panel, scale: Scale, allotted: Screening, room: int, rates: int) -> Iterator[Task]:
    name = panel.full.backbone.name
    for weights, what in ((Weights.PRETRAINED, "pre-trained"), (Weights.RANDOM, "random")):
        heads = [recipe for recipe in panel.frozen if recipe.weights is weights]
        deep = [recipe for recipe in panel.deep if recipe.weights is Weights.PRETRAINED is weights]
        if heads or deep:
            task = _pass(panel, scale, f"{name}: {what} pass", heads, deep, room)
            room -= task.stored_bytes
            yield task
        if heads:
            yield _heads(panel, scale, f"{name}: heads on {what} features", f"{name}: {what} pass", heads)
    if panel.deep:
        source = (PIXELS, f"{name}: pre-trained pass") if any(r.weights is Weights.PRETRAINED for r in panel.deep) else (PIXELS,)
        shared, alone = (screening_s(panel, scale, allotted, rates, both) for both in (True, False))
        yield Task(f"{name}: screening", source, len(panel.deep), shared, alone)
        finalists = (f"{name}: screening", *source)
        yield Task(f"{name}: finalists", finalists, len(panel.deep), finalists_s(panel, scale), _exhaustive_s(panel, scale))


def _pass(panel: Panel, scale: Scale, name: str, heads: list[Recipe], deep: list[Recipe], room: int) -> Task:
    """One pass of the trunk; alone, every frozen recipe would run it over the images of each of its folds."""
    once = panel.full.pass_s(scale.pool)
    alone = panel.full.pass_s(scale.train + scale.validation) * scale.folds * scale.repeats * len(heads)
    pooled = scale.pool * POOLED_BYTES * _pooled_channels(panel.full.backbone)
    kept = pooled if pooled <= room else 0
    maps = stored_maps(panel, deep, scale.pool, room - kept)
    left_out = [] if kept else ["pooled features"]
    left_out += [cut for cut in worth_of(panel.full, deep, 1.0) if cut not in maps]
    stored = kept + sum(maps.values())
    return Task(name, (PIXELS,), len(heads) + len(deep), once, max(alone, once), stored, tuple(left_out))


def _pooled_channels(backbone: Backbone) -> int:
    """Of the cuts whose pooled values a pass stores: every stage's, and others evenly spread, `TAPPED` in all."""
    ends = {stage.cut.name for stage in backbone.stages}
    others = [cut.channels for cut in backbone.cuts if cut.name not in ends]
    count = min(len(others), max(0, TAPPED - len(ends)))
    return sum(stage.cut.channels for stage in backbone.stages) + round(count * sum(others) / max(1, len(others)))


def stored_maps(panel: Panel, deep: Sequence[Recipe], images: int, room: int) -> dict[str, int]:
    """Cut name -> bytes of its feature maps: those that recipes resume from, most worth a byte first, while there is room."""
    cuts = {cut.name: cut for cut in map(panel.full.prefix_cut, deep) if cut is not None}
    found: dict[str, int] = {}
    for name in worth_of(panel.full, deep, 1.0):
        needed = images * cuts[name].values * panel.full.kernels.forward.stored_bytes
        if sum(found.values()) + needed <= room:
            found[name] = needed
    return found


def _heads(panel: Panel, scale: Scale, name: str, source: str, recipes: list[Recipe]) -> Task:
    seconds = sum(panel.full.head_s(recipe, scale.train, scale.classes) for recipe in recipes) * scale.folds * scale.repeats
    return Task(name, (source,), len(recipes), seconds, seconds)


def _exhaustive_s(panel: Panel, scale: Scale) -> float:
    """Every deep recipe at full size on every fold, its frozen part run again in each epoch."""
    folds = scale.folds * scale.repeats
    return sum(
        panel.full.training_s(recipe, scale.train, _epochs(recipe, folds), cached=False)
        + folds * panel.full.evaluation_s(recipe, scale.validation, cached=False)
        for recipe in panel.deep
    )


def _epochs(recipe: Recipe, folds: int) -> int:
    """Over all folds."""
    if recipe.weights is Weights.PRETRAINED or recipe.option("epochs"):
        return folds * epochs_of(recipe, FREE_EPOCHS)
    return scratch_epochs(folds, shared=False) if recipe.weights is Weights.RANDOM else folds * FREE_SCRATCH_EPOCHS
