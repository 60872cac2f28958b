"""What the trials on one backbone at one size share: pixels, kernels, and what the passes of the frozen trunk left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any
from uuid import uuid4

import numpy as np

from frostline.backbones import LoadedBackbone
from frostline.compute.features import PIECE, Features
from frostline.compute.heads import class_weights
from frostline.compute.logistic import LinearHead
from frostline.compute.materialise import Taps
from frostline.compute.sources import PixelSource, positions
from frostline.compute.stacked import StackedHeads
from frostline.data import PixelStore, pixel_features
from frostline.stats.strata import several
from frostline.terms.activations import View
from frostline.terms.data import Targets
from frostline.terms.kernels import Kernels
from frostline.terms.recipe import Weights
from frostline.terms.result import FloatArray, IntArray

Starts = dict[tuple[object, ...], LinearHead | StackedHeads]


@dataclass(frozen=True, eq=False)
class Bench:
    """Pixels, kernels and passes of one backbone at one size.

    It may be sent to other processes: files and weights travel by name, and each process keeps `starts` of its own.

    Attributes:
        backbone: at the size of `kernels`.
        labels: (N,) of the whole data set, or (N, classes) answers where an image may have several; classes: how many.
        balanced: classes weigh alike in every loss, because the metric weighs them alike.
        passes: what each pass of the frozen trunk left: pre-trained, random, and matched where a recipe asks for it.
        pictured: the images whose raw pixels are asked for; None for all.
        views: shown in turn to recipes that train from pixels.
        units: (N,) what no split may break, such as patients; None where every image is one.
        devices: on which each network is trained, by as many processes.
        starts: heads that were fitted for recipes to start from, by all that they depend on: many recipes
            start alike. Shared by the benches of one backbone; the image size is part of what they depend on.
        kin: by which another process knows whose `starts` these are.
    """

    backbone: LoadedBackbone
    kernels: Kernels
    store: PixelStore
    labels: Targets
    classes: int
    balanced: bool
    seed: int
    passes: Mapping[Weights, Taps] = field(default_factory=dict)
    views: tuple[View, ...] = (View(0),)
    pictured: IntArray | None = None
    units: IntArray | None = None
    devices: int = 1
    starts: Starts = field(default_factory=dict)
    kin: str = field(default_factory=lambda: uuid4().hex)
    _identity: str = field(init=False, default_factory=lambda: uuid4().hex)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.init and one.name != "starts"}
        return _received, (self._identity, values)

    def pixels(self, views: tuple[View, ...] = (View(0),), training: bool = False) -> PixelSource:
        mode = self.kernels.train if training else self.kernels.forward
        return PixelSource(self.store, self.backbone.spec, mode, self.kernels.device, views)

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return several(self.labels)

    def units_at(self, rows: IntArray) -> IntArray:
        """The unit of each of `rows`."""
        return rows if self.units is None else self.units[rows]

    def taps(self, weights: Weights) -> Taps:
        return self.passes[weights]

    @cached_property
    def small_pixels(self) -> Features:
        """Of the images that are asked for, shrunk once for all folds; as bytes, which are what files hold."""
        rows = np.arange(self.store.count) if self.pictured is None else self.pictured
        parts = range(0, len(rows), PIECE)
        small = [np.rint(255 * pixel_features(self.store, rows[start : start + PIECE])).astype(np.uint8) for start in parts]
        return Features((np.concatenate(small),), positions(rows, self.store.count), self.store.path.parent)

    def class_weights(self, rows: IntArray) -> FloatArray | None:
        """(classes,) for a loss over `rows`, or None."""
        return class_weights(self.labels[rows], self.classes) if self.balanced else None


def _received(identity: str, values: dict[str, Any]) -> Bench:
    if identity not in _here:
        _here[identity] = Bench(**values, starts=_starts_here.setdefault(values["kin"], {}))
    return _here[identity]


_here: dict[str, Bench] = {}  # that were sent to this process: what is computed from them is kept from one message to the next
_starts_here: dict[str, Starts] = {}
