"""One pass of the trunk over the images, every cut tapped: pooled features of all cuts, feature maps at stage boundaries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

import numpy as np

from frostline.backbones import LoadedBackbone
from frostline.compute.features import PIECE, Features, work_array
from frostline.compute.passes import BATCH, FillShard, Pass, Shard, Spread, outputs
from frostline.compute.sources import PixelSource, positions
from frostline.errors import StoreFull
from frostline.store.activations import ActivationStore, ActivationWriter, seal
from frostline.store.mapped import Array, Mapped, received, sendable
from frostline.terms.activations import ActivationKey
from frostline.terms.backbone import Cut
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Weights
from frostline.terms.result import FloatArray, IntArray

POOLED_WORTH = 1.0  # seconds a byte: more than any map, because a whole pass is behind a few numbers an image


@dataclass(frozen=True, eq=False)
class Taps:
    """What one pass left behind.

    It may be sent to other processes: of what is stored in files only its place travels.

    Attributes:
        rows: (n,) data set indices, in the order of the arrays' first axis.
        pooled: cut name -> (n, channels) fp32.
        maps: cut name -> (n, *shape), memory-mapped; only the cuts that were asked for and fitted the budget.
        folder: for work arrays that are too large for memory; None keeps them there.
        further: the same of further views of the images; `maps` of them holds the same cuts.
        keys: under which all this is stored, in the process that ran the pass.
    """

    rows: IntArray
    pooled: Mapping[str, FloatArray]
    maps: Mapping[str, FloatArray]
    folder: Path | None = None
    further: tuple[Taps, ...] = ()
    keys: tuple[ActivationKey, ...] = ()
    _features: dict[tuple[str, ...], Features] = field(default_factory=dict)
    _identity: str = field(init=False, default_factory=lambda: uuid4().hex)
    _lock: RLock = field(init=False, default_factory=RLock)

    def __reduce__(self) -> tuple[Any, ...]:
        pooled, maps = ({name: sendable(array) for name, array in arrays.items()} for arrays in (self.pooled, self.maps))
        return _received, (self._identity, self.rows, pooled, maps, self.folder, self.further)

    def features(self, cuts: tuple[str, ...], total: int) -> Features:
        """What a head on the pooled values of `cuts`, side by side, is fitted on.

        Args:
            total: images of the data set.
        """
        with self._lock:  # folds of one recipe begin at the same time
            if cuts not in self._features:
                views = tuple(_beside([taps.pooled[cut] for cut in cuts], self.folder) for taps in (self, *self.further))
                self._features[cuts] = Features(views, positions(self.rows, total), self.folder)
            return self._features[cuts]

    def views_of(self, cut: str) -> tuple[FloatArray, ...]:
        """The stored feature maps at `cut` in every view, as far as they are there."""
        return tuple(taps.maps[cut] for taps in (self, *self.further) if cut in taps.maps)


def _received(
    identity: str,
    rows: IntArray,
    pooled: Mapping[str, Array | Mapped],
    maps: Mapping[str, Array | Mapped],
    folder: Path | None,
    further: tuple[Taps, ...],
) -> Taps:
    if identity not in _here:
        opened, mapped = ({name: received(array) for name, array in sent.items()} for sent in (pooled, maps))
        _here[identity] = Taps(rows, opened, mapped, folder, further)
    return _here[identity]


_here: dict[str, Taps] = {}  # that were sent to this process: what is computed from them is kept from one message to the next


def _beside(columns: Sequence[FloatArray], folder: Path | None) -> FloatArray:
    if len(columns) == 1:
        return columns[0]
    whole = work_array((len(columns[0]), sum(one.shape[1] for one in columns)), folder)
    for start in range(0, len(whole), PIECE):
        whole[start : start + PIECE] = np.concatenate([one[start : start + PIECE] for one in columns], axis=1)
    return whole


def tapped_pass(
    backbone: LoadedBackbone,
    weights: Weights,
    seed: int,
    source: PixelSource,
    rows: IntArray,
    data: str,
    activations: ActivationStore,
    mode: Mode,
    keep: Sequence[str] = (),
    cuts: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    spread: Spread | None = None,
    worth: Mapping[str, float] | None = None,
    known: Taps | None = None,
) -> Taps:
    """Run the frozen trunk over `rows` once, or load what an earlier pass with the same keys stored.

    Args:
        source: its first view is what is shown.
        data: fingerprint of the data set.
        keep: names of cuts whose feature maps are stored, most wanted first; those beyond the budget are left out.
        cuts: those whose pooled values are stored; None for every cut of the backbone.
        spread: has the images shared out; None: they are run here, and `progress` told.
        worth: seconds that a kept cut's maps save a byte: what is worth less, and not in use, makes room for them.
        known: what a pass over some of these rows left: copied, and not computed again, where it has all that is stored now.
    """
    worth = worth or {}
    tapped = tuple(cut for cut in backbone.description.cuts if cuts is None or cut.name in cuts)
    work = Pass(backbone, weights, seed, source, rows, data, mode, tapped)
    pooled: FloatArray | None = activations.get(work.all_pooled, POOLED_WORTH)
    maps = _stored(work, activations, keep, worth)
    missing = [cut for cut in keep if cut not in maps]
    if pooled is None or missing:
        pooled, made = _run(work, activations, pooled, missing, progress, spread, worth, known)
        maps |= made
    keys = (work.all_pooled, *(work.key(cut, pooled=False) for cut in maps))
    return Taps(rows, _columns(tapped, pooled), maps, activations.folder, keys=keys)


def _stored(work: Pass, activations: ActivationStore, cuts: Sequence[str], worth: Mapping[str, float]) -> dict[str, FloatArray]:
    found = {cut: activations.get(work.key(cut, pooled=False), worth.get(cut, 0.0)) for cut in cuts}
    return {cut: array for cut, array in found.items() if array is not None}


def _columns(cuts: Sequence[Cut], pooled: FloatArray) -> dict[str, FloatArray]:
    """The concatenated pooled features, apart again."""
    bounds = np.cumsum([0, *(cut.channels for cut in cuts)])
    return {cut.name: pooled[:, start:stop] for cut, start, stop in zip(cuts, bounds[:-1], bounds[1:], strict=True)}


def _run(
    work: Pass,
    activations: ActivationStore,
    pooled: FloatArray | None,
    missing: Sequence[str],
    progress: Callable[[int, int], None] | None,
    spread: Spread | None,
    worth: Mapping[str, float],
    known: Taps | None = None,
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The pooled features, and the maps of those of `missing` that found room; no pass at all where none did and
    `pooled` is there already."""
    rows: FloatArray | None = None
    writers: dict[str, ActivationWriter] = {}
    filled = False
    with contextlib.suppress(StoreFull), contextlib.ExitStack() as stack:  # after an error nothing is left half-written
        rows, own = _pooled_rows(work, activations, stack) if pooled is None else (None, [])
        writers = _writers(work, activations, missing, worth, stack)
        if rows is not None or writers:
            with activations.room():
                _fill(_after_copying(work, rows, writers, known), rows, writers, progress, spread)
        filled = True
        seal([*own, *writers.values()])
    if rows is not None and not filled:  # some file systems refuse what they had promised
        rows = np.empty(rows.shape, np.float32)
        _fill(_after_copying(work, rows, {}, known), rows, {}, progress, None)
    found = pooled if rows is None else activations.get(work.all_pooled)
    kept = rows if found is None else found
    assert kept is not None
    return kept, _stored(work, activations, list(writers), worth)


def _after_copying(work: Pass, pooled: FloatArray | None, writers: Mapping[str, ActivationWriter], known: Taps | None) -> Pass:
    """What is left to compute once the rows that are known were copied to their places."""
    names = [cut.name for cut in work.cuts] if pooled is not None else []
    if known is None or not (set(names) <= known.pooled.keys() and writers.keys() <= known.maps.keys()):
        return work
    of = positions(known.rows, int(max(work.rows.max(), known.rows.max())) + 1)[work.rows]
    there = np.flatnonzero(of >= 0)
    for start in range(0, len(there), PIECE):
        places = there[start : start + PIECE]
        if pooled is not None:
            pooled[places] = np.concatenate([known.pooled[name][of[places]] for name in names], axis=1)
        for cut, writer in writers.items():
            for place in places:  # one after the other: a map may be large
                writer.array[place] = known.maps[cut][of[place]]
    for array in (pooled, *(writer.array for writer in writers.values())):
        if isinstance(array, np.memmap):
            array.flush()  # before others write to the same file
    return replace(work, todo=np.flatnonzero(of < 0))


def _fill(
    work: Pass,
    pooled: FloatArray | None,
    writers: Mapping[str, ActivationWriter],
    progress: Callable[[int, int], None] | None,
    spread: Spread | None,
) -> None:
    """Every row that is not known: into files by everybody whom `spread` knows, or by this process; else into memory."""
    arrays = {cut: writer.array for cut, writer in writers.items()}
    fill, images = FillShard.of(work, pooled, arrays), len(work.places)
    known, batches = len(work.rows) - images, count(1)

    def tell(batch: int) -> None:
        if progress is not None:
            progress(min(known + batch * BATCH, len(work.rows)), len(work.rows))

    if fill is not None and spread is not None:
        spread(fill, images)
        return
    if fill is not None:
        fill(Shard(0, images), lambda: tell(next(batches)))
    else:
        for places, flat, maps in outputs(work, list(writers)):
            tell(next(batches))
            if pooled is not None:
                pooled[places] = flat
            for cut, values in maps.items():
                arrays[cut][places] = values


def _pooled_rows(
    work: Pass, activations: ActivationStore, stack: contextlib.ExitStack
) -> tuple[FloatArray, list[ActivationWriter]]:
    """(n, channels of all cuts) to be filled, and its writer: mapped, so that memory does not grow with the images; in memory,
    without one, on a full disk."""
    shape = (len(work.rows), sum(cut.channels for cut in work.cuts))
    try:
        writer = stack.enter_context(activations.writer(work.all_pooled, shape, np.float32, POOLED_WORTH))
    except StoreFull:
        return np.empty(shape, np.float32), []
    return writer.array, [writer]


def _writers(
    work: Pass, activations: ActivationStore, keep: Sequence[str], worth: Mapping[str, float], stack: contextlib.ExitStack
) -> dict[str, ActivationWriter]:
    """For the cuts that find room, the most wanted first."""
    shapes = {cut.name: cut.shape for cut in work.backbone.description.cuts}
    dtype = np.dtype(f"f{work.mode.stored_bytes}")
    writers = {}
    for cut in keep:
        with contextlib.suppress(StoreFull):
            writer = activations.writer(work.key(cut, pooled=False), (len(work.rows), *shapes[cut]), dtype, worth.get(cut, 0.0))
            writers[cut] = stack.enter_context(writer)
    return writers
