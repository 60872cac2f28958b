"""Which precision and memory format are fastest here: measured for a second or two, forward and training apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from frostline.backbones import LoadedBackbone
from frostline.compute.build import build
from frostline.compute.train import place, precision
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Recipe

PROBE_IMAGES = 8
HOPELESS = 2.0  # a mode this much slower on its first try is not tried again


@dataclass(frozen=True)
class _Timing:
    mode: Mode
    seconds: float  # an image


def available_devices() -> tuple[str, ...]:
    """What this machine can compute on, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, found in there.items() if found)


def choose_device(asked: str) -> str:
    """`asked`, or for `auto` the first of cuda, mps and cpu that is there."""
    return available_devices()[0] if asked == "auto" else asked


def probe_kernels(backbone: LoadedBackbone, classes: int, device: str, batch: int = 32) -> Kernels:
    """The fastest modes for `backbone` at its specification's size.

    Times forward passes and training steps of the whole network on random pixels. Machines are noisy: the best of two
    repetitions counts, and ties within a few per cent go to fp32.
    """
    modes = candidates(device)
    forward = _fastest(lambda mode: _forward_timer(backbone, classes, mode, device), modes)
    training = _fastest(lambda mode: _training_timer(backbone, classes, mode, device), modes)
    return Kernels(
        backbone.name,
        backbone.spec.height,
        device,
        torch.get_num_threads(),
        batch,
        forward.mode,
        training.mode,
        forward.seconds,
        training.seconds,
    )


def _fastest(timer: Callable[[Mode], Callable[[], None]], modes: Sequence[Mode]) -> _Timing:
    best: _Timing | None = None
    for mode in modes:
        run = timer(mode)
        first = _seconds(run)  # also the warm-up
        if best is not None and first / PROBE_IMAGES > HOPELESS * best.seconds:
            continue
        seconds = min(_seconds(run) for _ in range(2)) / PROBE_IMAGES
        if best is None or seconds < 0.95 * best.seconds:
            best = _Timing(mode, seconds)
    assert best is not None
    return best


def candidates(device: str) -> tuple[Mode, ...]:
    """Modes worth a probe: bf16 only where a bare matrix product is faster in it (a processor without such instructions
    emulates it, many times slower)."""
    full, half = (_product_s(dtype, device) for dtype in (torch.float32, torch.bfloat16))
    modes = (Mode("fp32", True), Mode("fp32", False))
    return (*modes, Mode("bf16", True)) if half < full else modes


def _product_s(dtype: torch.dtype, device: str) -> float:
    """Seconds for one product of two 512 x 512 matrices, the best of three."""
    matrix = torch.ones(512, 512, dtype=dtype, device=device)
    return min(_seconds(lambda: matrix @ matrix) for _ in range(4))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _images(backbone: LoadedBackbone, mode: Mode, device: str) -> torch.Tensor:
    images = torch.rand(PROBE_IMAGES, *backbone.input_size, generator=torch.Generator().manual_seed(0)).to(device)
    return images.contiguous(memory_format=torch.channels_last) if mode.channels_last else images


def _forward_timer(backbone: LoadedBackbone, classes: int, mode: Mode, device: str) -> Callable[[], None]:
    model = build(Recipe.parse("all: freeze | head: linear"), backbone, classes)
    place(model, mode, device)
    images = _images(backbone, mode, device)

    def run() -> None:
        with torch.no_grad(), precision(mode, device):
            model.eval()(images)

    return run


def _training_timer(backbone: LoadedBackbone, classes: int, mode: Mode, device: str) -> Callable[[], None]:
    model = build(Recipe.parse("all: tune | head: linear"), backbone, classes)
    place(model, mode, device)
    images = _images(backbone, mode, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    targets = torch.zeros(PROBE_IMAGES, dtype=torch.long, device=device)

    def run() -> None:
        model.train()
        with precision(mode, device):
            loss = torch.nn.functional.cross_entropy(model(images).float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return run
