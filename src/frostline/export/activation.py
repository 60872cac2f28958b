"""Where a network looks: a class-activation map of its last features."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from frostline.compute.attention import class_maps
from frostline.export.bundle import Classifier


def activation_maps(model: Classifier, pixels: Tensor, classes: list[int]) -> list[list[list[float]]] | None:
    """A map an image, rows of numbers 0..1 (`class_maps`); None where no place of any stage moves the answer.

    Args:
        pixels: uint8 (n, channels, size, size); classes: (n,) the class that each map speaks for.
    """
    found = class_maps(model.network, model.normalised(pixels), np.asarray(classes, np.int64))
    return None if found is None else found.astype(np.float64).round(3).tolist()
