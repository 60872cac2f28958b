"""How numbers are computed on this machine: probed once, written down, then fixed for the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A precision and a memory format.

    Attributes:
        dtype: `fp32` or `bf16` (mixed: weights stay fp32).
    """

    dtype: str = "fp32"
    channels_last: bool = True

    def __str__(self) -> str:
        return f"{self.dtype} {'channels_last' if self.channels_last else 'contiguous'}"


@dataclass(frozen=True)
class Kernels:
    """The fastest modes found for one backbone at one size, forward and training apart.

    Attributes:
        forward_s, train_s: seconds an image, whole network, measured.
        batch: images a step.
    """

    backbone: str
    size: int
    device: str
    threads: int
    batch: int
    forward: Mode
    train: Mode
    forward_s: float
    train_s: float
