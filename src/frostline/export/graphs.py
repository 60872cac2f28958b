"""The whole way from pixels to probabilities as one graph: ONNX, or a program of torch.export."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from frostline.errors import ExportFailed, InputError
from frostline.export.bundle import Classifier

ONNX, FROM_IMAGES, PROGRAM = "model.onnx", "model-from-images.onnx", "model.pt2"
PROBED = 2  # images: torch.export takes a batch of one for a constant
_ANY = torch.export.Dim.DYNAMIC


class FromImages(nn.Module):
    """A classifier for images as libraries hold them, resized but not cut.

    Shapes: uint8 (batch, height, width, channels), short side as `Geometry.margin` says -> probabilities (batch, classes).
    """

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model
        self.size = model.geometry.size

    def forward(self, images: Tensor) -> Tensor:
        top, left = self._start(images.shape[1]), self._start(images.shape[2])
        cut = images[:, top : top + self.size, left : left + self.size]
        return self.model(cut.permute(0, 3, 1, 2))  # type: ignore[no-any-return]

    def _start(self, extent: int) -> int:
        """Of the centre crop: Python's `round`, which rounds halves to even, in whole numbers alone."""
        half = (extent - self.size) // 2
        return half + ((extent - self.size) % 2) * (half % 2)


def write_onnx(model: Classifier, folder: Path) -> None:
    """Two files: pixels that are resized and cut (`pixels`: uint8 NCHW), and images that are resized (`images`: uint8 NHWC).

    Raises:
        InputError: the extra [onnx] is not installed. ExportFailed: an operation of the network has no form in ONNX.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"export to ONNX needs its extra ({error}): pip install 'frostline[onnx]'.") from None
    for name, network, given, sample, dynamic in (
        (ONNX, model, "pixels", _pixels(model), {0: _ANY}),
        (FROM_IMAGES, FromImages(model).eval(), "images", _images(model), {0: _ANY, 1: _ANY, 2: _ANY}),
    ):
        program = _exported(network, sample, dynamic)
        with _quiet(), _failing(f"ONNX ({name})"):
            made = torch.onnx.export(program, input_names=[given], output_names=["probabilities"], verbose=False)
            assert made is not None
            made.model.metadata_props["classes"] = json.dumps(model.classes, ensure_ascii=False)
            made.save(folder / name)


def write_program(model: Classifier, folder: Path) -> None:
    """One file for `torch.export.load`: uint8 (batch, channels, size, size) -> probabilities.

    Raises:
        ExportFailed: the network cannot be captured as one graph.
    """
    with _quiet():
        torch.export.save(_exported(model, _pixels(model), {0: _ANY}), folder / PROGRAM)


def _exported(network: nn.Module, sample: Tensor, dynamic: dict[int, Any]) -> torch.export.ExportedProgram:
    with _quiet(), _failing("one graph"), torch.no_grad():
        return torch.export.export(network, (sample,), dynamic_shapes=(dynamic,), strict=False)


def _pixels(model: Classifier) -> Tensor:
    return torch.zeros(PROBED, model.spec.channels, model.spec.height, model.spec.width, dtype=torch.uint8)


def _images(model: Classifier) -> Tensor:
    margin = model.geometry.margin
    return torch.zeros(PROBED, margin + 1, margin + 2, model.spec.channels, dtype=torch.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters talk about their own insides."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # exporters raise whatever their passes stumble over
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise ExportFailed(
            f"the network cannot be written as {what}: {type(error).__name__}: {reason} Try another form: --to torch, --to code."
        ) from error
