"""One pass of the trunk over the images, every cut tapped: pooled features of all cuts, feature maps at stage boundaries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from frostline.backbones import LoadedBackbone
from frostline.compute.sources import PixelSource
from frostline.compute.train import place, precision
from frostline.errors import StoreFull
from frostline.store.activations import ActivationStore, ActivationWriter
from frostline.terms.activations import ActivationKey, View
from frostline.terms.backbone import Cut
from frostline.terms.identity import digest
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Weights
from frostline.terms.result import FloatArray, IntArray

BATCH = 32
EVERY_CUT = "*"


@dataclass(frozen=True, eq=False)
class Taps:
    """What one pass left behind.

    Attributes:
        rows: (n,) data set indices, in the order of the arrays' first axis.
        pooled: cut name -> (n, channels) fp32.
        maps: cut name -> (n, *shape), memory-mapped; only the cuts that were asked for and fitted the budget.
    """

    rows: IntArray
    pooled: dict[str, FloatArray]
    maps: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class _Pass:
    """All that identifies a pass and that runs it."""

    backbone: LoadedBackbone
    weights: Weights
    seed: int
    source: PixelSource
    rows: IntArray
    data: str
    mode: Mode

    def key(self, cut: str, pooled: bool) -> ActivationKey:
        description = self.backbone.description
        source = description.digest if self.weights is Weights.PRETRAINED else f"{self.weights.value}-{self.seed}"
        return ActivationKey(
            weights=source,
            graph=self.backbone.graph,
            data=digest([self.data, self.rows.tolist()]),
            transform=digest(self.source.spec),
            view=View(0),
            size=self.source.spec.height,
            cut=cut,
            pooled=pooled,
            dtype=f"{self.mode}->{'f32' if pooled or self.mode.dtype == 'fp32' else 'f16'}",
        )


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
    progress: Callable[[int, int], None] | None = None,
) -> Taps:
    """Run the frozen trunk over `rows` once, or load what an earlier pass with the same keys stored.

    Args:
        data: fingerprint of the data set.
        keep: names of cuts whose feature maps are stored, most wanted first; those beyond the budget are left out.
    """
    work = _Pass(backbone, weights, seed, source, rows, data, mode)
    pooled: FloatArray | None = activations.get(work.key(EVERY_CUT, pooled=True))
    maps = _stored(work, activations, keep)
    missing = [cut for cut in keep if cut not in maps]
    if pooled is None or missing:
        pooled, made = _run(work, activations, pooled, missing, progress)
        maps |= made
    return Taps(rows, _columns(backbone.description.cuts, pooled), maps)


def _stored(work: _Pass, activations: ActivationStore, cuts: Sequence[str]) -> dict[str, FloatArray]:
    found = {cut: activations.get(work.key(cut, pooled=False)) for cut in cuts}
    return {cut: array for cut, array in found.items() if array is not None}


def _columns(cuts: Sequence[Cut], pooled: FloatArray) -> dict[str, FloatArray]:
    """The concatenated pooled features, apart again."""
    bounds = np.cumsum([0, *(cut.channels for cut in cuts)])
    return {cut.name: pooled[:, start:stop] for cut, start, stop in zip(cuts, bounds[:-1], bounds[1:], strict=True)}


def _run(
    work: _Pass,
    activations: ActivationStore,
    pooled: FloatArray | None,
    missing: Sequence[str],
    progress: Callable[[int, int], None] | None,
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The pooled features, and the maps of those of `missing` that found room; no pass at all where none did and
    `pooled` is there already."""
    rows: FloatArray | None = None
    writers: dict[str, ActivationWriter] = {}
    with contextlib.suppress(StoreFull), contextlib.ExitStack() as stack:  # after an error nothing is left half-written
        rows = _pooled_rows(work, activations, stack) if pooled is None else None
        writers = _writers(work, activations, missing, stack)
        if rows is not None or writers:
            _fill(work, rows, writers, progress)
    found = pooled if rows is None else activations.get(work.key(EVERY_CUT, pooled=True))
    kept = rows if found is None else found
    assert kept is not None
    return kept, _stored(work, activations, list(writers))


@torch.no_grad()
def _fill(
    work: _Pass,
    pooled: FloatArray | None,
    writers: Mapping[str, ActivationWriter],
    progress: Callable[[int, int], None] | None,
) -> None:
    cuts = work.backbone.description.cuts
    network = work.backbone.network(work.weights, work.seed).eval()
    place(network, work.mode, work.source.device)
    for start in range(0, len(work.rows), BATCH):
        stop = min(start + BATCH, len(work.rows))
        with precision(work.mode, work.source.device):
            flat, taps = network.tap_pooled(work.source.batch(work.rows[start:stop], 0), writers)
        if pooled is not None:
            pooled[start:stop] = torch.cat([flat[cut.name].float() for cut in cuts], dim=1).cpu().numpy()
        for cut, writer in writers.items():
            writer.array[start:stop] = taps[cut].float().cpu().numpy()
        if progress is not None:
            progress(stop, len(work.rows))


def _pooled_rows(work: _Pass, activations: ActivationStore, stack: contextlib.ExitStack) -> FloatArray:
    """(n, channels of all cuts) to be filled: mapped, so that memory does not grow with the images; in memory on a full disk."""
    shape = (len(work.rows), sum(cut.channels for cut in work.backbone.description.cuts))
    try:
        return stack.enter_context(activations.writer(work.key(EVERY_CUT, pooled=True), shape, np.float32)).array
    except StoreFull:
        return np.empty(shape, np.float32)


def _writers(
    work: _Pass, activations: ActivationStore, keep: Sequence[str], stack: contextlib.ExitStack
) -> dict[str, ActivationWriter]:
    """For the cuts that find room, the most wanted first."""
    shapes = {cut.name: cut.shape for cut in work.backbone.description.cuts}
    dtype = np.dtype(np.float32 if work.mode.dtype == "fp32" else np.float16)
    writers = {}
    for cut in keep:
        with contextlib.suppress(StoreFull):
            writer = activations.writer(work.key(cut, pooled=False), (len(work.rows), *shapes[cut]), dtype)
            writers[cut] = stack.enter_context(writer)
    return writers
