"""Any frozen value as a JSON file and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from frostline.errors import RunFolderError
from frostline.store.files import write_text
from frostline.store.values import build, plain

T = TypeVar("T")


def write_value(path: Path, value: Any) -> None:
    """Write `value` atomically."""
    write_text(path, json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def read_value(path: Path, kind: type[T]) -> T:
    """The value of type `kind` that `write_value` wrote.

    Raises:
        RunFolderError: the file is missing or is not of that shape.
    """
    try:
        return build(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}. Continue the run to write it again.") from error
