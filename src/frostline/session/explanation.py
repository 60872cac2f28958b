"""The chosen recipe taken apart: stages put back, features before and after, filters, and its most confident errors.

All of it is measured on the common fold, by a model that was fitted on that fold's training part: the model that is handed over
has seen every image that is not sealed, and the sealed ones are for one look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from frostline.compute.attention import class_maps, filters, heated, photograph
from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork, fitting
from frostline.compute.forks import Forks
from frostline.compute.new_layers import last_layout
from frostline.compute.rewind import likeness, put_back, put_backs, rewinds
from frostline.compute.train import Diverged, place, predict
from frostline.compute.trials import as_options, fit_network
from frostline.data import row_of
from frostline.session.clock import TimeUp
from frostline.session.finals import costs_of
from frostline.session.work import Lane, Phase, Work
from frostline.stats.paired import paired_change
from frostline.strategy.families import Line
from frostline.terms.backbone import Layout
from frostline.terms.data import Targets
from frostline.terms.evidence import Evidence, Filters, Likeness, Mistake, Rewind
from frostline.terms.quantities import plural
from frostline.terms.recipe import Recipe, Weights
from frostline.terms.result import FloatArray, IntArray
from frostline.terms.trial import FULL, Budget
from frostline.terms.verdict import Row

FAILURES = (Diverged, MemoryError, RuntimeError, ValueError, ArithmeticError)  # of a network; as in a trial
MOST_MISTAKES = 6
MOST_ALIKE = 400  # images for CKA: its error falls with their number, its cost grows with it
STEPS_BEFORE = 3  # the model as it was fitted, features compared, errors; then a step each stage that is put back
SETTLED = 256  # images that statistics are estimated on


@dataclass(frozen=True, eq=False)
class _Fitted:
    """The recipe as it was fitted on the common fold's training part, with its predictions for what the fold held out."""

    network: TransferNetwork
    bench: Bench
    recipe: Recipe
    train: IntArray
    validation: IntArray
    probabilities: FloatArray
    seed: int


def explained(work: Work, evidence: Evidence, lane: Lane, line: Line, row: Row, reserve_s: float) -> Evidence:
    """`evidence` with what could be found out in the time that is left; what could not is noted, and never costs the verdict.

    Args:
        reserve_s: seconds that are kept for what comes after.
    """
    work.clock.kept_s = 0.0
    steps = STEPS_BEFORE + len(put_backs(line.recipe, lane.backbone))
    with work.phase("take the chosen model apart", steps, "steps") as phase:
        return _explained(work, phase, evidence, lane, line, row, reserve_s)


def _explained(work: Work, phase: Phase, evidence: Evidence, lane: Lane, line: Line, row: Row, reserve_s: float) -> Evidence:
    try:
        fitted = _fit(work, lane, line, row, reserve_s)
    except TimeUp:
        return _without(evidence, "the time was up")
    except FAILURES as error:
        return _without(evidence, f"fitting it again on one fold failed ({error})")
    if fitted is None:
        return _without(evidence, "no time was left to fit the recipe once more on one fold")
    evidence = replace(evidence, filters=_filters(work, lane, fitted), measured_on=_where(work, fitted))

    parts: tuple[tuple[int, Callable[[], dict[str, Any]]], ...] = (
        (2 * len(fitted.validation[:MOST_ALIKE]), lambda: {"likeness": _likeness(fitted)}),
        (SETTLED if work.settings.include_images else 0, lambda: {"mistakes": _mistakes(work, fitted)}),
        (SETTLED + len(fitted.validation), lambda: {"rewinds": _rewinds(work, phase, fitted, line, reserve_s)}),
    )
    for done, (images, part) in enumerate(parts, 1):
        if not work.clock.allows(costs_of(work, line).pass_s(images), reserve_s):
            return _without(evidence, "the time was up before all of it was done")
        try:
            phase.done(done)
            evidence = replace(evidence, **part())
        except FAILURES as error:
            evidence = _without(evidence, f"{type(error).__name__}: {error}")
    return evidence


def _without(evidence: Evidence, why: str) -> Evidence:
    return replace(evidence, notes=(*evidence.notes, f"The chosen model was not taken apart completely: {why}."))


def _fit(work: Work, lane: Lane, line: Line, row: Row, reserve_s: float) -> _Fitted | None:
    options = as_options(row.configuration)
    epochs = int(options.pop("epochs", line.recipe.option("epochs") or 0))
    split, bench = work.common, lane.bench
    train, validation = np.asarray(split.train, np.int64), np.asarray(split.validation, np.int64)
    model, before = costs_of(work, line), Forks(work.checkpoints, looks_back=True)
    trial = work.trial(line, split, (), Budget(FULL, work.settings.size, None, epochs), options)
    needed = model.training_s(line.recipe, len(train), epochs) if epochs and not before.knows(trial) else 0.0
    needed += model.pass_s(len(validation))
    if not work.clock.allows(needed, reserve_s):
        return None
    watch = work.clock.watch(reserve_s)
    fitted = fit_network(bench, line.recipe, options, epochs, train, split.seed, watch, before.branch(trial))
    probabilities = predict(fitted.network, fitted.source, validation, bench.kernels.forward, bench.several)
    return _Fitted(fitted.network, bench, line.recipe, train, validation, probabilities, split.seed)


def _where(work: Work, fitted: _Fitted) -> str:
    return (
        f"{plural(len(fitted.validation), 'image')} that fold {work.common.name} held out, by the chosen recipe fitted on its"
        f" other {plural(len(fitted.train), 'image')}"
    )


def _filters(work: Work, lane: Lane, fitted: _Fitted) -> tuple[Filters, ...]:
    """Before and after training, and where a network was trained from scratch too: what that made of random ones."""
    pretrained = filters(lane.backbone.network(), "pretrained")
    random = filters(lane.backbone.network(Weights.RANDOM, fitted.seed), "random")
    trained = filters(fitted.network.trunk, "trained")
    found = [one for one in (pretrained, trained, random, _scratch(work, lane)) if one is not None]
    kept = {one.picture.uri: one for one in reversed(found)}  # what training left as it was is shown once
    return tuple(one for one in found if kept[one.picture.uri] is one)


def _scratch(work: Work, lane: Lane) -> Filters | None:
    """Of the longest training from scratch on the common fold."""
    own = [
        one
        for one in work.ledger.results
        if one.filters is not None and one.trial.backbone == lane.name and one.trial.split == work.common.name
    ]
    return max(own, key=lambda one: one.trial.budget.epochs).filters if own else None


def _likeness(fitted: _Fitted) -> tuple[Likeness, ...]:
    rows = fitted.validation[:MOST_ALIKE]
    return likeness(fitted.bench, fitted.network, fitted.recipe, rows, fitted.seed)


def _rewinds(work: Work, phase: Phase, fitted: _Fitted, line: Line, reserve_s: float) -> tuple[Rewind, ...]:
    """Those that the time allows, from the input on."""
    each = costs_of(work, line).pass_s(SETTLED + len(fitted.validation))
    found: list[Rewind] = []
    for one in rewinds(fitted.bench, fitted.network, fitted.recipe, fitted.train, fitted.validation, fitted.seed):
        if not work.clock.allows(each, reserve_s):
            break
        phase.done(STEPS_BEFORE + len(found) + 1)
        change = paired_change(work.settings.metric, work.truth, fitted.validation, fitted.probabilities, one.probabilities)
        found.append(Rewind(one.stage, one.to.value, change))
    return tuple(found)


# --- errors -----------------------------------------------------------------------------------------------------------


def _mistakes(work: Work, fitted: _Fitted) -> tuple[Mistake, ...]:
    """The most confident errors; with pictures only where the user allowed pictures of people to leave the machine."""
    truth, names = work.truth.labels[fitted.validation], work.dataset.classes
    worst, said, found = (_of_labels if work.truth.several else _of_classes)(fitted, truth, names)
    if not work.settings.include_images or not found:
        return tuple(found)
    return _with_pictures(fitted, found, fitted.validation[worst], said)


Errors = tuple[IntArray, IntArray, list[Mistake]]  # places in the fold, the class or label of each, what is said of it


def _of_classes(fitted: _Fitted, truth: Targets, names: Sequence[str]) -> Errors:
    said, confidence = fitted.probabilities.argmax(axis=1), fitted.probabilities.max(axis=1)
    wrong = np.flatnonzero(said != truth)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
    found = [
        Mistake(row_of(int(fitted.validation[one])), names[truth[one]], names[said[one]], float(confidence[one])) for one in worst
    ]
    return worst, said[worst], found


def _of_labels(fitted: _Fitted, truth: Targets, names: Sequence[str]) -> Errors:
    """Each label is an answer by itself, wrong on the other side of one half; what is not known is no error."""
    yes = fitted.probabilities >= 0.5
    confidence = np.where(yes, fitted.probabilities, 1 - fitted.probabilities)
    wrong = np.flatnonzero((np.isfinite(truth) & (yes != (truth == 1))).ravel())
    worst = wrong[np.argsort(-confidence.ravel()[wrong], kind="stable")][:MOST_MISTAKES]
    places, labels = np.divmod(worst, len(names))
    found = []
    for row, label in zip(places, labels, strict=True):
        has, lacks = names[label], f"not {names[label]}"
        true, called = (lacks, has) if yes[row, label] else (has, lacks)
        found.append(Mistake(row_of(int(fitted.validation[row])), true, called, float(confidence[row, label])))
    return places, labels, found


def _with_pictures(fitted: _Fitted, found: list[Mistake], rows: IntArray, said: IntArray) -> tuple[Mistake, ...]:
    bench = fitted.bench
    size, channels = bench.backbone.spec.height, bench.store.channels
    pixels = bench.store.batch(rows, channels=channels, size=size).permute(0, 2, 3, 1).contiguous().numpy()
    pictures = [replace(one, picture=photograph(image)) for one, image in zip(found, pixels, strict=True)]
    if last_layout(fitted.network.head) not in (Layout.NCHW, Layout.NHWC):  # behind tokens a class token may be all that counts
        return tuple(pictures)
    images = bench.pixels().batch(rows, 0)
    random = fitting(fitted.recipe, bench.backbone).network(Weights.RANDOM, fitted.seed)
    control = put_back(bench, fitted.network, random, tuple(fitted.network.actions), fitted.train, fitted.seed)
    place(control, bench.kernels.forward, bench.kernels.device)
    seen, unseen = (class_maps(network, images, said) for network in (fitted.network, control))
    if seen is None or unseen is None:
        return tuple(pictures)
    return tuple(
        replace(one, attention=heated(image, there), control=heated(image, elsewhere))
        for one, image, there, elsewhere in zip(pictures, pixels, seen, unseen, strict=True)
    )
