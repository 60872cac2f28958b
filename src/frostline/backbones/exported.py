"""Models that frostline made, as backbones: "train on cats, then transfer to X-rays" is two searches.

Nothing in the folder is run: the architecture is made by timm's or torchvision's own code, and the tensors are plain ones.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from frostline.backbones.architecture import Architecture, State
from frostline.backbones.description import DESCRIPTION, MOST_BYTES, checked, spec_of
from frostline.backbones.weights import read_weights
from frostline.errors import BackboneError
from frostline.terms.backbone import LIBRARIES

WEIGHTS = ("model.safetensors", "weights.safetensors")
TRAINED_ON = "trained-on.txt"  # digests of the images that the weights have seen, one a line

_STAGE = re.compile(r"trunk\.parts\.\d+\.body\.")  # in front of the original name, where the tensors carry frostline's


def model_folder(text: str) -> Path | None:
    """The folder with a model that `text` names (a run, or its `model/`); None where it names none."""
    folder = Path(text).expanduser()
    return next((path for path in (folder, folder / "model") if (path / DESCRIPTION).is_file()), None)


def exported_name(folder: Path) -> str:
    """`frostline/cats` for the run `runs/cats`."""
    home = folder.resolve()
    return f"frostline/{home.parent.name if home.name == 'model' else home.name}"


def architecture(folder: Path, find: Callable[[str], Architecture]) -> Architecture:
    """The architecture of the model in `folder`, whose published weights are that model's.

    Args:
        find: the architecture behind a library's name.

    Raises:
        BackboneError: the model is damaged, was cut short, or is on an own network.
    """
    described = _read(folder)
    name, kept, cuts = str(described["backbone"]), described["stages"], described["cuts"]
    if name.partition("/")[0] not in LIBRARIES:
        raise BackboneError(
            f"the model in {str(folder)!r} is on the network {name!r}; only those on {', '.join(LIBRARIES)} are backbones by"
            f" their folder, because anything else could run a stranger's code. Give it as '{name}=FILE' if you trust it."
        )
    if len(kept) < len(cuts):
        raise BackboneError(
            f"the model in {str(folder)!r} kept {len(kept)} of {len(cuts)} stages ('{described['recipe']}'); a backbone needs all"
            " of them. Search again with recipes that drop nothing, for example --recipe 'weights: random | all: tune | head:"
            " linear'."
        )
    base = find(name)
    note = f"weights of {exported_name(folder)}: fitted by frostline on {described['images']:,} images ('{described['recipe']}')."
    return dataclasses.replace(base, spec=spec_of(described), download=lambda: _state(folder), notes=(*base.notes, note))


def trained_on(folder: Path) -> frozenset[str]:
    """Digests of the images that the model's weights have seen, those of its own source included; empty where none are known."""
    file = folder / TRAINED_ON
    return frozenset(file.read_text(encoding="ascii").split()) if file.is_file() else frozenset()


def digests_text(digests: Iterable[str]) -> str:
    """What stands in `trained-on.txt`."""
    return "".join(f"{digest}\n" for digest in sorted({one for one in digests if one}))


def _read(folder: Path) -> dict[str, Any]:
    file = folder / DESCRIPTION
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        found: Any = json.loads(file.read_text(encoding="utf-8"))
        missing = [name for name in ("backbone", "stages", "cuts", "recipe", "images", "input") if name not in found]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BackboneError(f"{DESCRIPTION} in {str(folder)!r} cannot be read ({error}); export the model again.") from error
    if missing:
        raise BackboneError(f"{DESCRIPTION} in {str(folder)!r} says nothing about {', '.join(missing)}; export the model again.")
    try:
        spec_of(checked(found))
        if not isinstance(found["stages"], list) or not isinstance(found["images"], int):
            raise ValueError("stages is no list, or images no number")
    except (TypeError, ValueError) as error:
        raise BackboneError(f"{DESCRIPTION} in {str(folder)!r} is damaged: {error}; export the model again.") from error
    return dict(found)


def _state(folder: Path) -> State:
    """Tensors by their original names, without what is new behind the stages."""
    file = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise BackboneError(f"the model in {str(folder)!r} has none of {', '.join(WEIGHTS)}; export the model again.")
    state = read_weights(file)
    if any(_STAGE.match(name) for name in state):
        return {_STAGE.sub("", name, count=1): tensor for name, tensor in state.items() if _STAGE.match(name)}
    return state
