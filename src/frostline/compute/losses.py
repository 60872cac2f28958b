"""What a network is trained on and how its outputs are read: one class an image, or several labels, each asked by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from frostline.terms.data import Targets
from frostline.terms.result import FloatArray

Loss = Callable[[Tensor, Tensor], Tensor]


def targets_of(labels: Targets) -> Tensor:
    """(n,) integers, or (n, labels) fp32 with 1, 0 and NaN for not known."""
    return torch.from_numpy(np.asarray(labels, np.int64 if labels.ndim == 1 else np.float32))


def loss_on(targets: Tensor, class_weights: FloatArray | None = None) -> Loss:
    """(logits (n, classes), targets of n images) -> the loss; for targets of the kind given, on their device.

    Args:
        class_weights: (classes,) for one class an image, or None for equal ones.
    """
    if targets.dim() == 2:
        return known_cross_entropy
    weight = None if class_weights is None else torch.from_numpy(np.asarray(class_weights, np.float32)).to(targets.device)
    return nn.CrossEntropyLoss(weight=weight)


def masses_of(targets: Tensor, class_weights: FloatArray | None = None) -> Tensor:
    """(n,) fp64: how much each image weighs in the mean that `loss_on` takes, so that means over parts can be put together.

    Args:
        targets: (n,) or (n, labels), as of `targets_of`.
    """
    if targets.dim() == 2:
        return torch.isfinite(targets).sum(dim=1).double()
    if class_weights is None:
        return torch.ones(len(targets), dtype=torch.float64)
    return torch.from_numpy(np.asarray(class_weights, np.float64))[targets]


def known_cross_entropy(logits: Tensor, answers: Tensor) -> Tensor:
    """The mean binary cross-entropy over known answers; 0 where a batch has none.

    Args:
        logits, answers: (n, labels); NaN is not known, and its logit gets no gradient.
    """
    known = torch.isfinite(answers)
    filled = torch.where(known, answers, torch.zeros_like(answers))
    each = nn.functional.binary_cross_entropy_with_logits(logits, filled, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def probabilities_of(logits: Tensor, several: bool) -> Tensor:
    """Along the last dimension: of one class among all, or of each label by itself."""
    return torch.sigmoid(logits.float()) if several else torch.softmax(logits.float(), dim=-1)
