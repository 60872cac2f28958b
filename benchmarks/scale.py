"""A search on very many images and many GPUs: bytes, seconds and what bounds each phase, computed and not run.

    python -m benchmarks.scale DATA [-b timm/resnet50] [--images 10000000] [--gpus 100] [--trial-gpus 1]

What an image costs a processor core (reading, hashing and looking at it; decoding it) is measured on files of DATA; what it takes
on disk is known from the network's cuts. What a GPU does in a second, and what a network moves, are assumptions, named with
where they come from. The phases and their work are those of the planner.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frostline import backbones, data
from frostline.data.decoding import look_at
from frostline.planning.allot import FREE_EPOCHS, Load, screening, screening_size
from frostline.planning.cost import CostModel
from frostline.planning.forecast import Panel, Scale, closing_s, finalists_s, heads_s, screening_s
from frostline.planning.worth import worth_of
from frostline.strategy.families import panel as lines_of
from frostline.terms.backbone import Backbone, Layout
from frostline.terms.kernels import Kernels, Mode
from frostline.terms.quantities import duration

TRIED = 200  # files
RATES = 3
HEAD_CORES = 2  # of the machine on which the planner's seconds of a head were measured


@dataclass(frozen=True)
class Assumed:
    """What was not measured here.

    Attributes:
        train: images a second and GPU, whole network, 224 px, mixed precision. ResNet-50 v1.5 on one A100: 2,470 (NVIDIA
            DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5/README.md, container 21.03).
        forward: a training step is a forward pass and about twice that backward: three times `train`.
        together: efficiency of eight GPUs on one trial, from the same table: 16,621 / (8 * 2,470).
        cores: of processors for each GPU, as servers with eight GPUs have 96 to 128 of them; solvers use them all.
        store: bytes a second of the shared store, all readers together; one 100-gigabit link of a storage cluster.
        local: bytes a second of the disk beside each GPU.
    """

    train: float = 2_470.0
    forward: float = 3 * 2_470.0
    together: float = 16_621 / (8 * 2_470)
    cores: int = 12
    store: float = 12.5e9
    local: float = 2.0e9


@dataclass(frozen=True)
class Measured:
    """Of one image on one core of this machine: seconds to read, hash and look at it, and to decode it; bytes of its file."""

    look_s: float
    decode_s: float
    file_bytes: float
    files: int


@dataclass(frozen=True)
class Phase:
    """Attributes: seconds: by each thing that may bound it; stored: bytes that it leaves; workers: that it keeps busy."""

    name: str
    seconds: dict[str, float]
    stored: float = 0.0
    workers: str = ""

    @property
    def bound(self) -> str:
        return max(self.seconds, key=lambda name: self.seconds[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-b", "--backbone", default="timm/resnet50")
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--gpus", type=int, default=100)
    parser.add_argument("--trial-gpus", type=int, default=1, help="GPUs that share one trial of the finals, and the refit")
    parser.add_argument("--classes", type=int, default=10)
    given = parser.parse_args()
    network = backbones.load(given.backbone, pretrained=False, size=224).description
    measured = measure(given.data, 224)
    assumed, scale = Assumed(), scale_for(given.images, given.classes)
    print("\n".join(told(network, measured, assumed, scale, given.gpus, given.trial_gpus)))


def scale_for(images: int, classes: int) -> Scale:
    """A fifth sealed, three hold-outs of a fifth of the rest."""
    pool = images * 4 // 5
    _, repeats, share = data.draws_at(pool)
    held = int(pool * share)
    return Scale(pool, pool - held, held, 1, repeats, images - pool, classes)


def measure(folder: Path, size: int) -> Measured:
    """On up to `TRIED` files, evenly spread, with one thread."""
    dataset = data.read(folder, limit=4 * TRIED)
    files = [Path(dataset.root) / sample.path for sample in dataset.samples][:: max(1, len(dataset.samples) // TRIED)][:TRIED]
    geometry = data.Geometry(size, size)
    looked = _each(files, lambda file: (look_at(file, 64), hashlib.sha256(file.read_bytes())))
    decoded = _each(files, lambda file: data.decode(file, geometry))
    return Measured(looked, decoded, sum(file.stat().st_size for file in files) / len(files), len(files))


def _each(files: Sequence[Path], action: Callable[[Path], object]) -> float:
    """Seconds of processor time a file: others may be using the machine."""
    action(files[0])
    begun = time.process_time()
    for file in files:
        action(file)
    return (time.process_time() - begun) / len(files)


def panel_for(network: Backbone, assumed: Assumed) -> Panel:
    """The default panel, with what it costs on one of the assumed GPUs."""
    mode = Mode("bf16", True)
    full = Kernels(network.name, 224, "cuda", 1, 256, mode, mode, 1 / assumed.forward, 1 / assumed.train)
    share = (screening_size(224) / 224) ** 2
    small = replace(full, size=screening_size(224), forward_s=full.forward_s * share, train_s=full.train_s * share)
    maps = [stage.name for stage in network.stages if stage.cut.layout is not Layout.FLAT]
    lines = lines_of(network.name, network.stage_names, maps)
    frozen, deep = (tuple(line.recipe for line in lines if line.deep == kind) for kind in (False, True))
    return Panel(CostModel(network, full), CostModel(network, small), frozen, deep)


def phases(panel: Panel, measured: Measured, assumed: Assumed, scale: Scale, gpus: int, trial_gpus: int) -> Iterator[Phase]:
    images, cores = scale.pool + scale.sealed, gpus * assumed.cores
    files, pixels = images * measured.file_bytes, images * 224 * 224 * 3
    fetch = files / assumed.store
    yield Phase("read, hash, look", {"cores": images * measured.look_s / cores, "store": fetch}, 0, f"{cores} cores")
    disks = pixels / (gpus * assumed.local)
    decode = {"cores": images * measured.decode_s / cores, "store": fetch, "disks": disks}
    yield Phase("decode once", decode, pixels, f"{cores} cores")
    backbone = panel.full.backbone
    pooled = scale.pool * 4 * sum(stage.cut.channels for stage in backbone.stages)
    deepest = {cut.name: cut for cut in backbone.cuts}[next(iter(worth_of(panel.full, panel.deep, 1.0)))]
    maps = scale.pool * deepest.values * panel.full.kernels.forward.stored_bytes
    for weights, stored in (("pre-trained", pooled + maps), ("random", pooled)):
        moved = (pixels + stored) / (gpus * assumed.local)
        seconds = {"GPUs": panel.full.pass_s(scale.pool) / gpus, "disks": moved, "store": stored / assumed.store}
        yield Phase(f"{weights} pass", seconds, stored, f"{gpus} GPUs")
    fits = len(panel.frozen) * scale.folds * scale.repeats
    busy = min(fits, gpus)
    heads = scale.folds * scale.repeats * heads_s([panel], scale) / busy / (assumed.cores / HEAD_CORES)
    yield Phase("heads on frozen features", {"cores": heads, "disks": pooled / assumed.local}, 0, f"{busy} of {gpus} nodes")
    allotted = screening([Load(panel.screen, panel.deep)], RATES, scale.train, scale.screened, None)
    trials = min(len(panel.deep) * RATES, gpus)
    yield Phase("screening", {"GPUs": screening_s(panel, scale, allotted, RATES) / trials}, 0, f"{trials} of {gpus} GPUs")
    finalists = min(gpus, 5 * scale.folds * scale.repeats * trial_gpus)
    speed = finalists * (1.0 if trial_gpus == 1 else assumed.together)
    shown = FREE_EPOCHS * scale.train * maps / scale.pool / (trial_gpus * assumed.local)
    yield Phase("finalists", {"GPUs": finalists_s(panel, scale) / speed, "disks": shown}, 0, f"{finalists} of {gpus} GPUs")
    refit = closing_s(panel, scale) / (trial_gpus * (1.0 if trial_gpus == 1 else assumed.together))
    yield Phase("refit, test, page", {"GPUs": refit}, 0, f"{trial_gpus} of {gpus} GPUs")


def told(network: Backbone, measured: Measured, assumed: Assumed, scale: Scale, gpus: int, trial_gpus: int) -> Iterator[str]:
    """Lines of Markdown."""
    panel = panel_for(network, assumed)
    images = scale.pool + scale.sealed
    yield f"{images:,} images at 224 px, {network.name}, {len(panel.frozen) + len(panel.deep)} recipes, {gpus} GPUs,"
    yield f"{trial_gpus} for a trial of the finals. Measured on one core of this machine, {measured.files} files:"
    yield f"{1e3 * measured.look_s:.1f} ms to read, hash and look at an image, {1e3 * measured.decode_s:.1f} ms to decode it,"
    yield f"{measured.file_bytes / 1e3:.0f} kB a file."
    yield ""
    yield "| phase | seconds | bound by | stored | busy |"
    yield "|---|---|---|---|---|"
    found = list(phases(panel, measured, assumed, scale, gpus, trial_gpus))
    for phase in found:
        others = ", ".join(f"{name} {duration(taken)}" for name, taken in phase.seconds.items() if name != phase.bound)
        stored = f"{phase.stored / 1e12:.2f} TB" if phase.stored else ""
        bound = phase.bound + (f" (else {others})" if others else "")
        yield f"| {phase.name} | {duration(phase.seconds[phase.bound])} | {bound} | {stored} | {phase.workers} |"
    total, stored = sum(max(phase.seconds.values()) for phase in found), sum(phase.stored for phase in found)
    yield f"| **all** | **{duration(total)}** | | **{stored / 1e12:.2f} TB** | |"


if __name__ == "__main__":
    main()
