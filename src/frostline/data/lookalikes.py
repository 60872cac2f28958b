"""Files that differ and show the same picture: encoded again, resized, made brighter, given more contrast.

Each picture is described by the detail of a small gray thumbnail, and every two descriptions are compared: no candidate is
missed, and the numbers are whole, so that no order of summation matters. Another decoder may round a pixel differently, and
then a pair at the very threshold: a run is not gone on with when its splits would differ.
See `docs/decisions/near-duplicates.md`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from frostline.data.decoding import Pixels, look_at
from frostline.data.entries import listed, placed, row_of, table_rows
from frostline.errors import DataError
from frostline.terms.data import Sample, in_words
from frostline.terms.finding import Note, Weight
from frostline.terms.look import Look

Floats = npt.NDArray[np.floating]
Progress = Callable[[int, int], None]
Pair = tuple[int, int]

LEAST = 0.965  # correlation of the detail: different pictures of several sets stay below, see the decision
MOST_EACH = 8  # earlier lookalikes of an image that are kept: enough to link it, and memory stays bounded
MOST_COPIES, MOST_SHARE = 10, 0.05  # an image that resembles more others, in number and of all, is no copy but one of a series
_SIDE = 64  # pixels of a thumbnail: never the run's own size, or other images were sealed at other sizes
_LOWEST, _HIGHEST = 2, 12  # half-waves a side: below is what all pictures of a kind share, above is noise
_CLIPPED = 2.0  # medians: a few large amplitudes, such as a texture's period, must not decide alone
_FLAT = 1.0  # gray levels: what has less detail is a blank picture, of which nothing can be said
_WHOLE = 4000.0  # length of a description: its products stay below 2**24, where float32 is exact in any order
_AT_A_TIME = 256  # images
_COARSE = 64  # numbers of a description
_NUMBERS = 2**24  # of a block of products: bounds the memory


@dataclass(frozen=True)
class Lookalikes:
    """What was found.

    Attributes:
        pairs: of samples with different bytes and nearly the same picture, the earlier one first, the most alike pair first.
            Of each sample the earlier ones that it resembles most are named, at most eight: enough to link all copies.
        uniform: how many images resemble so many others that nothing follows from it; they are in no pair.
        looks: what was seen of each sample; why it cannot be decoded where nothing was.
    """

    pairs: tuple[Pair, ...] = ()
    uniform: int = 0
    looks: tuple[Look | str, ...] = field(default=(), compare=False, repr=False)


def find_lookalikes(root: Path, samples: Sequence[Sample], progress: Progress | None = None) -> Lookalikes:
    """The near-duplicates among `samples`. Files that cannot be decoded are none; decoding reports them.

    Args:
        progress: called as progress(done, total) from this thread.
    """
    told = progress or (lambda done, total: None)
    first = {sample.digest: index for index, sample in reversed(list(enumerate(samples)))}
    places = sorted(first.values())
    described = [np.empty((0, _frequencies().shape[0]), np.float32)]
    seen: dict[str, Look | str] = {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for start in range(0, len(places), _AT_A_TIME):
            files = [root / samples[place].path for place in places[start : start + _AT_A_TIME]]
            thumbnails, looks = zip(*pool.map(_looked_at, files), strict=True)
            described.append(describe_pictures(np.stack(thumbnails)))
            seen.update(zip((samples[place].digest for place in places[start : start + _AT_A_TIME]), looks, strict=True))
            told(start + len(files), len(places))
    found, resembled = compare(np.concatenate(described), lambda: told(len(places), len(places)))
    uniform = resembled > max(MOST_COPIES, MOST_SHARE * len(places))
    pairs = tuple((places[one], places[other]) for one, other in found if not uniform[one] and not uniform[other])
    return Lookalikes(pairs, int(uniform.sum()), tuple(seen[sample.digest] for sample in samples))


def _looked_at(file: Path) -> tuple[Pixels, Look | str]:
    """(64, 64) gray, blank where the file cannot be decoded, and what was seen, or why nothing was."""
    try:
        return look_at(file, _SIDE)
    except DataError as error:
        return np.zeros((_SIDE, _SIDE), np.uint8), str(error).removeprefix(f"{file} cannot be decoded: ").rstrip(".")


def describe_pictures(thumbnails: Pixels) -> Floats:
    """(n, 64, 64) gray -> (n, 117) whole numbers as float32: the detail, of length 4000 whatever brightness and contrast.

    The cosine transform's amplitudes between 2 and 12 half-waves a side, each times its frequency, because amplitudes of
    pictures fall with it, and cut off at twice their median: many details must agree, not a few large ones. A picture
    without detail is described by zeros.
    """
    waves, frequencies = _waves(), _frequencies()
    amplitudes = (waves @ thumbnails.astype(np.float64) @ waves.T)[:, frequencies[:, 0], frequencies[:, 1]]
    weighted = amplitudes * np.hypot(*frequencies.T)
    most = _CLIPPED * np.median(np.abs(weighted), axis=1, keepdims=True)
    weighted = np.clip(weighted, -most, most)
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    contrast = np.linalg.norm(amplitudes, axis=1, keepdims=True) / _SIDE
    scaled = np.where(contrast >= _FLAT, weighted * _WHOLE / np.maximum(lengths, 1e-9), 0)
    return np.rint(scaled).astype(np.float32)


@cache
def _waves() -> Floats:
    """(12, 64) the lowest frequencies of the orthonormal cosine transform (DCT-II), a row each."""
    side = _SIDE
    places, frequencies = np.arange(side), np.arange(_HIGHEST)[:, None]
    waves = np.sqrt(2 / side) * np.cos(np.pi * (2 * places + 1) * frequencies / (2 * side))
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)


@cache
def _frequencies() -> npt.NDArray[np.int64]:
    """(117, 2) half-waves down and across, the coarsest first."""
    every = np.indices((_HIGHEST, _HIGHEST)).reshape(2, -1).T
    length = np.hypot(*every.T)
    inside = np.flatnonzero((length >= _LOWEST) & (length < _HIGHEST))
    return every[inside[np.argsort(length[inside], kind="stable")]]


def compare(described: Floats, told: Callable[[], None] = lambda: None) -> tuple[list[Pair], npt.NDArray[np.int64]]:
    """Pairs (earlier, later) that are alike, the most alike first, and (n,) how many others each picture resembles.

    Args:
        described: (n, 117) whole numbers, compared in blocks.
        told: called after each block.
    """
    least, bounding = LEAST * _WHOLE**2, _bounding(described)
    found: list[tuple[float, int, int]] = []
    resembled = np.zeros(len(described), np.int64)
    step = max(1, _NUMBERS // max(1, len(described)))
    for start in range(0, len(described), step):
        stop = min(len(described), start + step)
        bounds = bounding[start:stop] @ bounding[:stop].T
        bounds[np.triu_indices(stop - start, start, stop)] = 0  # with earlier ones alone
        rows = start + np.flatnonzero(bounds.max(axis=1) >= least)
        for row, products in zip(rows, described[rows] @ described[:stop].T, strict=True):
            earlier = np.flatnonzero(products[:row] >= least)
            resembled[earlier] += 1
            resembled[row] += len(earlier)
            nearest = earlier[np.argsort(-products[earlier], kind="stable")[:MOST_EACH]]
            found += [(-float(products[one]), int(one), int(row)) for one in nearest]
        told()
    return [(one, other) for _, one, other in sorted(found)], resembled


def _bounding(described: Floats) -> Floats:
    """(n, 65) whole numbers whose products are not below those of the (n, 117), by the inequality of Cauchy and Schwarz.

    They are the coarse detail and the length of the rest. Most pictures are told apart by them, in half the time.
    """
    rest = np.ceil(np.linalg.norm(described[:, _COARSE:].astype(np.float64), axis=1, keepdims=True))
    return np.concatenate([described[:, :_COARSE], rest.astype(np.float32)], axis=1)


def lookalike_notes(samples: Sequence[Sample], classes: Sequence[str], found: Lookalikes) -> list[str]:
    """Sentences: how many near-duplicates, with an example; how many cross the user's own parts, or differ in their label."""
    notes: list[str] = []
    if found.uniform:
        said = (
            f"{found.uniform:,} images each look like more than {MOST_SHARE:.0%} of all images, as under a fixed camera or in a"
            " film: copies cannot be told among them, and they are split as if independent. If they come in series, name these"
            " in a table's column: --group COLUMN."
        )
        notes.append(Note(said))
    return notes + pair_notes(samples, classes, found.pairs)


def pair_notes(samples: Sequence[Sample], classes: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """What `lookalike_notes` says about pairs."""
    if not pairs:
        return []
    images = len({index for pair in pairs for index in pair})
    after = ": different files of nearly the same picture. They stay on one side of every split that is drawn."
    example = f"such as {table_rows(*pairs[0])}"
    notes: list[str] = [placed(f"{images:,} images are near-duplicates", example, after, Weight.NOTE)]
    crossing = [pair for pair in pairs if samples[pair[0]].part != samples[pair[1]].part]
    if crossing:
        said, example = f"{len(crossing):,} pairs of near-duplicates are in two of train, val and test", table_rows(*crossing[0])
        notes.append(placed(said, f"such as {example}", ": scores there are flattered.", Weight.SPOILS))
    disputed = [pair for pair in pairs if samples[pair[0]].has != samples[pair[1]].has]
    if disputed:
        names = (" ~ ".join(f"row {row_of(index)}: {in_words(samples[index], classes)}" for index in pair) for pair in disputed)
        said, where = f"{len(disputed):,} pairs of near-duplicates have different labels", f"in splits.csv {listed(names, 3)}"
        notes.append(placed(said, where, ": one of the two labels is probably wrong.", Weight.LOOK))
    return notes
