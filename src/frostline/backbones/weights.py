"""Weight files: read without unpickling anything but tensors, and checked against the network name by name."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from frostline.backbones.architecture import State
from frostline.errors import BackboneError, nearest

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_CONTAINERS = ("state_dict", "model", "model_state_dict", "net", "module")


def read_weights(path: Path) -> State:
    """Tensors by name, on the CPU, half-precision ones as 32-bit floats; containers and `module.` prefixes taken off.

    Raises:
        BackboneError: no such file, another suffix, or not a file of tensors alone.
    """
    if not path.is_file():
        siblings = [sibling.name for sibling in path.parent.glob("*")] if path.parent.is_dir() else []
        raise BackboneError(
            f"weights file {str(path)!r} does not exist.{nearest(path.name, siblings)} Give the path of a weights file."
        )
    if path.suffix not in SUFFIXES:
        raise BackboneError(f"weights file {str(path)!r}: expected one of {', '.join(SUFFIXES)}; save it as .safetensors.")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return {name.removeprefix("module."): _single_precision(tensor) for name, tensor in state.items()}


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise BackboneError(
            f"weights file {str(path)!r} is not a readable safetensors file ({error}); fetch it again."
        ) from error


def _read_torch(path: Path) -> State:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackboneError(
            f"weights file {str(path)!r} holds more than tensors, or is damaged ({reason}). Nothing else is unpickled;"
            " load it where you trust it and save its state_dict() as .safetensors."
        ) from error
    state = _unwrapped(content)
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise BackboneError(
            f"weights file {str(path)!r} holds no dictionary of tensors; expected a state_dict, bare or under"
            " 'state_dict' or 'model'."
        )
    return state


def _unwrapped(content: Any) -> State:
    """The innermost dictionary of tensors."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in _CONTAINERS if isinstance(content.get(key), Mapping)]
        if not inner:
            return dict(content)
        content = inner[0]
    return {}


def _single_precision(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def fit_state(network: nn.Module, state: State, classifier: Sequence[str], source: str) -> list[str]:
    """Copy `state` into `network`; what the old classifier lacks or has in another shape does not matter.

    Returns:
        names of the classifier's tensors that were left random.

    Raises:
        BackboneError: naming which tensors are missing, unknown, or of another shape.
    """
    own = network.state_dict()
    old_head = {name for name in own if _is_under(name, classifier)}
    head_like = {name for name in state if _is_under(name, classifier)}
    wrong = [name for name in own if name in state and own[name].shape != state[name].shape]
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    problems = [
        _listed("missing", [name for name in missing if name not in old_head]),
        _listed("unexpected", [name for name in unknown if name not in head_like]),
        _listed("of another shape", [_shapes(name, own, state) for name in wrong if name not in old_head]),
    ]
    if any(problems):
        raise BackboneError(
            f"the weights of {source} do not fit: {'; '.join(filter(None, problems))}. Expected the tensors of this architecture"
            " (only the old classifier's may be missing); check the architecture's name against where the file comes from."
        )
    copy_in(network, {name: tensor for name, tensor in state.items() if name in own and name not in wrong})
    return [name for name in own if name in old_head and (name in missing or name in wrong)]


def copy_in(network: nn.Module, state: State) -> None:
    """Copy tensors of the right names and shapes into `network`, as tensors of its own version of each module."""
    versioned = OrderedDict(state)
    # without it a module that once changed its layout takes the state for one of its first version
    versioned._metadata = getattr(network.state_dict(), "_metadata", None)  # type: ignore[attr-defined]
    network.load_state_dict(versioned, strict=False)


def _is_under(name: str, paths: Sequence[str]) -> bool:
    return any(name == path or name.startswith(path + ".") for path in paths)


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > 5 else ""
    return f"{len(names)} tensors {what} ({', '.join(names[:5])}{more})"


def _shapes(name: str, own: State, state: State) -> str:
    return f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"


def read_config(path: Path) -> dict[str, Any]:
    """The `config.json` in timm's form beside a weights file, flattened (`pretrained_cfg` over the rest); empty without one.

    Raises:
        BackboneError: it is not a JSON object.
    """
    file = path.parent / "config.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"{str(file)!r} beside the weights is not readable JSON ({error}); mend or remove it.") from error
    if not isinstance(content, dict):
        raise BackboneError(f"{str(file)!r} beside the weights is not a JSON object as timm writes it; mend or remove it.")
    inner = content.get("pretrained_cfg")
    return {**content, **(inner if isinstance(inner, dict) else {})}
