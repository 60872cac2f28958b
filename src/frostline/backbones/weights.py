"""Weight files: read without unpickling anything but tensors, and checked against the network name by name."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from frostline.backbones.architecture import State
from frostline.errors import BackboneError, nearest
from frostline.terms.backbone import INTERPOLATIONS

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_SWOLLEN = 4  # times the file: tied weights stand in it once
_CONTAINERS = ("state_dict", "model", "model_state_dict", "net", "module")


def read_weights(path: Path) -> State:
    """Tensors by name, on the CPU, half-precision ones as 32-bit floats; containers and `module.` prefixes taken off.

    Raises:
        BackboneError: no such file, another suffix, or not a file of tensors alone.
    """
    refuse_missing(path)
    if path.suffix not in SUFFIXES:
        raise BackboneError(f"weights file {str(path)!r}: expected one of {', '.join(SUFFIXES)}; save it as .safetensors.")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    _refuse_swollen(path, state)
    return {name.removeprefix("module."): _single_precision(tensor) for name, tensor in state.items()}


def refuse_missing(path: Path) -> None:
    """Nothing, where the file is there.

    Raises:
        BackboneError: it is not; the message names the nearest one that is.
    """
    if not path.is_file():
        siblings = [sibling.name for sibling in path.parent.glob("*")] if path.parent.is_dir() else []
        raise BackboneError(
            f"weights file {str(path)!r} does not exist.{nearest(path.name, siblings)} Give the path of a weights file."
        )


def _refuse_swollen(path: Path, state: State) -> None:
    """A few bytes that say to be a large tensor, or many, by being shown again and again."""
    said, held = sum(tensor.numel() * tensor.element_size() for tensor in state.values()), path.stat().st_size
    if said > _SWOLLEN * held + 2**20:
        raise BackboneError(
            f"weights file {str(path)!r} has {held:,} bytes and tensors of {said:,}: it repeats itself."
            " Save a plain state_dict()."
        )


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise BackboneError(
            f"weights file {str(path)!r} is not a readable safetensors file ({error}); fetch it again."
        ) from error


def _read_torch(path: Path) -> State:
    try:
        _refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that mean nothing raise nearly anything in an unpickler
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BackboneError(
            f"weights file {str(path)!r} holds more than tensors, or is damaged ({reason}). Nothing else is unpickled;"
            " load it where you trust it and save its state_dict() as .safetensors."
        ) from error
    state = _unwrapped(content)
    if not state or not all(isinstance(name, str) and _is_plain(value) for name, value in state.items()):
        raise BackboneError(
            f"weights file {str(path)!r} holds no dictionary of tensors; expected a state_dict, bare or under"
            " 'state_dict' or 'model'."
        )
    return state


def _refuse_packed(path: Path) -> None:
    """torch writes an archive without compression; a compressed one may unfold to any size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("its archive is compressed, as torch never writes it")


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor of numbers in memory."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


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


def fits_wholly(network: nn.Module, state: State) -> bool:
    """Whether `state` has every tensor of `network` and no other, in the same shapes."""
    own = network.state_dict()
    return own.keys() == state.keys() and all(own[name].shape == tensor.shape for name, tensor in state.items())


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
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(f"{str(file)!r} beside the weights is not readable JSON ({error}); mend or remove it.") from error
    if not isinstance(content, dict):
        raise BackboneError(f"{str(file)!r} beside the weights is not a JSON object as timm writes it; mend or remove it.")
    inner = content.get("pretrained_cfg")
    found = {**content, **(inner if isinstance(inner, dict) else {})}
    wrong = [f"{key} is {str(found[key])[:60]!r}" for key, fits in _CONFIG.items() if found.get(key) and not fits(found[key])]
    if wrong:
        raise BackboneError(
            f"{str(file)!r} beside the weights cannot be used: {'; '.join(wrong)}. Expected mean and std as numbers, input_size"
            " as channels, height and width, crop_pct as a share, interpolation as a name; mend or remove it."
        )
    return found


def _are_numbers(value: Any, low: float, high: float, count: int | None = None) -> bool:
    listed = isinstance(value, list) and (count is None or len(value) == count)
    return listed and all(isinstance(item, (int, float)) and low <= item <= high for item in value)


_CONFIG: dict[str, Callable[[Any], bool]] = {
    "mean": lambda value: _are_numbers(value, -1, 1),
    "std": lambda value: _are_numbers(value, 1e-6, 1),
    "input_size": lambda value: _are_numbers(value, 1, 8192, 3) and all(isinstance(item, int) for item in value),
    "crop_pct": lambda value: isinstance(value, (int, float)) and 0 < value <= 1,
    "interpolation": lambda value: value in INTERPOLATIONS,
}
