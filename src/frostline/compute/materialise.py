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
            graph=digest(
                [description.name, [stage.cut.name for stage in description.stages], [c.name for c in description.cuts]]
            ),
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
    found = _stored(work, activations, keep)
    return found if found is not None else _run(work, activations, keep, progress)


def _stored(work: _Pass, activations: ActivationStore, keep: Sequence[str]) -> Taps | None:
    pooled = activations.get(work.key(EVERY_CUT, pooled=True))
    maps = {cut: activations.get(work.key(cut, pooled=False)) for cut in keep}
    if pooled is None or any(one is None for one in maps.values()):
        return None
    return Taps(work.rows, _columns(work.backbone.description.cuts, pooled), {c: m for c, m in maps.items() if m is not None})


def _columns(cuts: Sequence[Cut], pooled: FloatArray) -> dict[str, FloatArray]:
    """The concatenated pooled features, apart again."""
    bounds = np.cumsum([0, *(cut.channels for cut in cuts)])
    return {cut.name: pooled[:, start:stop] for cut, start, stop in zip(cuts, bounds[:-1], bounds[1:], strict=True)}


@torch.no_grad()
def _run(work: _Pass, activations: ActivationStore, keep: Sequence[str], progress: Callable[[int, int], None] | None) -> Taps:
    cuts = work.backbone.description.cuts
    network = work.backbone.network(work.weights, work.seed).eval()
    place(network, work.mode, work.source.device)
    pooled = np.empty((len(work.rows), sum(cut.channels for cut in cuts)), np.float32)
    writers = _writers(work, activations, keep)
    for start in range(0, len(work.rows), BATCH):
        stop = min(start + BATCH, len(work.rows))
        with precision(work.mode, work.source.device):
            flat, taps = network.tap_pooled(work.source.batch(work.rows[start:stop], 0), writers)
        pooled[start:stop] = torch.cat([flat[cut.name].float() for cut in cuts], dim=1).cpu().numpy()
        for cut, writer in writers.items():
            writer.array[start:stop] = taps[cut].float().cpu().numpy()
        if progress is not None:
            progress(stop, len(work.rows))
    for writer in writers.values():
        writer.publish()
    stored = {cut: activations.get(work.key(cut, pooled=False)) for cut in writers}
    maps = {cut: array for cut, array in stored.items() if array is not None}
    _keep_pooled(work, activations, pooled)
    return Taps(work.rows, _columns(cuts, pooled), maps)


def _writers(work: _Pass, activations: ActivationStore, keep: Sequence[str]) -> dict[str, ActivationWriter]:
    shapes = {cut.name: cut.shape for cut in work.backbone.description.cuts}
    dtype = np.dtype(np.float32 if work.mode.dtype == "fp32" else np.float16)
    writers = {}
    for cut in keep:
        try:
            writers[cut] = activations.writer(work.key(cut, pooled=False), (len(work.rows), *shapes[cut]), dtype)
        except StoreFull:
            continue
    return writers


def _keep_pooled(work: _Pass, activations: ActivationStore, pooled: FloatArray) -> None:
    """Best effort: a full disk only costs the next start of this run a pass."""
    with contextlib.suppress(StoreFull), activations.writer(work.key(EVERY_CUT, True), pooled.shape, np.float32) as writer:
        writer.array[:] = pooled
