"""A stable identity for a value: the hash of its canonical JSON."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from typing import Any


def canonical(value: Any) -> Any:
    """`value` as plain JSON types.

    Raises:
        TypeError: a part of the value has no canonical form. It is an error, never a random key.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return canonical(value.value)
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form, so it cannot be part of an identity")


def digest(value: Any, length: int = 16) -> str:
    """The first `length` hexadecimal digits of the SHA-256 of `value`'s canonical JSON (keys sorted)."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
