"""Which precision, memory format and number of threads are fastest here: measured for seconds, forward and training apart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch

from frostline.backbones import LoadedBackbone, folded
from frostline.compute.build import build
from frostline.compute.compiled import compiler, tap_with
from frostline.compute.machine import one_thread, seconds, settle, thread_counts, wide_vectors
from frostline.compute.train import for_evaluation, place, precision
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.recipe import Recipe

BATCH = 32  # images of a training step, and of a batch of the pass
SIZES = (BATCH, 16, 8, 4, 2)  # images that a probe shows at once: the most that its time allows
THREADS_S, FORWARD_S, TRAIN_S = 0.8, 1.2, 3.0  # for the probes of one backbone at one size
REPEATS = 2  # at least, after the first run, which warms up
STEADY_S = 0.2  # of repetitions: what takes milliseconds is easily held up several times in a row by whatever else runs
HOPELESS = 2.0  # a mode this much slower on its first try is not tried again
GAIN = 0.95  # another mode must take less than this share of the time: ties go to the first
TINY_S = 0.02  # a batch that takes less may lose more than it gains by several threads
WORTH_COMPILING_S = 1200.0  # of a pass: then building the code to see what it brings costs a few per cent
SIDE = 512  # of the matrices of a product
SMALL = (3, 128, 512, 256)  # networks, images of a batch, inputs and outputs of a small network's layer
AGREES = {"fp32": 1e-4, "bf16": 5e-2}  # relative difference of compiled pooled values: what rounding explains

Probe = Callable[[int], float]  # images -> seconds of one run over them
Stop = Callable[[], None]  # called before every run: raises where the user wants no more


def go_on() -> None:
    """Nobody wants to stop."""


@dataclass(frozen=True)
class Timing:
    """What the probes of one kind found."""

    mode: Mode
    seconds: float  # an image


def probe_kernels(
    backbone: LoadedBackbone,
    classes: int,
    device: str,
    *,
    batch: int = BATCH,
    threads: int | None = None,
    images: int = 0,
    share: float = 1.0,
    stop: Stop = go_on,
) -> Kernels:
    """The fastest modes for `backbone` at its specification's size; torch's threads are then set as they were found.

    Times forward passes and training steps of the whole network on random pixels, for about five seconds: what is not tried
    within that is not taken. Machines are noisy: the best repetition counts, and ties within a few per cent go to fp32.

    Args:
        threads: of the run, where they are settled; None to try some.
        images: of a pass of the trunk; compiled code is tried only where a pass is long enough to pay for it.
        share: of the usual time; less of it tries fewer modes, less surely.
        stop: called before every run of a probe: may raise.
    """
    modes = candidates(device)
    notes: list[str] = []
    probes = _Probes(backbone, classes, device, stop)
    if threads is None:
        threads = _probe_threads(probes, modes[0], notes, share)
    settle(device, threads)
    forward = fastest(modes, probes.forward, share * FORWARD_S)
    steps = [mode for mode in modes if mode.dtype != "fp16"]  # which would need its loss scaled
    training = fastest(steps, probes.training, share * TRAIN_S)
    forward = compiled_if_it_pays(backbone, forward, device, images, notes)
    heads, flops = fastest_products()
    return Kernels(
        backbone.name,
        backbone.spec.height,
        device,
        threads,
        batch,
        forward.mode,
        training.mode,
        forward.seconds,
        training.seconds,
        tuple(notes),
        heads,
        flops * torch.get_num_threads(),
    )


def timed_again(backbone: LoadedBackbone, classes: int, kernels: Kernels, share: float = 0.5, stop: Stop = go_on) -> Kernels:
    """`kernels` with the seconds that the same modes take now; torch's threads are set as they say.

    The machine may have been busy when they were chosen, may be now, or may be another one. What a compiled pass takes is
    believed: to time it, its code would have to be built.

    Args:
        share: of the usual time of the probes; there is one mode to time instead of several.
        stop: called before every run of a probe: may raise.
    """
    probes = _Probes(backbone, classes, kernels.device, stop)
    settle(kernels.device, kernels.threads)
    eager = not kernels.forward.compiled
    forward_s = fastest([kernels.forward], probes.forward, share * FORWARD_S).seconds if eager else kernels.forward_s
    train_s = fastest([kernels.train], probes.training, share * TRAIN_S).seconds
    flops = products_flops(kernels.heads) * torch.get_num_threads()
    return replace(kernels, forward_s=forward_s, train_s=train_s, product_flops=flops)


# --- choosing -----------------------------------------------------------------------------------------------------------


def fastest(
    modes: Sequence[Mode],
    prepare: Callable[[Mode], Probe],
    limit_s: float,
    now: Callable[[], float] = time.perf_counter,
) -> Timing:
    """The fastest of `modes`, as far as they are tried within `limit_s`; the first always is.

    Args:
        prepare: makes the probe of a mode. now: seconds on some clock.
    """
    until = now() + limit_s
    images, taken = first_timing(prepare(modes[0]), len(modes), until, now)
    best = Timing(modes[0], taken)
    for mode in modes[1:]:
        if now() >= until:
            break
        probe = prepare(mode)
        first = probe(images)  # also the warm-up
        taken = first / images if first / images > HOPELESS * best.seconds else _best(probe, images, first, until, now)
        if taken < GAIN * best.seconds:
            best = Timing(mode, taken)
    return best


def first_timing(probe: Probe, modes: int, until: float, now: Callable[[], float]) -> tuple[int, float]:
    """How many images to show at once so that so many modes can be tried in time, and the seconds an image of this one."""
    few, left = SIZES[-1], until - now()
    taken = probe(few)
    if now() >= until:  # the first run loads code too: on a busy machine it alone would make hours of minutes
        return few, min(probe(few) for _ in range(REPEATS)) / few
    taken = probe(few)
    runs = 2 * modes  # a warm-up and at least one repetition
    images = next((count for count in SIZES if taken / few * count * runs <= left), few)
    if images > few and now() < until:
        taken = probe(images)
    return images, _best(probe, images, taken, until, now)


def _best(probe: Probe, images: int, first: float, until: float, now: Callable[[], float]) -> float:
    """Seconds an image: the least of `first` and the repetitions that there is time for."""
    found, repeated, steady = first, 0, now() + STEADY_S
    while now() < until and (repeated < REPEATS or now() < steady):
        found, repeated = min(found, probe(images)), repeated + 1
    return found / images


def fewest_threads(times: dict[int, float]) -> int:
    """The number of threads that is fastest; the smaller one where another gains next to nothing."""
    least = min(times.values())
    return min(count for count, taken in times.items() if taken <= least / GAIN)


def pays(images: int, saved_s: float, compile_s: float) -> bool:
    """Compiled code, built anew for each pass, saves more than building it takes."""
    return images * saved_s > compile_s


def candidates(device: str) -> tuple[Mode, ...]:
    """Modes worth a probe, the plainest first and the most promising next.

    bf16 only where there are instructions for it and a bare matrix product is faster in it (a processor without them emulates
    it, many times slower); fp16 on cuda devices without bf16, for passes only.
    """
    plain, contiguous = Mode("fp32", True), Mode("fp32", False)
    half = half_precision(device)
    return (plain, contiguous) if half is None else (plain, Mode(half, True), contiguous)


def half_precision(device: str) -> str | None:
    """The half precision worth a try there."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and not wide_vectors():
        return None
    try:
        full, half = (_product_s(dtype, device) for dtype in (torch.float32, torch.bfloat16))
    except (RuntimeError, TypeError):  # as an mps device of an old system says that it has no bf16
        return None
    return "bf16" if half < full else None


def _product_s(dtype: torch.dtype, device: str) -> float:
    """Seconds for one product of two square matrices, the best of eight."""
    matrix = torch.ones(SIDE, SIDE, dtype=dtype, device=device)
    return min(seconds(lambda: matrix @ matrix, device) for _ in range(8))


def fastest_products() -> tuple[str, float]:
    """The precision in which the products of small networks are faster on this processor, and operations a second of a thread.

    Theirs are batches of small products, one thread each: what convolutions are faster in need not be faster for them.
    """
    best, flops = "fp32", products_flops("fp32")
    if wide_vectors():
        half = products_flops("bf16")
        best, flops = ("bf16", half) if GAIN * half > flops else (best, flops)
    return best, flops


# --- measuring ----------------------------------------------------------------------------------------------------------


@one_thread()
def products_flops(dtype: str) -> float:
    """Operations a second of one thread in the first layer of some small networks as they are trained, from fp32 and back.

    The best of eight counts.
    """
    networks, images, inputs, outputs = SMALL
    shown, weights = torch.ones(networks, images, inputs), torch.ones(networks, inputs, outputs)

    def product() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            torch.bmm(shown, weights).float()

    return 2 * math.prod(SMALL) / min(seconds(product, "cpu") for _ in range(8))


@dataclass(frozen=True)
class _Probes:
    """Of the passes and the training steps of one backbone, in a mode."""

    backbone: LoadedBackbone
    classes: int
    device: str
    stop: Stop

    def forward(self, mode: Mode) -> Probe:
        model = build(Recipe.parse("all: freeze | head: linear"), self.backbone, self.classes).to(self.device)
        model = for_evaluation(model, mode)

        def probe(count: int) -> float:
            self.stop()
            images = _images(self.backbone, mode, self.device, count)
            with torch.no_grad(), precision(mode, self.device):
                return seconds(lambda: model(images), self.device)

        return probe

    def training(self, mode: Mode) -> Probe:
        model = build(Recipe.parse("all: tune | head: linear"), self.backbone, self.classes)
        place(model, mode, self.device)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

        def step(images: torch.Tensor, targets: torch.Tensor) -> None:
            with precision(mode, self.device):
                loss = torch.nn.functional.cross_entropy(model(images).float(), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        def probe(count: int) -> float:
            self.stop()
            images = _images(self.backbone, mode, self.device, count)
            targets = torch.zeros(count, dtype=torch.long, device=self.device)
            return seconds(lambda: step(images, targets), self.device)

        return probe


def _probe_threads(probes: _Probes, mode: Mode, notes: list[str], share: float) -> int:
    device = probes.device
    if device != "cpu":
        return torch.get_num_threads()
    counts, until = list(thread_counts()), time.perf_counter() + share * THREADS_S
    settle(device, counts[0])
    if counts == [1]:
        return 1
    probe = probes.forward(mode)
    images, taken = first_timing(probe, len(counts), until, time.perf_counter)
    times = {counts[0]: taken}
    if counts[0] > 1 and BATCH * times[counts[0]] < TINY_S:
        counts.append(1)
    for count in counts[1:]:
        if time.perf_counter() < until:
            settle(device, count)
            times[count] = _best(probe, images, probe(images), until, time.perf_counter)
    if len(times) > 1:
        notes.append("images/s by threads: " + ", ".join(f"{count}: {1 / taken:.0f}" for count, taken in times.items()))
    return fewest_threads(times)


def _images(backbone: LoadedBackbone, mode: Mode, device: str, count: int) -> torch.Tensor:
    images = torch.rand(count, *backbone.input_size, generator=torch.Generator().manual_seed(0)).to(device)
    return images.contiguous(memory_format=torch.channels_last) if mode.channels_last else images


def compiled_if_it_pays(backbone: LoadedBackbone, eager: Timing, device: str, images: int, notes: list[str]) -> Timing:
    """`eager`, or the same mode compiled: tried only for passes that are long enough, kept only if it pays for itself."""
    if device != "cpu" or images * eager.seconds < WORTH_COMPILING_S or eager.mode.dtype not in AGREES or compiler() is None:
        return eager
    tried = try_compiled(backbone, eager.mode, device)
    if tried.error:
        notes.append(f"compiled code was not built: {tried.error}")
        return eager
    kept = pays(images, tried.saved_s, tried.compile_s) and tried.difference <= AGREES[eager.mode.dtype]
    notes.append(
        f"compiled code: built in {tried.compile_s:.0f} s, saves {images * tried.saved_s:.0f} s of {images * eager.seconds:.0f} s"
        f" a pass, differs by {tried.difference:.0e}: {'used' if kept else 'not used'}"
    )
    return Timing(replace(eager.mode, compiled=True), eager.seconds - tried.saved_s) if kept else eager


@dataclass(frozen=True)
class Tried:
    """What compiling the tapped pass brought.

    Attributes:
        saved_s: an image. difference: the largest relative one of the pooled values of a cut.
        error: what the compiler said, else empty.
    """

    compile_s: float = 0.0
    saved_s: float = 0.0
    difference: float = 0.0
    error: str = ""


@torch.no_grad()
def try_compiled(backbone: LoadedBackbone, mode: Mode, device: str, batch: int = BATCH) -> Tried:
    """Build the compiled pass of `backbone` and compare it with the plain one, in time and in values."""
    cuts = [stage.cut.name for stage in backbone.stages]
    network = folded(backbone.network(), cuts)
    place(network, mode, device)
    plain, compiled = (tap_with(network, one, cuts, (), batch) for one in (mode, replace(mode, compiled=True)))
    images = _images(backbone, mode, device, batch)
    with precision(mode, device):
        compile_s = seconds(lambda: compiled(images), device)
        error = getattr(compiled, "error", "")
        if error:
            return Tried(error=error)
        (one, _), (other, _) = plain(images), compiled(images)
        pairs = [(seconds(lambda: plain(images), device), seconds(lambda: compiled(images), device)) for _ in range(5)]
    difference = max(float((one[cut] - other[cut]).norm() / one[cut].norm()) for cut in cuts)
    return Tried(compile_s, median(before - after for before, after in pairs) / batch, difference)
