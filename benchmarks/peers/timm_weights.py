"""torchvision's mobilenet_v2 under timm's names, for peers that load networks through timm."""

from __future__ import annotations

from pathlib import Path

import timm
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import mobilenet_v2

ARCHITECTURE = "mobilenetv2_100"


def timm_state(weights: Path) -> dict[str, Tensor]:
    """The tensors of the file, named as in timm's network: both hold the same ones in the same order."""
    source = mobilenet_v2(weights=None)
    source.load_state_dict(load_file(weights))
    names = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    return dict(zip(names, source.state_dict().values(), strict=True))
