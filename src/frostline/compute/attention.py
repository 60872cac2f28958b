"""Where a model looks: class-activation maps, and small pictures to show them on."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from frostline.compute.build import TransferNetwork
from frostline.compute.new_layers import as_map
from frostline.terms.backbone import Layout
from frostline.terms.evidence import Filters, Tile
from frostline.terms.result import FloatArray, IntArray

HEAT = (232, 105, 30)  # of a map over a gray picture; no scale of hues that some cannot tell apart
STRONGEST = 0.75  # share of the heat's colour at the maximum: what is under it can still be seen
MOST_FILTERS = 64
GAP = 1  # pixels between filters


def class_maps(network: TransferNetwork, images: Tensor, classes: IntArray) -> FloatArray | None:
    """Grad-CAM (Selvaraju 2017, eq. 1 and 2) of one class an image, each divided by its maximum.

    It is drawn on the last stage whose places move the answer. That is the last kept stage, and with a linear head on its pooled
    features this is the class-activation map of Zhou 2016; where the network reads nothing but its class token, or has pooled
    already, it is the stage before. It shows what moved this answer, not whether it is right.

    Args:
        images: (n, channels, height, width), normalised. classes: (n,) whose logit is explained.

    Returns:
        (n, h, w) between 0 and 1, all 0 where nothing speaks for the class; None where no stage's places move the answer.
    """
    network.eval()
    features = _features(network, images)
    for stage in reversed(range(len(features))):
        layout = network.trunk.layout_after(stage)
        if layout is Layout.FLAT:
            continue
        slopes = as_map(_slopes(network, features, stage, classes).float(), layout)
        if slopes.any():
            found = torch.relu((slopes.mean(dim=(2, 3), keepdim=True) * as_map(features[stage].float(), layout)).sum(dim=1))
            return np.asarray((found / found.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy())
    return None


@torch.no_grad()
def _features(network: TransferNetwork, images: Tensor) -> list[Tensor]:
    """After every kept stage."""
    found = [network.trunk.run(images, 0, 1)]
    for stage in range(1, len(network.actions)):
        found.append(network.trunk.run(found[-1], stage, stage + 1))
    return found


@torch.enable_grad()
def _slopes(network: TransferNetwork, features: Sequence[Tensor], stage: int, classes: IntArray) -> Tensor:
    """Of the logits of `classes`, by what crosses the cut after `stage`; of its shape."""
    tensor = features[stage].detach().clone().requires_grad_()
    passed = [*features[:stage], tensor]
    for later in range(stage + 1, len(features)):
        passed.append(network.trunk.run(passed[-1], later, later + 1))
    logits = network.head(passed)
    chosen = logits[torch.arange(len(classes)), torch.from_numpy(classes).to(logits.device)]
    (slopes,) = torch.autograd.grad(chosen.sum(), tensor, allow_unused=True)
    return torch.zeros_like(tensor) if slopes is None else slopes


# --- small pictures ---------------------------------------------------------------------------------------------------


def photograph(pixels: npt.NDArray[np.uint8]) -> Tile:
    """(height, width, channels) as a JPEG."""
    return _tile(Image.fromarray(pixels.squeeze()), "jpeg", quality=82)


def heated(pixels: npt.NDArray[np.uint8], found: FloatArray) -> Tile:
    """The picture in gray with the map (h, w), 0..1, over it."""
    height, width = pixels.shape[:2]
    gray = np.asarray(Image.fromarray(pixels.squeeze()).convert("L"), dtype=np.float32)[:, :, None]
    size = (width, height)
    grown = np.asarray(Image.fromarray(found.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    share = STRONGEST * grown[:, :, None]
    mixed = gray * (1 - share) + np.asarray(HEAT, dtype=np.float32) * share
    return _tile(Image.fromarray(np.rint(mixed).astype(np.uint8)), "jpeg", quality=82)


def filters(network: torch.nn.Module, weights: str) -> Filters | None:
    """The first convolution's filters as small squares side by side; None where no filter can be shown as a picture.

    Each is scaled by its own largest value, with gray for 0: what is seen is its pattern, not its strength.
    """
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4:
            if parameter.shape[1] not in (1, 3) or min(parameter.shape[2:]) < 3:
                return None
            shown = parameter.detach().float().cpu().numpy()[:MOST_FILTERS]
            return Filters(weights, name.rpartition("body.")[2], len(parameter), _tile(Image.fromarray(_sheet(shown)), "png"))
    return None


def _sheet(kernels: FloatArray) -> npt.NDArray[np.uint8]:
    """(n, 1 or 3, k, k) -> one picture, about four times as wide as high, white between the filters."""
    count, channels, height, width = kernels.shape
    columns = min(count, max(8, 2 * int(np.ceil(np.sqrt(count)))))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, dtype=np.uint8)
    for number, kernel in enumerate(kernels):
        scale = float(np.abs(kernel).max()) or 1.0
        top, left = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        square = np.rint(127.5 + 127.5 * kernel.transpose(1, 2, 0) / scale)
        sheet[top : top + height, left : left + width] = square.astype(np.uint8)
    return sheet.squeeze()


def _tile(picture: Image.Image, kind: str, **options: int) -> Tile:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Tile(picture.width, picture.height, f"data:image/{kind};base64,{data}")
