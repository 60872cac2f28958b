"""`model.json` of a stranger: read as plain values, and refused where it asks for anything but a picture classifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from frostline.terms.backbone import LIBRARIES, InputSpec

DESCRIPTION = "model.json"
MOST_BYTES = 64 * 2**20
MOST_SIZE = 4096  # pixels of a side
LIBRARY_NAME = re.compile(rf"({'|'.join(LIBRARIES)})/[\w.\-]{{1,200}}(\?channels=\d{{1,4}})?")  # no folder, no hub, no file

_Check = Callable[[Any], bool]


def checked(found: Any) -> dict[str, Any]:
    """What `model.json` says, every field that is used checked for its kind.

    Raises:
        ValueError: says which field is what instead of what.
    """
    if not isinstance(found, dict):
        raise ValueError(f"it holds {type(found).__name__}, an object is expected")
    _expect(found, "", _FIELDS)
    _expect(found["input"], "input.", _INPUT)
    library = found["backbone"].split("/")[0]
    if library in LIBRARIES and LIBRARY_NAME.fullmatch(found["backbone"]) is None:
        raise ValueError(f"its backbone {found['backbone'][:80]!r} is no plain name of {library}")
    return found


def spec_of(description: dict[str, Any]) -> InputSpec:
    """What the described model expects of an image."""
    given = description["input"]
    return InputSpec(**{**given, "mean": tuple(given["mean"]), "std": tuple(given["std"])})


def _expect(given: dict[str, Any], where: str, fields: dict[str, tuple[_Check, str]]) -> None:
    for name, (fits, expected) in fields.items():
        if name not in given:
            raise ValueError(f"{where}{name} is missing")
        if not fits(given[name]):
            raise ValueError(f"{where}{name} is {str(given[name])[:80]!r}; expected {expected}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(item) for item in value)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 1024 and all(_is_number(item, -1e6, 1e6) for item in value)


_FIELDS: dict[str, tuple[_Check, str]] = {
    "schema_version": (lambda value: _is_whole(value, 1, 1_000_000), "a whole number"),
    "backbone": (_is_text, "a name"),
    "recipe": (_is_text, "a recipe"),
    "cuts": (_is_texts, "names of cuts"),
    "classes": (_is_texts, "names of classes"),
    "seed": (lambda value: _is_whole(value, 0, 2**64), "a whole number"),
    "input": (lambda value: isinstance(value, dict), "an object"),
}
_SIDE: tuple[_Check, str] = (lambda value: _is_whole(value, 1, MOST_SIZE), f"a whole number from 1 to {MOST_SIZE}")
_INPUT: dict[str, tuple[_Check, str]] = {
    "channels": (lambda value: _is_whole(value, 1, 1024), "a whole number"),
    "height": _SIDE,
    "width": _SIDE,
    "mean": (_is_numbers, "numbers"),
    "std": (_is_numbers, "numbers"),
    "interpolation": (_is_text, "a name"),
    "crop_pct": (lambda value: _is_number(value, 0.05, 1), "a number up to 1"),
}
