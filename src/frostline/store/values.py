"""Frozen dataclasses to plain JSON types and back: text becomes a value here, once."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import reprlib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from frostline.errors import RunFolderError
from frostline.store.files import read_json, write_text
from frostline.terms.identity import digest
from frostline.terms.recipe import Recipe
from frostline.terms.verdict import SCHEMA_VERSION

T = TypeVar("T")

MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError)  # what values of another kind than expected raise


def plain(value: Any) -> Any:
    """`value` as JSON types; a recipe is its line, a float that is not finite is null (JSON has no NaN).

    Raises:
        TypeError: a part of `value` has no such form.
    """
    if isinstance(value, Recipe):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def build(kind: type[T], data: Any) -> T:
    """The value of type `kind` that `plain` made `data` of; null for a float is NaN.

    Raises:
        ValueError: `data` does not have that shape; says where.
    """
    built: T = _build(kind, data, kind.__name__)
    return built


def write_value(path: Path, value: Any) -> None:
    """`value`, a dataclass, as `write_document` writes it."""
    write_document(path, plain(value))


def write_document(path: Path, fields: dict[str, Any]) -> None:
    """`fields` as a JSON file with a `schema_version` and a `checksum`, atomically; a number that is not finite is null."""
    document = {"schema_version": SCHEMA_VERSION, **plain(fields)}
    document["checksum"] = digest(document)
    write_text(path, json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_value(path: Path, kind: type[T]) -> T:
    """The value of type `kind` that `write_value` wrote.

    Raises:
        RunFolderError: the file is missing, damaged or of another schema.
    """
    document = read_document(path)
    try:
        return build(kind, document)
    except MISSHAPEN as error:
        raise RunFolderError(f"{path} is damaged: {error}. Run the same search again: finished trials are kept.") from error


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, without its `schema_version` and its `checksum`, which were checked.

    Raises:
        RunFolderError: the file is missing, no such object, of another schema, or not what was written.
    """
    try:
        document = read_json(path)
    except FileNotFoundError as error:
        raise RunFolderError(f"{path} is missing: the search has not come to a verdict; run it again to continue it.") from error
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}. Run the same search again: finished trials are kept.") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise RunFolderError(
            f"{path} has schema_version {reprlib.repr(version)}, expected {SCHEMA_VERSION}. Run the same search again."
        )
    written = document.pop("checksum", None)
    if written is not None and written != digest(document):
        raise RunFolderError(
            f"{path} is damaged: its checksum does not fit. Run the same search again: finished trials are kept."
        )
    return {name: item for name, item in document.items() if name != "schema_version"}


def _build(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Recipe:
        return Recipe.parse(_expect(data, str, where))
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    if origin in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(kind) if choice is not type(None)]
        optional = len(choices) < len(typing.get_args(kind))
        return None if data is None and optional else _build(choices[0], data, where)
    if origin is tuple:
        return _build_tuple(typing.get_args(kind), data, where)
    if origin is dict:
        item = typing.get_args(kind)[1]
        return {key: _build(item, value, f"{where}.{key}") for key, value in _expect(data, dict, where).items()}
    return _build_scalar(kind, data, where)


def _build_dataclass(kind: Any, data: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(_expect(data, dict, where)) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown field {', '.join(map(str, unknown))[:200]}")
    missing = [field.name for field in dataclasses.fields(kind) if field.name not in data and _required(field)]
    if missing:
        raise ValueError(f"{where}: field {', '.join(missing)} is missing")
    return kind(**{name: _build(hints[name], item, f"{where}.{name}") for name, item in data.items()})


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _build_tuple(kinds: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    items = _expect(data, list, where)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_build(kinds[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if len(kinds) != len(items):
        raise ValueError(f"{where}: expected {len(kinds)} items, found {len(items)}")
    return tuple(_build(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, items, strict=True)))


def _build_scalar(kind: Any, data: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    if kind is float:
        return math.nan if data is None else float(_expect(data, (int, float), where))
    return _expect(data, kind, where)


def _expect(data: Any, kind: Any, where: str) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ValueError(f"{where}: {reprlib.repr(data)} has the wrong type {type(data).__name__}")
    return data
