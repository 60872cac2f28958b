"""How numbers are computed on this machine: probed once, written down, then fixed for the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

DTYPES = ("fp32", "bf16", "fp16")
DEVICES = ("cpu", "cuda", "mps")
MOST_THREADS, MOST_BATCH, MOST_SIZE = 4096, 65536, 16384


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

    @property
    def stored_bytes(self) -> int:
        """Of a value of a feature map: what half precision computed is kept as fp16."""
        return 4 if self.dtype == "fp32" else 2

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
        notes: what else was tried, and what it would have brought.
        heads: the precision in which small networks on stored features train, on the processor.
        product_flops: operations a second of their matrix products, all threads together, measured.
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
    heads: str = "fp32"
    product_flops: float = 1.5e11

    def oddities(self) -> list[str]:
        """What no probe can have found; empty for all that one did."""
        whole = {"size": MOST_SIZE, "threads": MOST_THREADS, "batch": MOST_BATCH}
        found = [f"{name} {getattr(self, name)}" for name, most in whole.items() if not 1 <= getattr(self, name) <= most]
        found += [f"device {self.device!r}"] if self.device not in DEVICES else []
        found += [f"dtype {one!r}" for one in (self.forward.dtype, self.train.dtype, self.heads) if one not in DTYPES]
        taken = {"forward_s": self.forward_s, "train_s": self.train_s, "product_flops": self.product_flops}
        return found + [f"{name} {value}" for name, value in taken.items() if not (math.isfinite(value) and value > 0)]
