"""One pass of the trunk: what identifies it, what comes out of it, and how it is shared out by slices of the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import torch

from frostline.backbones import LoadedBackbone, folded
from frostline.compute.compiled import Tap, tap_with
from frostline.compute.sources import PixelSource
from frostline.compute.train import place, precision
from frostline.store.mapped import Mapped, sendable
from frostline.terms.activations import ActivationKey
from frostline.terms.backbone import Cut
from frostline.terms.identity import digest
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Weights
from frostline.terms.result import FloatArray, IntArray

BATCH = 32


@dataclass(frozen=True, eq=False)
class Pass:
    """All that identifies a pass and that runs it.

    Attributes:
        todo: places of the rows that are computed, ascending, where others are known already; None: all of them.
    """

    backbone: LoadedBackbone
    weights: Weights
    seed: int
    source: PixelSource
    rows: IntArray
    data: str
    mode: Mode
    cuts: tuple[Cut, ...]
    todo: IntArray | None = None

    @property
    def places(self) -> IntArray:
        """Of the rows that are computed."""
        return np.arange(len(self.rows)) if self.todo is None else self.todo

    def key(self, cut: str, pooled: bool) -> ActivationKey:
        description = self.backbone.description
        drawn = "" if self.weights is Weights.PRETRAINED else f"{self.weights.value}-{self.seed}-"
        source = drawn + description.digest  # which tensors were drawn anew, and as what they are matched, is in it
        return ActivationKey(
            weights=source,
            graph=self.backbone.graph,
            data=digest([self.data, self.rows.tolist()]),
            transform=digest(self.source.spec),
            view=self.source.views[0],
            size=self.source.spec.height,
            cut=cut,
            pooled=pooled,
            dtype=f"{self.mode}->{'f32' if pooled or self.mode.dtype == 'fp32' else 'f16'}",
        )

    @property
    def all_pooled(self) -> ActivationKey:
        """Of the pooled values of all cuts, side by side."""
        return self.key(f"* {digest([cut.name for cut in self.cuts])}", pooled=True)


def outputs(
    work: Pass, keep: Sequence[str], start: int = 0, end: int | None = None, tap: Tap | None = None
) -> Iterator[tuple[IntArray, FloatArray, dict[str, FloatArray]]]:
    """For each batch of the rows that are computed: their places, the pooled values of all cuts side by side, the maps of `keep`.

    Args:
        start, end: of the rows that are computed, from which and before which one.
        tap: of the pass, where it was made before.
    """
    names, tap = [cut.name for cut in work.cuts], tap or tap_of(work, keep)
    places = work.places[start:end]
    for first in range(0, len(places), BATCH):
        own = places[first : first + BATCH]
        with torch.no_grad(), precision(work.mode, work.source.device):
            flat, taps = tap(work.source.batch(work.rows[own], 0))
        pooled = torch.cat([flat[name].float() for name in names], dim=1).cpu().numpy()
        yield own, pooled, {cut: taps[cut].float().contiguous().cpu().numpy() for cut in keep}


def tap_of(work: Pass, keep: Sequence[str]) -> Tap:
    """The network of the pass, ready to run."""
    names = [cut.name for cut in work.cuts]
    network = folded(work.backbone.network(work.weights, work.seed), {*names, *keep})
    place(network, work.mode, work.source.device)
    return tap_with(network, work.mode, names, keep, BATCH)


@dataclass(frozen=True)
class Shard:
    """Rows that a pass computes, from `start` to before `stop`; every one but the last ends where a batch ends."""

    start: int
    stop: int


def shards(count: int, parts: int, most: int = 32) -> list[Shard]:
    """`count` rows in about so many parts of whole batches, of at most `most` batches each.

    The batches are those of a pass that is not shared out, and so are their numbers.
    """
    batches = -(-count // BATCH)
    size = BATCH * max(1, min(most, -(-batches // parts)))
    return [Shard(start, min(start + size, count)) for start in range(0, count, size)]


@dataclass(frozen=True, eq=False)
class FillShard:
    """What a backend calls: writes the outputs for a shard to its place in the files of the pass; how many rows these are.

    To write a shard twice does no harm: the bytes are the same.

    Attributes:
        pooled, maps: the files, the first where pooled values are wanted.
    """

    work: Pass
    pooled: Mapped | None
    maps: Mapping[str, Mapped]

    @classmethod
    def of(cls, work: Pass, pooled: FloatArray | None, maps: Mapping[str, FloatArray]) -> FillShard | None:
        """None where one of the arrays is in memory."""
        places = {cut: sendable(array) for cut, array in maps.items()}
        mapped = {cut: one for cut, one in places.items() if isinstance(one, Mapped)}
        flat = None if pooled is None else sendable(pooled)
        if len(mapped) < len(places) or not (flat is None or isinstance(flat, Mapped)):
            return None
        return cls(work, flat, mapped)

    def __reduce__(self) -> tuple[Any, ...]:
        return FillShard, (self.work, self.pooled, self.maps)

    def __call__(self, shard: Shard, watch: Callable[[], None]) -> int:
        """A batch is written while the next one is computed; `watch` is called in between."""
        with ExitStack() as stack:  # on a network's file system closing a file sends what was written, for another machine to see
            files = {cut: stack.enter_context(place.file.open("r+b")) for cut, place in self.maps.items()}
            flat = None if self.pooled is None else stack.enter_context(self.pooled.file.open("r+b"))
            writer, written = stack.enter_context(ThreadPoolExecutor(1)), None
            for places, pooled, maps in outputs(self.work, list(self.maps), shard.start, shard.stop, self._tap):
                watch()
                if written is not None:
                    written.result()
                written = writer.submit(self._write, flat, files, places, pooled, maps)
            if written is not None:
                written.result()
        return shard.stop - shard.start

    def _write(
        self,
        flat: BinaryIO | None,
        files: Mapping[str, BinaryIO],
        places: IntArray,
        pooled: FloatArray,
        maps: Mapping[str, FloatArray],
    ) -> None:
        if self.pooled is not None and flat is not None:
            _write(flat, self.pooled, places, pooled)
        for cut, values in maps.items():
            _write(files[cut], self.maps[cut], places, values)

    @cached_property
    def _tap(self) -> Tap:
        """Made once a worker: the call stays there from one shard to the next."""
        return tap_of(self.work, list(self.maps))


Spread = Callable[[FillShard, int], None]  # has every row of a pass filled in


def _write(file: BinaryIO, place: Mapped, places: IntArray, values: FloatArray) -> None:
    """By writing, not through a mapping: its pages would be asked for one by one, and those that two machines share would
    overwrite each other. Neighbours go together."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    for start, rows in zip(places[np.r_[0, breaks]], np.split(values, breaks), strict=True):
        file.seek(place.offset + int(start) * place.strides[0])
        file.write(np.ascontiguousarray(rows, place.dtype).data)
