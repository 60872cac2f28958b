"""From a feature tensor to one vector an image, as the network itself pools."""

from __future__ import annotations

import torch

from frostline.terms.backbone import Layout


def pool(tensor: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Pooled features: (batch, channels), never a view of `tensor`.

    Args:
        tensor: (batch, ...) as `layout` says: maps are averaged over their positions, tokens over all tokens,
            `CLASS_TOKEN` gives the first token, `FLAT` is returned as it is.
    """
    if layout is Layout.CLASS_TOKEN:
        return tensor[:, 0].clone()
    if layout is Layout.FLAT:
        return tensor.flatten(1).clone()
    return _mean(tensor, layout)


def _mean(tensor: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Over all positions; half precision is summed as it lies in memory and divided as fp32.

    `tensor.mean` first copies bf16 maps to fp32 on a CPU, which costs nine times the sum itself.
    """
    rows = tensor.flatten(2).transpose(1, 2) if layout is Layout.NCHW else tensor.flatten(1, -2)  # (batch, positions, channels)
    if tensor.dtype is torch.float32:
        return rows.mean(1)
    return rows.sum(1).float() / rows.shape[1]
