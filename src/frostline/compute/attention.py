"""Where a model looks: class-activation maps, and small pictures to show them on."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from frostline.compute.build import TransferNetwork
from frostline.compute.new_layers import as_map, last_layout
from frostline.terms.backbone import Layout
from frostline.terms.evidence import Filters, Tile
from frostline.terms.result import FloatArray, IntArray

HEAT = (232, 105, 30)  # of a map over a gray picture; no scale of hues that some cannot tell apart
STRONGEST = 0.75  # share of the heat's colour at the maximum: what is under it can still be seen
MOST_FILTERS = 64
GAP = 1  # pixels between filters


def class_maps(network: TransferNetwork, images: Tensor, classes: IntArray) -> FloatArray | None:
    """Grad-CAM (Selvaraju 2017, eq. 1 and 2) of one class an image at the last kept stage, each divided by its maximum.

    With a linear head on pooled features this is the class-activation map of Zhou 2016. It shows what moved this answer, not
    whether it is right.

    Args:
        images: (n, channels, height, width), normalised. classes: (n,) whose logit is explained.

    Returns:
        (n, h, w) between 0 and 1, all 0 where nothing speaks for the class; None where features have no places.
    """
    layout = last_layout(network.head)
    if layout is Layout.FLAT:
        return None
    network.eval()
    features = []
    with torch.no_grad():
        tensor = images
        for index in range(len(network.actions)):
            tensor = network.trunk.run(tensor, index, index + 1)
            features.append(tensor)
    last = features[-1].detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = network.head([*features[:-1], last])
        chosen = logits[torch.arange(len(classes)), torch.from_numpy(classes).to(logits.device)]
        (slopes,) = torch.autograd.grad(chosen.sum(), last)
    maps, slopes = (as_map(tensor.float(), layout) for tensor in (last.detach(), slopes))
    found = torch.relu((slopes.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1))
    return np.asarray((found / found.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy())


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
