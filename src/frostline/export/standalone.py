"""Short programs that use an exported model without frostline, made from the templates beside this file."""

from __future__ import annotations

from importlib import resources
from typing import Any

from frostline.export.bundle import Classifier


def program(template: str, constants: dict[str, Any]) -> str:
    """The text of `templates/TEMPLATE.py` with its constants, and with the code that prepares an image, in their places."""
    lines = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    text = _template(template).replace("# constants\n", lines + "\n")
    return text.replace("# prepare\n", _template("prepare"))


def preparation(model: Classifier) -> dict[str, Any]:
    """What a program must know to turn a file into pixels, and probabilities into names."""
    return {
        "CLASSES": list(model.classes),
        "THRESHOLDS": list(model.thresholds),
        "SHORT": model.geometry.margin,
        "SIZE": model.geometry.size,
        "INTERPOLATION": model.geometry.interpolation,
        "CHANNELS": model.spec.channels,
    }


def _template(name: str) -> str:
    return resources.files("frostline.export").joinpath("templates", f"{name}.py").read_text(encoding="utf-8")
