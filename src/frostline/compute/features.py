"""What heads on a frozen trunk are fitted on: rows of stored features, read in pieces and never copied whole."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock

import numpy as np
import torch

from frostline.compute.machine import one_thread
from frostline.store.activations import RESERVE_BYTES
from frostline.terms.result import FloatArray, IntArray
from frostline.terms.room import take_room

SHARED_CHANNELS = 2  # an image: up to so many, axes shared by all folds cost less than some of each fold's own
PIECE = 4096  # rows that are in memory at a time
MAPPED_ABOVE = 128 * 2**20  # bytes: larger work arrays lie in a file, whose pages the system may drop


@dataclass(frozen=True, eq=False)
class Sample:
    """The features of n images, each seen in V views: (V n, channels), one view after the other.

    Attributes:
        views: arrays of (N, channels), possibly mapped; rows: (n,) of each.
        folder: where large work arrays are mapped; None keeps them in memory.
        axes: (channels, channels) orthonormal columns along which similar images vary independently, or None.
        leading: axes of samples of the same features, by their rows: found by one head, used by the next.
    """

    views: tuple[FloatArray, ...]
    rows: IntArray
    folder: Path | None = None
    axes: FloatArray | None = None
    leading: dict[tuple[str, int, int], FloatArray] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(features: FloatArray) -> Sample:
        """All rows of one array (n, channels)."""
        return Sample((features,), np.arange(len(features)))

    def __len__(self) -> int:
        return len(self.views) * len(self.rows)

    @property
    def channels(self) -> int:
        return int(self.views[0].shape[1])

    def at(self, places: IntArray) -> Sample:
        """The images at `places` of this sample."""
        return replace(self, rows=self.rows[places])

    def pieces(self) -> Iterator[tuple[slice, FloatArray]]:
        """Places in the sample, and the features there as fp32."""
        place = 0
        for view in self.views:
            for start in range(0, len(self.rows), PIECE):
                values = np.asarray(view[self.rows[start : start + PIECE]], np.float32)
                yield slice(place, place + len(values)), values
                place += len(values)

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """(channels,) mean and standard deviation; infinity for a channel that is constant, so that it standardises to zero."""
        count = max(1, len(self))
        mean = sum(values.sum(axis=0, dtype=np.float64) for _, values in self.pieces()) / count
        variance = sum(np.square(values - mean).sum(axis=0) for _, values in self.pieces()) / count
        scale = np.sqrt(variance)
        constant = scale <= 1e-6 * max(float(np.max(scale)), 1e-12)
        return np.asarray(mean, np.float32), np.where(constant, np.inf, scale).astype(np.float32)

    def buffer(self, columns: int) -> FloatArray:
        """(V n, columns) fp32 to be filled."""
        return work_array((len(self), columns), self.folder)

    def filled(self) -> FloatArray:
        """(V n, channels) in one array, mapped where it is large."""
        whole = self.buffer(self.channels)
        for part, values in self.pieces():
            whole[part] = values
        return whole


def rows_key(rows: IntArray) -> str:
    """By which a selection of images is known: SHA-256 of their numbers."""
    return hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()


def work_array(shape: tuple[int, int], folder: Path | None) -> FloatArray:
    """An fp32 array to be filled: in memory, or where it is large in a file of `folder` that goes when the array does.

    In memory too where the disk has no room for it: filling a hole in a file of a full disk would kill the process.
    """
    needed = 4 * shape[0] * shape[1]
    if folder is not None and needed >= MAPPED_ABOVE and shutil.disk_usage(folder).free >= needed + RESERVE_BYTES:
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            take_room(file, needed)
            return np.memmap(file, dtype=np.float32, shape=shape, mode="w+")
    return np.empty(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Features:
    """The features of all images of a pass.

    Attributes:
        views: (N, channels) of each view; view 0 is the image as the specification asks for it.
        position: (images of the data set,) the row of each, -1 where it has none.
    """

    views: tuple[FloatArray, ...]
    position: IntArray
    folder: Path | None = None
    _axes: list[FloatArray] = field(default_factory=list)
    _leading: dict[tuple[str, int, int], FloatArray] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def sample(self, indices: IntArray, views: int = 1) -> Sample:
        """Of the images `indices`, in their first `views` views, with axes shared by all samples of these features.

        The axes come from all images of the pass. They are only coordinates: what is fitted in them does not depend on them.
        """
        shown = self.views[: max(1, min(views, len(self.views)))]
        own = Sample(shown, self.position[indices], self.folder, leading=self._leading)
        shared = own.channels <= SHARED_CHANNELS * len(own.rows)  # with fewer images their own few directions are quicker
        return replace(own, axes=self.axes) if shared else own

    @property
    def axes(self) -> FloatArray:
        """Principal axes of the standardised features of view 0, computed once."""
        with self._lock:
            if not self._axes:
                self._axes.append(principal_axes(Sample(self.views[:1], np.arange(len(self.views[0])), self.folder)))
            return self._axes[0]


@one_thread()
def principal_axes(sample: Sample) -> FloatArray:
    """(channels, channels) eigenvectors of the second moments of the standardised features, the least varying first."""
    mean, scale = sample.moments()
    moment = np.zeros((sample.channels, sample.channels), np.float32)
    for _, values in sample.pieces():
        standard = (values - mean) / scale
        moment += standard.T @ standard
    return decomposed(moment / max(1, len(sample)))[1]


def decomposed(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of a symmetric matrix, ascending, and its eigenvectors as columns: torch takes half of numpy's time."""
    spectrum, directions = torch.linalg.eigh(torch.from_numpy(matrix))
    return spectrum.numpy(), directions.numpy()
