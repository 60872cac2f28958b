"""Training images that look alike to the network: kept beside a model only where a person asked for pictures to be included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from frostline.backbones import pool
from frostline.compute.attention import photograph
from frostline.compute.new_layers import last_layout
from frostline.data import load
from frostline.errors import DataError
from frostline.export.bundle import Classifier
from frostline.store.files import replacing

FILE = "neighbours.safetensors"
MOST = 2000  # images
SIDE = 96  # of the kept pictures, pixels
SHOWN = 3
BATCH = 32


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Pictures with their features.

    Attributes:
        features: (n, channels) of length 1; pictures: uint8 (n, side, side, channels); labels: (n,) names.
    """

    features: Tensor
    pictures: Tensor
    labels: tuple[str, ...]

    def nearest(self, model: Classifier, pixels: Tensor, count: int = SHOWN) -> list[list[dict[str, Any]]]:
        """For each image of uint8 (n, channels, size, size) the most similar ones, most similar first."""
        similar = features_of(model, pixels) @ self.features.T
        values, places = similar.topk(min(count, len(self.labels)), dim=1)
        return [
            [self._shown(place, value) for place, value in zip(row, near, strict=True)]
            for row, near in zip(places.tolist(), values.tolist(), strict=True)
        ]

    def _shown(self, place: int, similarity: float) -> dict[str, Any]:
        picture = photograph(self.pictures[place].numpy())
        return {"label": self.labels[place], "similarity": round(similarity, 4), "picture": picture.uri}


@torch.no_grad()
def features_of(model: Classifier, pixels: Tensor) -> Tensor:
    """(n, channels) of length 1: what the network makes of images before its last layers, pooled as the network pools."""
    features = pool(model.network.trunk(model.normalised(pixels)), last_layout(model.network.head))
    return torch.nn.functional.normalize(features.float(), dim=1)


def write_neighbours(model: Classifier, files: Sequence[str], labels: Sequence[str], folder: Path) -> int:
    """Keep at most 2,000 of `files`, evenly spread, beside the model in `folder`; how many were kept."""
    step = max(1, -(-len(files) // MOST))
    features, pictures, kept = [], [], []
    for start in range(0, len(files), step * BATCH):
        chosen = range(start, min(start + step * BATCH, len(files)), step)
        pixels, names = _readable(model, [files[place] for place in chosen], [labels[place] for place in chosen])
        if names:
            features.append(features_of(model, pixels))
            pictures.append(_small(pixels))
            kept += names
    if not kept:
        raise DataError(f"none of the {len(files)} training images can be read; nothing to include.")
    tensors = {"features": torch.cat(features).numpy().astype(np.float16), "pictures": torch.cat(pictures).numpy()}
    with replacing(folder / FILE) as temporary:
        save_file(tensors, temporary, {"labels": json.dumps(kept)})
        temporary.chmod(0o600)  # pictures of the training images: for whoever made them
    return len(kept)


def read_neighbours(folder: Path) -> Neighbours | None:
    """What `write_neighbours` left in `folder`, None where there is nothing."""
    if not (folder / FILE).exists():
        return None
    with safe_open(folder / FILE, framework="pt") as file:
        labels = tuple(json.loads(file.metadata()["labels"]))
        return Neighbours(file.get_tensor("features").float(), file.get_tensor("pictures"), labels)


def _readable(model: Classifier, files: Sequence[str], labels: Sequence[str]) -> tuple[Tensor, list[str]]:
    pixels, names = [], []
    for file, label in zip(files, labels, strict=True):
        try:
            pixels.append(load([file], model.geometry, model.spec.channels))
            names.append(label)
        except DataError:
            continue  # the search has reported it
    return (torch.cat(pixels) if pixels else torch.empty(0)), names


def _small(pixels: Tensor) -> Tensor:
    size = min(SIDE, pixels.shape[-1])
    small = torch.nn.functional.interpolate(pixels.float(), (size, size), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
