"""Small generated images on disk, for tests that need a folder of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_image(path: Path, seed: int, class_number: int = 0, side: int = 48) -> Path:
    """A picture of noise with stripes, whose direction depends on the class."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    stripes = np.sin((x if class_number % 2 else y) * (0.5 + class_number // 2) + random.uniform(0, 6))
    values = 128 + 60 * stripes[..., None] + random.normal(0, 25, (side, side, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(path)
    return path


def make_folder(root: Path, counts: dict[str, int]) -> Path:
    """A folder per class with so many images each; no two alike."""
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            make_image(root / name / f"{index:03}.png", seed=1000 * number + index, class_number=number)
    return root
