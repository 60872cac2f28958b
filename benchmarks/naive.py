"""What a user runs today: an ordinary fine-tune, and a loop in which each recipe is carried out for itself.

python -m benchmarks.naive fine-tune DATA --weights FILE [--project] [--kernels best]
python -m benchmarks.naive heads-loop DATA --weights FILE [--kernels best]
python -m benchmarks.naive panel-loop DATA --weights FILE
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.data import Rows, from_run, from_seed
from benchmarks.loops import STEPS, How, Images, fastest, forward_image_s, loader, predict, train, train_image_s, transform
from benchmarks.networks import NETWORKS, Classifier, Kind, classifier, units, whole
from benchmarks.panel import Item, items, load, scale, stage_ends
from benchmarks.peers.common import scores
from benchmarks.projection import Cost, remaining_projected, summary, table
from frostline.planning.forecast import Scale

EPOCHS = 20
RATE = 3e-4
PIXELS = 28  # a side, of the pixel controls
PLAIN = (How(),)
BEST = (How(), How(channels_last=True), How(bf16=True, channels_last=True))
WORKERS = (0, 2)


@dataclass(frozen=True)
class Setup:
    """Attributes:
    weights: of `network`, as safetensors. ends: the module that ends each stage.
    kernels: `plain` (fp32 NCHW) or `best`, whichever is the fastest here.
    flip: whether mirrored images are shown in training.
    workers: processes that decode; None: whichever of 0 and 2 is faster.
    steps: batches that are timed for each kind of work.
    """

    network: str
    weights: Path
    size: int = 224
    ends: tuple[str, ...] = ()
    kernels: str = "plain"
    flip: bool = True
    workers: int | None = None
    seed: int = 0
    steps: int = STEPS

    def model(self, kind: Kind, classes: int) -> Classifier:
        return classifier(self.network, self.weights, self.ends, kind, classes, self.size, self.seed)

    def images(self, rows: Rows, training: bool) -> Images:
        chosen = rows.train if training else rows.test
        return Images(chosen, classes_of(rows), transform(self.network, self.size, training, self.flip))


def classes_of(rows: Rows) -> list[str]:
    return sorted({label for _, label in rows.train})


# One ordinary fine-tune ----------------------------------------------------------------------------------------------


def fine_tune(setup: Setup, rows: Rows, epochs: int = EPOCHS, project: bool = False) -> dict[str, Any]:
    """Seconds of training and test scores of one full fine-tune: every parameter, AdamW, cosine, batches of 32.

    Args:
        project: two epochs are run and the others taken to last as long as the second; there are no scores then.
    """
    setup = replace(setup, ends=tuple(list(units(setup.network, None))[-1:]))  # one stage: nothing is taken apart
    classes, images = classes_of(rows), setup.images(rows, training=True)
    model = setup.model(whole(setup.ends), len(classes))
    how = choose(setup, model, images)
    run = min(2, epochs) if project else epochs
    torch.manual_seed(setup.seed)
    model = setup.model(whole(setup.ends), len(classes))  # the one above has been trained while measuring
    losses, seconds = train(model, loader(images, how.workers, training=True), run, RATE, how, planned=epochs)
    found = {
        "seconds": remaining_projected(seconds, epochs),
        "projected": run < epochs,
        "epochs": epochs,
        "epochs_run": run,
        "epoch_seconds": seconds,
        "losses": losses,
        "train_images": len(rows.train),
        "images_per_s": len(rows.train) / seconds[-1],
    }
    return found | _described(setup, how) | (_tested(setup, rows, model, how) if run == epochs else {})


def _tested(setup: Setup, rows: Rows, model: Classifier, how: How) -> dict[str, Any]:
    begun = time.perf_counter()
    probabilities = predict(model, loader(setup.images(rows, training=False), how.workers), how)
    found = {"evaluation_seconds": time.perf_counter() - begun, "test_images": len(rows.test), "test_is": rows.test_is}
    return found | scores([label for _, label in rows.test], classes_of(rows), probabilities) | {
        "classes": classes_of(rows),
        "probabilities": probabilities.round(6).tolist(),
    }  # fmt: skip


def choose(setup: Setup, model: Classifier, images: Images) -> How:
    """The fastest kernels that are allowed, then the faster way of decoding."""
    measure = functools.partial(train_image_s, model, images, steps=max(2, setup.steps // 2))
    kernels = BEST if setup.kernels == "best" else PLAIN
    chosen = fastest(kernels, measure) if len(kernels) > 1 else kernels[0]
    workers = WORKERS if setup.workers is None else (setup.workers,)
    candidates = [replace(chosen, workers=count) for count in workers]
    return fastest(candidates, measure) if len(candidates) > 1 else candidates[0]


def _described(setup: Setup, how: How) -> dict[str, Any]:
    return {
        "network": setup.network,
        "size": setup.size,
        "batch": 32,
        "kernels": how.kernels,
        "workers": how.workers,
        "threads": torch.get_num_threads(),
    }


# A loop over recipes -------------------------------------------------------------------------------------------------


def heads_loop(setup: Setup, rows: Rows, panel: Sequence[Item], on: Scale, epochs: int = EPOCHS) -> dict[str, Any]:
    """Projected seconds of the frozen-trunk recipes, each for itself: the trunk runs over decoded JPEGs in every epoch."""
    return _loop(setup, rows, [item for item in panel if item.frozen_trunk], on, epochs)


def panel_loop(setup: Setup, rows: Rows, panel: Sequence[Item], on: Scale, epochs: int = EPOCHS) -> dict[str, Any]:
    """Projected seconds of the whole panel, one recipe after the other.

    Args:
        epochs: of recipes that only train a head; deep ones have frostline's own number for full training.
    """
    return _loop(setup, rows, panel, on, epochs)


def _loop(setup: Setup, rows: Rows, panel: Sequence[Item], on: Scale, epochs: int) -> dict[str, Any]:
    meter = Meter(setup, rows)
    costs = [_cost(meter, item, on, epochs) for item in panel]
    print(table(costs))
    hows = {"frozen trunk" if frozen else "deep": _described(setup, how) for frozen, how in meter.hows.items()}
    return summary(costs) | {"measured_as": hows, "kinds_of_work": len(meter.measured)}


def _cost(meter: Meter, item: Item, on: Scale, epochs: int) -> Cost:
    shared = {"images": on.train, "validation": on.validation, "folds": on.folds * on.repeats, "settings": item.settings}
    if item.kind is None:
        decode, fit = pixel_seconds(meter.rows, item.recipe, on.train, meter.setup.seed)
        once = decode * on.pool
        return Cost(item.recipe, item.family, 0.0, 0.0, epochs=0, once_s=once, fit_s=fit, **shared)
    trained, forward = meter.seconds(item.kind)
    return Cost(item.recipe, item.family, trained, forward, epochs=item.epochs or epochs, **shared)


class Meter:
    """Measures each kind of work once: recipes that train the same stages under the same head cost the same.

    Attributes:
        hows: kernels and loading, chosen once for recipes with a frozen trunk (True) and once for the others (False).
        measured: seconds an image of a training step and of a forward pass.
    """

    def __init__(self, setup: Setup, rows: Rows) -> None:
        self.setup, self.rows = setup, rows
        self.hows: dict[bool, How] = {}
        self.measured: dict[Kind, tuple[float, float]] = {}

    def seconds(self, kind: Kind) -> tuple[float, float]:
        if kind not in self.measured:
            model = self.setup.model(kind, len(classes_of(self.rows)))
            how = self._how(not any(kind.trained) and not kind.head.startswith("conv"))
            shown = self.setup.images(self.rows, training=True)
            plain = self.setup.images(self.rows, training=False)
            steps = self.setup.steps
            self.measured[kind] = train_image_s(model, shown, how, steps), forward_image_s(model, plain, how, steps)
        return self.measured[kind]

    def _how(self, frozen: bool) -> How:
        if frozen not in self.hows:
            model = self.setup.model(whole(self.setup.ends, trained=not frozen), len(classes_of(self.rows)))
            self.hows[frozen] = choose(self.setup, model, self.setup.images(self.rows, training=True))
        return self.hows[frozen]


def pixel_seconds(rows: Rows, recipe: str, train_images: int, seed: int) -> tuple[float, float]:
    """Seconds to decode one image down to 28 x 28, and to fit one classifier on `train_images` of them."""
    chosen = np.random.default_rng(seed).permutation(len(rows.train))[:train_images]
    begun = time.perf_counter()
    pixels = np.stack([_small(rows.train[index][0]) for index in chosen])
    decoded = time.perf_counter()
    labels = np.array([rows.train[index][1] for index in chosen])
    if recipe == "pixels: forest":
        RandomForestClassifier(300, random_state=seed, n_jobs=-1).fit(pixels, labels)
    else:
        LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(pixels), labels)
    return (decoded - begun) / len(chosen), time.perf_counter() - decoded


def _small(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.BOX), np.float32).ravel()


# Command line --------------------------------------------------------------------------------------------------------


def main() -> None:
    given = _arguments()
    rows = from_run(given.run) if given.run else from_seed(given.data, given.seed, given.limit)
    setup = Setup(given.network, given.weights, given.size, (), given.kernels, given.flip, given.workers, given.seed)
    found = _fine_tune(setup, rows, given) if given.command == "fine-tune" else _looped(setup, rows, given)
    text = json.dumps(found, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    said = f"{found['seconds']:.0f} s" + (" (projected)" if found["projected"] else "")
    print(said if given.out else text)


def _fine_tune(setup: Setup, rows: Rows, given: argparse.Namespace) -> dict[str, Any]:
    found = fine_tune(setup, rows, given.epochs, given.project)
    if found["projected"]:
        print(f"{found['epochs_run']} of {found['epochs']} epochs were run; the others are taken to last as long as the second.")
    return found


def _looped(setup: Setup, rows: Rows, given: argparse.Namespace) -> dict[str, Any]:
    backbone = load(given.network, given.weights)
    setup = replace(setup, ends=tuple(stage_ends(backbone)))
    loop: Callable[..., dict[str, Any]] = heads_loop if given.command == "heads-loop" else panel_loop
    return loop(setup, rows, items(backbone), scale(given.data, given.seed, given.limit), given.epochs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("fine-tune", "heads-loop", "panel-loop"))
    parser.add_argument("data")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="torchvision/mobilenet_v2")
    parser.add_argument("--run", type=Path, help="take the images that the search in this folder trained on and sealed")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the fine-tune; in a loop, of recipes that train a head")
    parser.add_argument("--kernels", choices=("plain", "best"), default="plain", help="fp32 NCHW, or the fastest here")
    parser.add_argument("--workers", type=int, help="that decode; by default 0 or 2, whichever is faster")
    parser.add_argument("--no-flip", dest="flip", action="store_false", help="no mirrored images")
    parser.add_argument("--project", action="store_true", help="run two epochs and project the others")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, help="JSON; by default it is printed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
