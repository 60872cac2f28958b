"""From a feature tensor to one vector an image, as the network itself pools."""

from __future__ import annotations

import torch

from frostline.terms.backbone import Layout

_AXES = {Layout.NCHW: (2, 3), Layout.NHWC: (1, 2), Layout.TOKENS: (1,)}


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
    return tensor.mean(_AXES[layout])
