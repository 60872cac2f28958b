"""`model/`: weights in safetensors, everything needed to rebuild the network and to prepare an image, and a model card."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from frostline import backbones
from frostline.backbones import LoadedBackbone
from frostline.compute.build import TransferNetwork, build
from frostline.data import Geometry
from frostline.errors import InputError, RunFolderError, room_in
from frostline.export.description import read_description
from frostline.store.files import replacing, write_text
from frostline.terms.backbone import InputSpec
from frostline.terms.recipe import Recipe
from frostline.terms.verdict import Verdict

SCHEMA_VERSION = 1
LIBRARIES = ("timm/", "torchvision/", "demo/")
WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "model.json", "README.md"

_SYSTEM_ERROR = re.compile(r"(?:os error |code: )(\d+)")


class Classifier(nn.Module):
    """A trained network with its preprocessing.

    Shapes: pixels (batch, channels, size, size), uint8 0..255 or float 0..1, already resized and cut -> probabilities
    (batch, classes).

    Attributes:
        classes: names, in the order of the probabilities.
        spec: what the backbone expects; geometry: how a file becomes a square of pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: TransferNetwork, spec: InputSpec, classes: tuple[str, ...], geometry: Geometry) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.classes = classes
        self.geometry = geometry
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        images = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        return torch.softmax(self.network((images - self.mean) / self.std).float(), dim=1)


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, for its description and card.

    Attributes:
        data: fingerprint of the data set; images: how many it was fitted on.
    """

    configuration: str
    seed: int
    data: str
    images: int
    version: str


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
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / DESCRIPTION) as description, replacing(folder / WEIGHTS) as weights:
        description.write_text(json.dumps(_describe(network, backbone, recipe, classes, provenance), indent=2))
        _write_tensors(_unshared(state), weights)
        for old in (CARD, DESCRIPTION):  # never beside the weights of another fit
            (folder / old).unlink(missing_ok=True)


def _write_tensors(state: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(state, path)
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
        "input": {**spec.__dict__, "mean": list(spec.mean), "std": list(spec.std)},
        "resize": {"short_side": geometry.margin, "crop": geometry.size, "interpolation": geometry.interpolation},
        "stages": [{"name": name, "action": action.value} for name, action in network.actions.items()],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def write_card(folder: Path, verdict: Verdict, sentences: list[str]) -> None:
    """The model card beside a model that `save` wrote, with the score as it was reported."""
    score, description = verdict.score, json.loads((folder / DESCRIPTION).read_text())
    lines = [
        "---",
        "library_name: frostline",
        "pipeline_tag: image-classification",
        "---",
        f"# {verdict.chosen.backbone or 'model'}: {verdict.chosen.recipe}",
        "",
        *sentences,
        "",
        f"- {score.metric}: {score.interval.value:.4f} (95 % interval {score.interval.low:.4f} to {score.interval.high:.4f}),"
        f" {score.how}, {score.images} images",
        f"- classes: {', '.join(description['classes'])}",
        f"- parameters: {description['parameters']:,}",
        "",
        "Valid for images like those it was fitted on; it knows no other classes. Not a medical device.",
        "",
        "```python",
        "import frostline as fl",
        "",
        'model = fl.load("model/")',
        "```",
    ]
    write_text(folder / CARD, "\n".join(lines) + "\n")


def has_card(folder: Path) -> bool:
    """Whether `write_card` has been here."""
    return (folder / CARD).exists()


def load(folder: str | Path) -> Classifier:
    """The model in `folder` (a run's `model/`, or the run itself), ready to predict, in evaluation mode.

    Raises:
        InputError: there is no model, or it is damaged or of another version.
    """
    path = Path(folder)
    path = path / "model" if (path / "model" / DESCRIPTION).exists() else path
    if not (path / DESCRIPTION).exists():
        raise RunFolderError(
            f"{folder} holds no model: {DESCRIPTION} is missing. Give a run that has finished, or its model/ folder."
        )
    try:
        return _rebuild(path, read_description(path / DESCRIPTION))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise RunFolderError(f"the model in {path} is damaged: {error}. Export it again from its run.") from error


def _rebuild(path: Path, description: dict[str, Any]) -> Classifier:
    if description["schema_version"] != SCHEMA_VERSION:
        raise RunFolderError(
            f"the model in {path} has schema_version {description['schema_version']}, expected {SCHEMA_VERSION}."
        )
    if not str(description["backbone"]).startswith(LIBRARIES):
        raise RunFolderError(
            f"the model in {path} asks for the backbone {description['backbone']!r}; only {', '.join(LIBRARIES)} are rebuilt from"
            " a file, because anything else could run a stranger's code. Build it in Python and load the weights yourself."
        )
    given = description["input"]
    spec = InputSpec(**{**given, "mean": tuple(given["mean"]), "std": tuple(given["std"])})
    backbone = backbones.load(description["backbone"], pretrained=False, size=spec.height)
    if [stage.cut.name for stage in backbone.stages] != description["cuts"]:
        backbone = backbone.with_stages(description["cuts"])
    classes = tuple(str(name) for name in description["classes"])
    network = build(Recipe.parse(description["recipe"]), backbone, len(classes), description["seed"])
    network.load_state_dict(load_file(path / WEIGHTS))
    return Classifier(network, spec, classes, Geometry.of(spec)).eval()
