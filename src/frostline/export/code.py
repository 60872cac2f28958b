"""One plain file of PyTorch that rebuilds a recipe, trains it again and predicts, with the weights beside it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.backbones import demo as demo_side
from frostline.backbones.description import DESCRIPTION
from frostline.compute import frozen, new_layers, stacked, train
from frostline.compute.build import DISCRIMINATIVE_FACTOR, TransferNetwork, fitting
from frostline.compute.trials import as_options
from frostline.data.pixels import SMALLEST_CROP
from frostline.errors import FrostlineError, InputError
from frostline.export.bundle import WEIGHTS, Classifier, model_folder
from frostline.export.standalone import preparation, program
from frostline.store.files import write_text
from frostline.store.run_folder import RunFolder
from frostline.store.splits import read_rows
from frostline.terms import schedule
from frostline.terms.activations import VIEWS
from frostline.terms.backbone import LIBRARIES, Layout, Stage
from frostline.terms.recipe import Action, HeadKind, Recipe, Weights

PROGRAM_NAME, SOURCE = "train.py", "source.safetensors"
START_L2 = 0.01  # of the head that a tuned recipe starts from, where the search chose it fold by fold
FIXED = ("path", "group", "class", "part")  # columns of splits.csv before those of the folds


def write_code(source: Path, model: Classifier, folder: Path) -> None:
    """Write the program, the weights it starts from, the trained ones and the run's splits.

    Raises:
        InputError: `source` is no run, its source weights are gone, or the recipe has no such form.
    """
    try:
        run = RunFolder.open(source)
    except InputError as error:
        raise InputError(
            f"--to code retrains on a run's own splits, so it needs the run and not its model alone: {error}"
        ) from error
    description = json.loads((model_folder(source) / DESCRIPTION).read_text())
    recipe = Recipe.parse(description["recipe"])
    if recipe.weights is Weights.MATCHED:
        raise InputError(f"'{recipe}' starts from random weights with another network's moments; --to code cannot say that.")
    backbone = fitting(recipe, _source(run, description, recipe))
    rows = read_rows(run.splits_path)
    constants = {
        **preparation(model),
        **_architecture(backbone),
        **_network(recipe, backbone, model, description),
        **_training(recipe, description, run),
        **_views(recipe, model.network, run),
        "FOLDS": _folds(list(rows[0])) if rows else [],
        "METRIC": run.settings.metric,
        "REPORTED": description.get("score"),
    }
    text = program("train", constants).replace("# title", f"{recipe} on {backbone.name}, without frostline.")
    write_text(folder / PROGRAM_NAME, text)
    shutil.copy(run.splits_path, folder / run.splits_path.name)
    if recipe.weights is Weights.PRETRAINED:
        save_file({name: tensor.contiguous().clone() for name, tensor in backbone.state.items()}, folder / SOURCE)
    save_file(_trained(model), folder / WEIGHTS)


def _trained(model: Classifier) -> dict[str, Tensor]:
    """The model's tensors by the names that they have in the program."""
    trunk = {f"trunk.{name}": tensor for name, tensor in model.network.trunk.original_state().items()}
    head = {
        name.replace("head.body.", "head.", 1): tensor for name, tensor in model.network.head.state_dict(prefix="head.").items()
    }
    return {name: tensor.contiguous().clone() for name, tensor in {**trunk, **head}.items()}


def _source(run: RunFolder, description: dict[str, Any], recipe: Recipe) -> LoadedBackbone:
    """The backbone with the weights that the model was made from: told by their digest."""
    pretrained = recipe.weights is Weights.PRETRAINED
    missing = ""
    for name in run.settings.backbones:
        try:
            found = backbones.load(name, pretrained=pretrained, size=description["input"]["height"])
        except FrostlineError as error:
            missing = f" ({error})"
            continue
        if not pretrained or found.digest == description["source_digest"]:
            ends = description["cuts"]
            return found if [stage.cut.name for stage in found.stages] == ends else found.with_stages(ends)
    raise InputError(
        f"the weights that the model was made from (digest {description['source_digest'][:12]}) are not where they were:"
        f" {', '.join(run.settings.backbones)}{missing}. Put the file back, or export to onnx or torch."
    )


def _architecture(backbone: LoadedBackbone) -> dict[str, Any]:
    library, _, model = backbone.architecture.name.partition("/")
    if library not in LIBRARIES:
        raise InputError(f"--to code builds networks of timm and torchvision; {backbone.name!r} is an own one. Use --to torch.")
    name = demo_side.ARCHITECTURE if library == "demo" else model.partition(".")[0]
    size: dict[str, Any] = {}
    if backbone.architecture.sized:
        size = {"image_size" if library == "torchvision" else "img_size": backbone.spec.height}
    return {"LIBRARY": "timm" if library == "demo" else library, "ARCHITECTURE": name, "ARCHITECTURE_OPTIONS": size}


def _network(recipe: Recipe, backbone: LoadedBackbone, model: Classifier, description: dict[str, Any]) -> dict[str, Any]:
    head, actions = recipe.head, model.network.actions
    assert head is not None
    kept = [stage for stage in backbone.stages if stage.name in actions]
    used = kept if head.kind is HeadKind.ALL_LAYER else kept[-1:]
    layers = {name: [one["name"] for one in description["layers"] if one["stage"] == name] for name in actions}
    return {
        "MEAN": list(model.spec.mean),
        "STD": list(model.spec.std),
        "PRETRAINED": recipe.weights is Weights.PRETRAINED,
        "ENDS": [stage.cut.name for stage in used],
        "LAYOUTS": [stage.cut.layout.value for stage in used],
        "CHANNELS_OUT": [stage.cut.channels for stage in used],
        "STAGES": [_outermost(layers[name], layers) for name in actions],
        "FROZEN": _outermost([one for name in actions if actions[name] is Action.FREEZE for one in layers[name]], layers),
        "REINITIALISED": _outermost([one for name in actions if actions[name] is Action.REINIT for one in layers[name]], layers),
        "HEAD": head.kind.value,
        "WIDTH": head.width,
        "DEPTH": head.depth,
        "STRIDES": _strides(kept[-1], head.depth) if head.kind is HeadKind.CONV else [],
    }


def _outermost(names: list[str], layers: dict[str, list[str]]) -> list[str]:
    """The fewest paths that hold these layers and no other."""
    others = {one for members in layers.values() for one in members} - set(names)
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        paths = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        clear = (path for path in paths if not any(one == path or one.startswith(path + ".") for one in others))
        found[next(clear, name)] = None
    return list(found)


def _strides(stage: Stage, depth: int) -> list[int]:
    """As the conv head is built: larger maps are halved."""
    shape, layout, found = stage.cut.shape, stage.cut.layout, []
    side = shape[1] if layout is Layout.NCHW else shape[0] if layout is Layout.NHWC else math.isqrt(shape[0])
    for _ in range(depth):
        found.append(2 if side > new_layers.SMALL_MAP else 1)
        side = -(-side // found[-1])
    return found


def _training(recipe: Recipe, description: dict[str, Any], run: RunFolder) -> dict[str, Any]:
    """How the search trained, from where it takes that itself."""
    options = as_options(description["configuration"]) | dict(recipe.train)
    kernels = run.kernels()
    mlp = recipe.head is not None and recipe.head.kind is HeadKind.MLP
    how = train.Schedule.of(options, **({"lr": frozen.MLP_RATES[1]} if mlp else {}), batch=kernels[0].batch if kernels else 32)
    return {
        "SEED": description["seed"],
        "L2": float(options.get("l2", START_L2)),
        "LR": how.lr,
        "EPOCHS": how.epochs,
        "BATCH": how.batch,
        "OPTIMIZER": how.opt,
        "MOMENTUM": train.MOMENTUM,
        "WEIGHT_DECAY": how.wd,
        "RATES": how.rates,
        "DISCRIMINATIVE_FACTOR": DISCRIMINATIVE_FACTOR,
        "NORM": options.get("norm", "batch"),
        "START": options.get("start", "fitted"),
        "BALANCED": run.settings.metric == "balanced-accuracy",
        "CLIP": train.CLIP,
        "SETTLED_ON": train.SETTLED_ON,
        "WARM_STEPS": schedule.WARM_STEPS,
        "COOLDOWN": schedule.COOLDOWN,
        "DROPOUT": new_layers.DROPOUT,
        "MLP_EPOCHS": int(recipe.option("epochs") or 0),
        "MLP_STEPS": frozen.MLP_STEPS,
        "MLP_BATCH": stacked.BATCH,
        "MLP_DECAY": stacked.WEIGHT_DECAY,
        "MLP_START_RATE": frozen.MLP_RATES[1],
    }


def _views(recipe: Recipe, network: TransferNetwork, run: RunFolder) -> dict[str, Any]:
    """How images are varied: for a head on frozen features, and for what is trained from pixels or above a frozen prefix."""
    shown = frozen.shown_views(recipe)
    return {
        "HEAD_VIEWS": shown,
        "VIEWS": shown if network.frozen_prefix else int(recipe.option("views") or VIEWS),
        "FLIP": run.settings.flip == "on",
        "SMALLEST_CROP": SMALLEST_CROP,
    }


def _folds(columns: list[str]) -> list[str]:
    """Of the first repeat: that is what is measured again."""
    names = [name for name in columns if name not in FIXED and name != "sealed"]
    first = [name for name in names if name.startswith("r0")]
    return first or names
