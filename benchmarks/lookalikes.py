"""How surely near-duplicates are told from different pictures, and what looking for them costs.

python -m benchmarks.lookalikes FOLDER ... [--images N]

True pairs are made: images of the folder are encoded again, resized, made brighter, given more contrast, cropped. False pairs
are all pairs of files with different bytes; the nearest of them are named, because some may be real copies: look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from frostline.data.decoding import thumbnail
from frostline.data.entries import find_images
from frostline.data.lookalikes import LEAST, describe_pictures

Floats = npt.NDArray[np.floating]
Alteration = Callable[[Image.Image], Image.Image]

NEAREST = 5  # pairs of different files that are named
SIDE = 64  # pixels of a thumbnail


def _jpeg(quality: int) -> Alteration:
    def alter(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return alter


def _scaled(factor: float) -> Alteration:
    def alter(image: Image.Image) -> Image.Image:
        return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))

    return alter


def _cropped(share: float) -> Alteration:
    def alter(image: Image.Image) -> Image.Image:
        across, down = round(image.width * share), round(image.height * share)
        return image.crop((across, down, image.width - across, image.height - down))

    return alter


def _in_turn(*alterations: Alteration) -> Alteration:
    def alter(image: Image.Image) -> Image.Image:
        for one in alterations:
            image = one(image)
        return image

    return alter


def _brighter(factor: float) -> Alteration:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


ALTERATIONS: dict[str, Alteration] = {
    "JPEG, quality 70": _jpeg(70),
    "JPEG, quality 30": _jpeg(30),
    "half the size": _scaled(0.5),
    "twice the size": _scaled(2.0),
    "a quarter of the size": _scaled(0.25),
    "pressed into a square": lambda image: image.resize((min(image.size), min(image.size))),
    "brighter by 10 %": _brighter(1.1),
    "brighter by 25 %": _brighter(1.25),
    "contrast + 20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "gray": lambda image: image.convert("L"),
    "half, brighter by 10 %, JPEG 70": _in_turn(_scaled(0.5), _brighter(1.1), _jpeg(70)),
    "1 % cropped on each side": _cropped(0.01),
    "2 % cropped on each side": _cropped(0.02),
    "3 % cropped on each side": _cropped(0.03),
}


def recalls(files: Sequence[Path]) -> dict[str, float]:
    """The share of made pairs that are found, by alteration."""
    found: dict[str, list[bool]] = {name: [] for name in ALTERATIONS}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        for file in files:
            original = Image.open(file)
            plain = original.convert("L" if original.mode == "L" else "RGB")
            for name, alter in ALTERATIONS.items():
                altered = alter(plain)
                altered.save(
                    made, "JPEG" if altered.format == "JPEG" else "PNG", **({"quality": "keep"} if altered.format else {})
                )
                pair = describe_pictures(np.stack([thumbnail(file, SIDE), thumbnail(made, SIDE)]))
                found[name].append(likeness(pair)[1, 0] >= LEAST)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def likeness(described: Floats) -> Floats:
    """(n, n) correlations of the descriptions."""
    lengths = np.maximum(np.linalg.norm(described, axis=1, keepdims=True), 1)
    return np.asarray((described / lengths) @ (described / lengths).T)


def nearest(files: Sequence[Path], described: Floats) -> list[tuple[float, Path, Path]]:
    """The most alike pairs of different files."""
    products = np.tril(likeness(described), -1)
    order = np.argsort(products, axis=None)[::-1][:NEAREST]
    return [(float(products.flat[place]), files[place % len(files)], files[place // len(files)]) for place in order]


def report(folder: Path, images: int) -> None:
    every = [folder / path for path in find_images(folder, folder).images]
    files = list({hashlib.sha256(file.read_bytes()).digest(): file for file in every}.values())
    begun = time.process_time()
    described = np.concatenate(
        [
            describe_pictures(np.stack([thumbnail(file, SIDE) for file in files[start : start + 256]]))
            for start in range(0, len(files), 256)
        ]
    )
    taken = 1000 * (time.process_time() - begun) / len(files)
    pairs = nearest(files, described)
    count = int((np.tril(likeness(described), -1) >= LEAST).sum())
    print(f"{folder}: {len(files):,} different files, {taken:.2f} ms of a core an image")
    print(f"  {count} of {len(files) * (len(files) - 1) // 2:,} pairs are taken for copies; the most alike:")
    for value, one, other in pairs:
        print(f"    {value:.3f}  {one.relative_to(folder)}  {other.relative_to(folder)}")
    chosen = [files[place] for place in np.random.default_rng(0).permutation(len(files))[:images]]
    for name, share in recalls(chosen).items():
        print(f"    {share:6.1%}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=150, help="from which true pairs are made")
    given = parser.parse_args()
    for folder in given.folders:
        report(folder, given.images)


if __name__ == "__main__":
    main()
