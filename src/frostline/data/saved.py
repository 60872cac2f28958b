"""Data sets that Hugging Face's `datasets` saved to disk: their images become files, once, beside a table of the other columns.

Read with Arrow alone, so that neither `datasets` nor any code of the data set is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.data.picture import STARTS
from frostline.errors import NO_ROOM, DataError, room_in

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

STATE, INFO, SEVERAL_PARTS = "state.json", "dataset_info.json", "dataset_dict.json"
_TABLE = "index.jsonl"


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder: one part, or several in folders."""
    return (folder / STATE).is_file() or (folder / SEVERAL_PARTS).is_file()


def unpack(folder: Path) -> tuple[pd.DataFrame, Path]:
    """(a row an image with its path, the data set's other columns and its split; the folder that paths are relative to).

    The folder is in the user's cache, named by the content: unpacked once, and it may be deleted at any time.

    Raises:
        DataError: a file is damaged, or no column holds images.
    """
    import pandas as pd

    files = [(part, file) for part, where in _parts(folder) for file in _files(where)]
    root = _cache() / _identity(files)
    if not (root / _TABLE).is_file():
        _write(folder, files, root)
    return pd.read_json(root / _TABLE, lines=True, dtype=False), root


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "frostline" / "unpacked"


def _parts(folder: Path) -> list[tuple[str | None, Path]]:
    """(split's name, its folder)."""
    if (folder / STATE).is_file():
        return [(None, folder)]
    return [(str(name), folder / str(name)) for name in _json(folder / SEVERAL_PARTS).get("splits", ())]


def _files(folder: Path) -> list[Path]:
    """The Arrow files of one part, in order."""
    names = [Path(str(one["filename"])).name for one in _json(folder / STATE).get("_data_files", ())]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        raise DataError(
            f"{folder} was saved by `datasets`, but {missing[0] if missing else 'every data file'} is not there; save it again."
        )
    return [folder / name for name in names]


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}. Save the data set again.") from error
    return found if isinstance(found, dict) else {}


def _identity(files: list[tuple[str | None, Path]]) -> str:
    whole = hashlib.sha256()
    for part, file in files:
        with file.open("rb") as stream:
            whole.update(f"{part}/{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()[:32]


def _write(folder: Path, files: list[tuple[str | None, Path]], root: Path) -> None:
    """All images and the table under a temporary name, then in place at once."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with room_in(root.parent), tempfile.TemporaryDirectory(dir=root.parent) as temporary:
        made = Path(temporary) / root.name
        made.mkdir()
        with (made / _TABLE).open("w", encoding="utf-8") as table:
            for number, (part, file) in enumerate(files):
                for row in _rows(folder, part, file, made, number):
                    table.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        if root.exists():  # an unpacking that was deleted in part
            shutil.rmtree(root)
        made.rename(root)


def _rows(folder: Path, part: str | None, file: Path, made: Path, number: int) -> Iterator[dict[str, Any]]:
    """The rows of one Arrow file without their images, which are written below `made`."""
    import pyarrow as pa

    inside, names, count = part or "images", _label_names(file.parent), 0
    (made / inside).mkdir(exist_ok=True)
    try:
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
            column = _image_column(folder, stream.schema)
            for batch in stream:
                for row in batch.to_pylist():
                    content = _content(row.pop(column), file, count)
                    path = f"{inside}/{number:03d}-{count:07d}{_suffix(content)}"
                    (made / path).write_bytes(content)
                    others = {key: _named(value, names.get(key)) for key, value in row.items()}
                    yield {**others, "path": path, **({} if part is None else {"split": part})}
                    count += 1
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        raise DataError(f"{file} cannot be read as Arrow ({error}); save the data set again.") from error


def _image_column(folder: Path, schema: pa.Schema) -> str:
    """The one that holds encoded pictures: bytes, with a path."""
    import pyarrow as pa

    for field in schema:
        if pa.types.is_struct(field.type) and {"bytes", "path"} <= {
            field.type.field(i).name for i in range(field.type.num_fields)
        }:
            return str(field.name)
    raise DataError(
        f"{folder} was saved by `datasets`, but none of its columns ({', '.join(schema.names)}) holds images; expected one of the"
        " feature Image. Cast it: dataset.cast_column(NAME, datasets.Image())."
    )


def _content(image: dict[str, Any] | None, file: Path, row: int) -> bytes:
    if image is None or not image["bytes"]:
        raise DataError(f"{file}, row {row}: it holds no picture, only {(image or {}).get('path')!r}; save the data set again.")
    return bytes(image["bytes"])


def _suffix(content: bytes) -> str:
    return next((suffix for start, suffix in STARTS.items() if content.startswith(start)), ".png")


def _label_names(folder: Path) -> dict[str, list[str]]:
    """Column -> names of its classes, where it holds their numbers."""
    found = {}
    for column, feature in _json(folder / INFO).get("features", {}).items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else feature[0] if feature else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            found[str(column)] = [str(name) for name in inner.get("names", ())]
    return found


def _named(value: Any, names: list[str] | None) -> Any:
    """Numbers of classes as their names; -1 is no class."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if 0 <= value < len(names) else None
