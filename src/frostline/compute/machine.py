"""What this process may compute with."""

from __future__ import annotations

import torch


def threads() -> int:
    """Threads of one computation: the cores, or fewer where the user said so (OMP_NUM_THREADS)."""
    return torch.get_num_threads()


def gpus() -> int:
    """CUDA devices that this process sees."""
    return torch.cuda.device_count()
