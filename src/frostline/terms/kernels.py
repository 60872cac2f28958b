"""How numbers are computed on this machine: probed once, written down, then fixed for the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A precision and a memory format.

    Attributes:
        dtype: `fp32`, `bf16` or `fp16` (mixed: weights stay fp32).
        compiled: the pass of the frozen trunk runs compiled code; everything else runs as it is.
    """

    dtype: str = "fp32"
    channels_last: bool = True
    compiled: bool = False

    def __str__(self) -> str:
        compiled = " compiled" if self.compiled else ""
        return f"{self.dtype} {'channels_last' if self.channels_last else 'contiguous'}{compiled}"


@dataclass(frozen=True)
class Kernels:
    """The fastest modes found for one backbone at one size, forward and training apart.

    Attributes:
        threads: of torch, for the whole run.
        batch: images a step.
        forward_s, train_s: seconds an image, whole network, measured.
        product_flops: operations a second of a matrix product in the forward precision, measured.
        notes: what else was tried, and what it would have brought.
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
    notes: tuple[str, ...] = ()
    product_flops: float = 1.5e11
