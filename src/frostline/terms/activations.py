"""The exact identity of a frozen prefix's output."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.terms.identity import digest

FORMAT_VERSION = 1
VIEWS = 8  # shown in turn to recipes that train from pixels: they cost nothing there


@dataclass(frozen=True)
class View:
    """An enumerated, deterministic variant of an image: number 0 is the image as the specification asks for it."""

    number: int = 0
    flip: bool = False


@dataclass(frozen=True)
class ActivationKey:
    """Two equal keys mean bit-equal activations on one machine.

    Attributes:
        weights: digest of the prefix's parameters and buffers.
        graph: digest of the prefix's graph.
        data: fingerprint of the data set and of the rows taken from it.
        transform: digest of the input specification at its size.
        cut: name of the cut; `pooled` whether spatial positions were averaged.
        dtype: of the computation and of the storage: `bf16->f16`.
    """

    weights: str
    graph: str
    data: str
    transform: str
    view: View
    size: int
    cut: str
    pooled: bool
    dtype: str
    version: int = FORMAT_VERSION

    @property
    def id(self) -> str:
        return digest(self, 32)
