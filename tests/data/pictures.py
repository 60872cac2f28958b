"""Small generated images, and data sets that need no files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from frostline.data.assemble import make_dataset
from frostline.terms.data import Dataset, Sample


def noise(seed: int, height: int = 40, width: int = 50, channels: int = 3) -> np.ndarray:
    """Smooth random pixels, (height, width, channels), or (height, width) for one channel."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, channels), dtype=np.uint8)
    smooth = Image.fromarray(coarse.squeeze()).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth)


def picture(path: Path, seed: int = 0, height: int = 40, width: int = 50, channels: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, height, width, channels)).save(path)
    return path


def folders(root: Path, counts: dict[str, int], suffix: str = ".png", **shape: int) -> Path:
    """`counts`: folder below the root -> images in it, all different."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            picture(root / folder / f"{number:03d}{suffix}", seed, **shape)
    return root


def table(root: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], name: str = "index.csv") -> Path:
    """A table and an image for every row whose path is new and relative."""
    root.mkdir(parents=True, exist_ok=True)
    rows = [list(row) for row in rows]
    with (root / name).open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *rows])
    for seed, row in enumerate(rows):
        picture(root / row[columns.index("path")], seed)
    return root


def dataset(
    labels: Sequence[int],
    groups: Sequence[str | None] | None = None,
    parts: Sequence[str | None] | None = None,
    digests: Sequence[str] | None = None,
) -> Dataset:
    """A data set without files."""
    count = len(labels)
    samples = [
        Sample(
            f"{index:06d}.png",
            labels[index],
            groups[index] if groups else None,
            parts[index] if parts else None,
            digests[index] if digests else f"d{index}",
        )
        for index in range(count)
    ]
    return make_dataset("nowhere", samples, [f"class{label}" for label in range(max(labels) + 1)], [])
