"""Decoded pixels of a data set in one mapped file, and batches from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from frostline.data import packing
from frostline.data.decoding import Geometry, Pixels
from frostline.data.packing import Progress
from frostline.errors import OptionError
from frostline.terms.activations import View
from frostline.terms.data import Dataset

SMALLEST_CROP = 0.75  # of the stored side: a view shows at least nine sixteenths of what is stored
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class PixelStore:
    """Every image of a data set as stored squares, (count, margin, margin, channels) uint8, mapped and never copied whole.

    It may be sent to other processes: only the file's name travels.

    Attributes:
        path: the .npy file.
        geometry: how the images were resized; `geometry.size` is the side of a batch's images.
        count: images, in the order of the data set's samples.
        channels: 1 when every image is gray, 3 for colour, else as many as the files have.
    """

    path: Path
    geometry: Geometry
    count: int
    channels: int

    def __reduce__(self) -> tuple[Any, ...]:
        return PixelStore, (self.path, self.geometry, self.count, self.channels)

    @cached_property
    def pixels(self) -> Pixels:
        """The mapped file, read-only."""
        mapped: Pixels = np.load(self.path, mmap_mode="r")
        return mapped

    @cached_property
    def _smaller(self) -> dict[int, PixelStore]:
        return {}

    def batch(
        self,
        indices: Sequence[int] | npt.NDArray[np.integer[Any]],
        view: View = View(0),
        channels: int = 3,
        size: int | None = None,
    ) -> torch.Tensor:
        """Images as uint8 (n, channels, size, size) in channels_last memory.

        View 0 is the centre crop. View k > 0 is a square of between 0.75 and 1 of the stored side, its scale set by k
        alone and its place by k and the image's index, resized to `size`; `flip` mirrors left and right. The same view
        of the same image is always the same pixels.

        Args:
            indices: into the data set's samples.
            channels: 3 repeats gray, 1 takes the luminance of colour; another number must be the store's.
            size: a smaller side than the store's, by area from the stored pixels.

        Raises:
            OptionError: another number of channels, or a size above the store's.
        """
        if size is not None and size != self.geometry.size:
            return self.at_size(size).batch(indices, view, channels)
        chosen = np.asarray(indices, dtype=np.int64)
        squares = torch.from_numpy(self._crops(chosen, view)).permute(0, 3, 1, 2)  # (n, c, side, side), no copy
        if squares.shape[-1] != self.geometry.size:
            squares = _resize(squares, self.geometry.size)
        if view.flip:
            squares = squares.flip(3)
        return as_channels(squares, channels)

    def at_size(self, size: int) -> PixelStore:
        """The same images at a smaller size, made once from the stored pixels and kept beside them; never decoded again.

        Raises:
            OptionError: `size` is above this store's: pixels that were not stored cannot be shown.
        """
        if size == self.geometry.size:
            return self
        if not 1 <= size < self.geometry.size:
            raise OptionError(f"size {size} from pixels stored for {self.geometry.size}; expected at most that.")
        if size not in self._smaller:
            self._smaller[size] = self._shrunk(size)
        return self._smaller[size]

    def _shrunk(self, size: int) -> PixelStore:
        margin = max(size, round(self.geometry.margin * size / self.geometry.size))
        path = self.path.with_name(f"{self.path.stem}-at{size}.npy")
        shape = (self.count, margin, margin, self.channels)
        source = packing.checksum_of(self.path)
        if not packing.intact(path, shape, source):
            packing.write(path, shape, self._shrink_chunks(margin), source)
        return PixelStore(path, Geometry(size, margin, self.geometry.interpolation), self.count, self.channels)

    def _shrink_chunks(self, margin: int) -> Any:
        for start in range(0, self.count, packing.CHUNK):
            squares = torch.from_numpy(np.array(self.pixels[start : start + packing.CHUNK])).permute(0, 3, 1, 2)
            yield _resize(squares, margin).permute(0, 2, 3, 1).numpy()

    def _crops(self, indices: npt.NDArray[np.int64], view: View) -> Pixels:
        """(n, side, side, channels): the view's squares before they are resized."""
        side, tops, lefts = _places(self.geometry, indices, view.number)
        out = np.empty((len(indices), side, side, self.channels), dtype=np.uint8)
        for row, (index, top, left) in enumerate(zip(indices, tops, lefts, strict=True)):
            out[row] = self.pixels[index, top : top + side, left : left + side]
        return out


def build_store(
    dataset: Dataset,
    geometry: Geometry,
    folder: str | Path,
    progress: Progress | None = None,
    allow_unreadable: bool = False,
) -> tuple[Dataset, PixelStore]:
    """The data set's pixels, decoded once into `folder` or found there.

    The file's name derives from the fingerprint, the geometry and the format; a damaged or cut file is written again.

    Args:
        progress: called as progress(done, total) from this thread; not at all when the pixels are found.
        allow_unreadable: leave out images that cannot be decoded; the returned data set is then smaller, with a note
            and a fingerprint of its own. Rows of the store are always the returned data set's samples.

    Raises:
        DataError: images cannot be decoded (all of them are found before it is raised), or the disk is too small.
    """
    path = Path(folder) / packing.file_name(dataset, geometry)
    return_value = packing.find(path, dataset, geometry, allow_unreadable) or packing.decode_all(
        path, dataset, geometry, progress, allow_unreadable
    )
    readable, shape = return_value
    return readable, PixelStore(path, geometry, shape[0], shape[3])


def as_channels(images: torch.Tensor, channels: int) -> torch.Tensor:
    """uint8 (n, given, height, width) with the number of channels that a network wants, in channels_last memory.

    Raises:
        OptionError: neither are they as many, nor can gray be repeated or colour made gray.
    """
    given = images.shape[1]
    if given != channels and {given, channels} != {1, 3}:
        raise OptionError(
            f"images of {given} channels for a network that takes {channels}; gray and colour can be turned into each other,"
            f" nothing else. Let the network take them: add ?channels={given} to the backbone's name."
        )
    if images.shape[1] == 3 and channels == 1:
        images = _luminance(images)
    elif images.shape[1] == 1 and channels == 3:
        images = _repeated(images)
    return images.contiguous(memory_format=torch.channels_last)


def _repeated(images: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) -> (n, 3, h, w) in channels_last memory.

    By numpy: torch's strided copy starts threads, which on busy cores costs five times the copy.
    """
    gray = images[:, 0].numpy()
    out = np.empty((*gray.shape, 3), dtype=np.uint8)
    for channel in range(3):
        out[..., channel] = gray
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _luminance(images: torch.Tensor) -> torch.Tensor:
    """ITU-R 601 weights in sixteenths of a bit, as image libraries turn colour into gray."""
    red, green, blue = images.to(torch.int32).unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8).unsqueeze(1)


def _resize(images: torch.Tensor, size: int) -> torch.Tensor:
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def _places(
    geometry: Geometry, indices: npt.NDArray[np.int64], number: int
) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Side of the crop, and its tops and lefts, one an image."""
    if number == 0:
        centre = np.full(len(indices), geometry.offset, dtype=np.int64)
        return geometry.size, centre, centre
    # multiples of the golden ratio fill 0..1 evenly for any number of views
    side = round(geometry.margin * (1 - (1 - SMALLEST_CROP) * (number * _GOLDEN % 1)))
    room = geometry.margin - side + 1
    drawn = _scrambled(indices.astype(np.uint64) + np.uint64(number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF))
    tops, lefts = drawn >> np.uint64(32), drawn & np.uint64(0xFFFFFFFF)
    return side, (tops % np.uint64(room)).astype(np.int64), (lefts % np.uint64(room)).astype(np.int64)


def _scrambled(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A fixed bijection of 64-bit numbers whose bits look random (the finaliser of SplitMix64, Steele 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
