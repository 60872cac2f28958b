"""Names of backbones as they are typed: `LIBRARY/MODEL[=FILE][?OPTION=VALUE&...]`, or the folder of a model made by frostline."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from frostline.backbones.exported import model_folder
from frostline.errors import BackboneError, nearest
from frostline.terms.backbone import INTERPOLATIONS, LIBRARIES, InputSpec

OPTIONS = ("mean", "std", "size", "channels", "interpolation", "crop_pct", "stages")
MOST_CHANNELS = 1024
_OPTIONS_PART = re.compile(r"^(?P<head>.*)\?(?P<options>\w+=[^?]*)$", re.DOTALL)
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Reference:
    """A name, taken apart.

    Attributes:
        library: `timm`, `torchvision`, `demo`, `factory` (an own function `package.module:function`), `exported` (a model that
            frostline made) or empty for a bare name.
        model: the name inside the library; the folder of an exported one.
        weights: a file, or None.
        stages: names of cuts that shall end the stages; empty for frostline's own choice.
        channels: of the images, where the network's first layer shall take others than its own.
    """

    library: str
    model: str
    weights: Path | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    interpolation: str | None = None
    crop_pct: float | None = None
    stages: tuple[str, ...] = ()
    channels: int | None = None

    @property
    def name(self) -> str:
        """Without weights and options."""
        return self.model if self.library in ("", "factory", "exported") else f"{self.library}/{self.model}"

    def applied_to(self, spec: InputSpec) -> InputSpec:
        """`spec` with what the options say instead.

        Raises:
            BackboneError: the number of means or deviations is not that of the channels.
        """
        given = {
            "mean": self.mean,
            "std": self.std,
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
        }
        changed = dataclasses.replace(spec, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
        for key, values in (("mean", changed.mean), ("std", changed.std)):
            if len(values) != changed.channels:
                raise BackboneError(
                    f"backbone {self.name!r}: option {key} has {len(values)} values, but the network takes {changed.channels}"
                    f" channels; give {changed.channels} values separated by commas."
                )
        return changed


def parse_name(text: str) -> Reference:
    """The reference that `text` says.

    Raises:
        BackboneError: an empty name, an unknown library or option, or a value that does not fit its option.
    """
    match = _OPTIONS_PART.match(text.strip())
    head, options = (match["head"], match["options"]) if match else (text.strip(), "")
    folder = model_folder(head) if head else None
    if folder is not None:
        return Reference("exported", str(folder), **_options(text, options))  # type: ignore[arg-type]
    model, _, file = head.partition("=")
    library, model = _library(text, model.strip())
    weights = Path(file).expanduser() if file else None
    return Reference(library, model, weights, **_options(text, options))  # type: ignore[arg-type]


def _library(text: str, model: str) -> tuple[str, str]:
    if not model:
        raise BackboneError(f"backbone {text!r} has no name; expected for example 'timm/resnet18.a1_in1k'.")
    library, slash, rest = model.partition("/")
    if slash and library in LIBRARIES and rest:
        return library, rest
    if _FACTORY.fullmatch(model):
        return "factory", model
    if not slash:
        return "", model
    if Path(model).expanduser().is_dir():
        raise BackboneError(
            f"backbone {text!r} is a folder without a model that frostline made: model.json is missing. Give a run that has"
            " finished, or its model/ folder; weights of another origin as LIBRARY/MODEL=FILE."
        )
    raise BackboneError(
        f"backbone {text!r}: {library!r} is not one of the libraries {', '.join(LIBRARIES)}.{nearest(library, LIBRARIES)}"
        " Write LIBRARY/MODEL, for example 'timm/resnet18.a1_in1k'; `frostline backbones PATTERN` lists names."
    )


def _options(text: str, options: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in filter(None, options.split("&")):
        key, _, value = pair.partition("=")
        if key not in OPTIONS:
            raise BackboneError(f"backbone {text!r}: option {key!r} is not one of {', '.join(OPTIONS)}.{nearest(key, OPTIONS)}")
        try:
            found[key] = _value(key, value)
        except ValueError as error:
            raise BackboneError(f"backbone {text!r}: option {pair!r} does not fit; expected {error}.") from None
    return found


def _value(key: str, value: str) -> object:
    """Raises ValueError whose message says what was expected."""
    if key in ("mean", "std"):
        return _numbers(value, positive=key == "std")
    if key == "size":
        if not value.isdigit() or int(value) < 1:
            raise ValueError("a whole number of pixels, for example size=224")
        return int(value)
    if key == "channels":
        if not value.isdigit() or not 1 <= int(value) <= MOST_CHANNELS:
            raise ValueError("a number of channels, for example channels=1")
        return int(value)
    if key == "crop_pct":
        return _share(value)
    if key == "interpolation":
        if value not in INTERPOLATIONS:
            raise ValueError(f"one of {', '.join(INTERPOLATIONS)}")
        return value
    return tuple(filter(None, value.split(",")))


def _numbers(value: str, positive: bool) -> tuple[float, ...]:
    expected = "one number a channel for pixels in 0..1, for example 0.485,0.456,0.406"
    try:
        numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise ValueError(expected) from None
    if not all(-1 <= number <= 1 for number in numbers) or (positive and min(numbers) <= 0):
        raise ValueError(expected)
    return numbers


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("a share above 0 and at most 1, for example crop_pct=0.875")
    return share
