"""`model/`: weights in safetensors, and everything needed to rebuild the network and to prepare an image. The card: card.py.

Where the network is a whole one of timm with a new softmax, the tensors carry timm's names and a `config.json` lies beside
them, so that `timm.create_model("local-dir:FOLDER", pretrained=True)` loads the same file.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from frostline import backbones
from frostline.backbones import LoadedBackbone, exported
from frostline.backbones.description import DESCRIPTION, MOST_BYTES, checked, spec_of
from frostline.compute.build import TransferNetwork, build
from frostline.compute.losses import probabilities_of
from frostline.data import Geometry
from frostline.errors import BackboneError, InputError, RunFolderError, room_in
from frostline.export.layers import layers_of
from frostline.export.plain import Plain, as_json, as_timm, from_timm
from frostline.store.files import read_json, replacing, write_text
from frostline.terms.backbone import LIBRARIES, InputSpec
from frostline.terms.recipe import Recipe

SCHEMA_VERSION = 2
WEIGHTS, CARD, TIMM_CONFIG = "model.safetensors", "README.md", "config.json"
FACTORY = "package.module:function"

_SYSTEM_ERROR = re.compile(r"(?:os error |code: )(\d+)")


class Classifier(nn.Module):
    """A trained network with its preprocessing.

    Shapes: pixels (batch, channels, size, size), uint8 0..255 or float 0..1, already resized and cut -> probabilities
    (batch, classes).

    Attributes:
        classes: names, in the order of the probabilities: these sum to 1, unless an image may have several labels.
        thresholds: of each label, where an image may have several; else empty.
        spec: what the backbone expects; geometry: how a file becomes a square of pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: TransferNetwork,
        spec: InputSpec,
        classes: tuple[str, ...],
        geometry: Geometry,
        thresholds: tuple[float, ...] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.classes = classes
        self.geometry = geometry
        self.thresholds = thresholds
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return probabilities_of(self.network(self.normalised(pixels)), bool(self.thresholds))

    def normalised(self, pixels: Tensor) -> Tensor:
        """As the weights want them: (batch, channels, size, size)."""
        images = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        return (images - self.mean) / self.std


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, for its description and card.

    Attributes:
        data: fingerprint of the data set; images: how many it was fitted on.
        thresholds: of each label, where an image may have several; else empty.
    """

    configuration: str
    seed: int
    data: str
    images: int
    version: str
    thresholds: tuple[float, ...] = ()


def save(
    folder: Path,
    network: TransferNetwork,
    backbone: LoadedBackbone,
    recipe: Recipe,
    classes: tuple[str, ...],
    provenance: Provenance,
) -> None:
    """Write the model; `load` gives the same network again. Plain JSON and safetensors: reading it runs no code.

    Raises:
        DiskFull: there is no room for it.
    """
    with room_in(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
    plain = as_timm(network, backbone, classes)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / DESCRIPTION) as description:  # published last: what it describes is there then
        with replacing(folder / WEIGHTS) as weights:
            described = _describe(network, backbone, recipe, classes, provenance)
            description.write_text(json.dumps({**described, "timm": _timm_of(plain)}, indent=2))
            _write_tensors(_unshared(plain.state if plain else state), weights)
            for old in (CARD, DESCRIPTION, TIMM_CONFIG):  # never beside the weights of another fit
                (folder / old).unlink(missing_ok=True)
        if plain is not None:
            write_text(folder / TIMM_CONFIG, as_json(plain))


def _timm_of(plain: Plain | None) -> dict[str, str] | None:
    return None if plain is None else {"architecture": plain.architecture, "classifier": plain.classifier}


def _write_tensors(state: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(state, path, {"format": "pt"})
        path.chmod(path.parent.stat().st_mode & (stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH))  # as its folder
    except SafetensorError as error:  # names the system's error in words only
        number = _SYSTEM_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _unshared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """safetensors refuses tensors that share memory: stages tied to each other get a copy each."""
    return {name: tensor.clone() for name, tensor in state.items()}


def _describe(
    network: TransferNetwork, backbone: LoadedBackbone, recipe: Recipe, classes: tuple[str, ...], provenance: Provenance
) -> dict[str, Any]:
    spec = backbone.spec
    geometry = Geometry.of(spec)
    return {
        "schema_version": SCHEMA_VERSION,
        "frostline": provenance.version,
        "backbone": backbone.architecture.name,
        "source_digest": backbone.digest,
        "size": spec.height,
        "cuts": [stage.cut.name for stage in backbone.stages],
        "recipe": str(recipe),
        "configuration": provenance.configuration,
        "seed": provenance.seed,
        "data_fingerprint": provenance.data,
        "images": provenance.images,
        "classes": list(classes),
        "thresholds": list(provenance.thresholds),
        "input": {**spec.__dict__, "mean": list(spec.mean), "std": list(spec.std)},
        "resize": {"short_side": geometry.margin, "crop": geometry.size, "interpolation": geometry.interpolation},
        "stages": [{"name": name, "action": action.value} for name, action in network.actions.items()],
        "layers": [asdict(layer) for layer in layers_of(network, backbone, recipe, provenance.seed)],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def model_folder(folder: str | Path) -> Path:
    """`folder` itself or, for a run, its `model/`.

    Raises:
        RunFolderError: neither holds a model.
    """
    path = exported.model_folder(str(folder))
    if path is None:
        raise RunFolderError(
            f"{folder} holds no model: {DESCRIPTION} is missing. Give a run that has finished, or its model/ folder."
        )
    return path


def load(folder: str | Path, backbone: str | Callable[[], nn.Module] | None = None) -> Classifier:
    """The model in `folder` (a run's `model/`, or the run itself), ready to predict, in evaluation mode.

    Args:
        backbone: for a model on an own network: the function that makes it, or its name `package.module:function`. It comes
            from the caller alone: what a file names is never imported.

    Raises:
        InputError: there is no model, or it is damaged or of another version.
    """
    path = model_folder(folder)
    try:
        return _rebuild(path, checked(read_json(path / DESCRIPTION, MOST_BYTES)), backbone)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise RunFolderError(f"the model in {path} is damaged: {error}. Export it again from its run.") from error


def rebuilt_backbone(description: dict[str, Any], given: str | Callable[[], nn.Module] | None = None) -> LoadedBackbone:
    """The backbone of a described model with random weights, cut as it was cut then.

    Raises:
        RunFolderError: it is neither timm's nor torchvision's, and none was given. BackboneError: the given one cannot be used.
    """
    name = str(description["backbone"])
    if name.partition("/")[0] not in LIBRARIES:
        if given is None:
            raise RunFolderError(
                f"the model asks for the backbone {name!r}; only {', '.join(LIBRARIES)} are rebuilt from a file, because anything"
                f" else could run a stranger's code. If you trust it, give it yourself: `--backbone {FACTORY}`, or"
                " backbone=FUNCTION in Python."
            )
        name = given if isinstance(given, str) else _named(given)
    size = int(description["input"]["height"])
    backbone = backbones.load(name, pretrained=False, size=size)
    if [stage.cut.name for stage in backbone.stages] != description["cuts"]:
        backbone = backbone.with_stages(description["cuts"])
    return backbone


def _named(function: Callable[[], nn.Module]) -> str:
    name = getattr(function, "__qualname__", "")
    if not name.isidentifier():
        raise BackboneError(
            f"the function {function!r} cannot be found again by its name; expected one that stands at the top of a module."
        )
    return f"{function.__module__}:{name}"


def _rebuild(path: Path, description: dict[str, Any], given: str | Callable[[], nn.Module] | None) -> Classifier:
    if description["schema_version"] != SCHEMA_VERSION:
        raise RunFolderError(
            f"the model in {path} has schema_version {description['schema_version']}, expected {SCHEMA_VERSION}."
        )
    backbone = rebuilt_backbone(description, given)
    classes = tuple(str(name) for name in description["classes"])
    thresholds = tuple(float(one) for one in description.get("thresholds", ()))
    if thresholds and len(thresholds) != len(classes):
        raise RunFolderError(f"the model in {path} has {len(thresholds)} thresholds for {len(classes)} labels; export it again.")
    network = build(Recipe.parse(description["recipe"]), backbone, len(classes), description["seed"])
    state, timm = load_file(path / WEIGHTS), description.get("timm")
    network.load_state_dict(state if timm is None else from_timm(state, network, timm["classifier"]))
    spec = spec_of(description)
    return Classifier(network, spec, classes, Geometry.of(spec), thresholds).eval()
