"""A finished trial is one file: `results/<trial id>.npz`."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.store.files import replacing
from frostline.store.values import build, plain
from frostline.terms.evidence import Filters
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Trial

FORMAT_VERSION = 1

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Document:
    """The fields of a result that are not arrays."""

    version: int
    trial: Trial
    outcome: Outcome
    seconds: float
    trained_parameters: int
    converged: bool | None
    message: str
    forked: int = 0
    filters: Filters | None = None


class ResultStore:
    """Finished trials in a folder, each a file that is there completely or not at all.

    Attributes:
        notes: a sentence for each file that `load_all` could not use; its trial has to run again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []

    def path(self, trial: Trial) -> Path:
        """Where the result of `trial` is or will be."""
        return self.folder / f"{trial.id}.npz"

    def save(self, result: Result) -> Path:
        """Write `result`; when this returns it survives kill -9 and a power cut."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = _arrays(result)
        path = self.path(result.trial)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, checksum=_checksum(arrays), **arrays)
        return path

    def load_all(self) -> dict[str, Result]:
        """Every finished trial by its id. A damaged file is left out, with a sentence in `notes`."""
        self.notes.clear()
        found: dict[str, Result] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                found[path.stem] = _read(path)
            except Exception as error:  # a flipped bit can raise nearly anything in a zip reader
                self.notes.append(f"{path.name} is damaged ({error}); its trial is run again.")
        return found


def _arrays(result: Result) -> dict[str, Any]:
    document = _Document(
        FORMAT_VERSION,
        result.trial,
        result.outcome,
        result.seconds,
        result.trained_parameters,
        result.converged,
        result.message,
        result.forked,
        result.filters,
    )
    text = json.dumps(plain(document), allow_nan=False, sort_keys=True)
    return {
        "document": np.frombuffer(text.encode(), dtype=np.uint8),
        "indices": np.asarray(result.indices),
        "probabilities": np.asarray(result.probabilities),
        "curve": np.array([value for row in result.curve for value in row], dtype=np.float64),
        "curve_rows": np.array([len(row) for row in result.curve], dtype=np.int64),
    }


def _read(path: Path) -> Result:
    with np.load(path, allow_pickle=False) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.zip.infolist()):
            raise ValueError("it is compressed, as no trial is written")
        arrays = {name: archive[name] for name in archive.files}
    if not np.array_equal(arrays.pop("checksum"), _checksum(arrays)):
        raise ValueError("its checksum does not fit")
    document = build(_Document, json.loads(arrays["document"].tobytes()))
    if document.trial.id != path.stem:
        raise ValueError(f"it holds trial {document.trial.id}")
    return Result(
        document.trial,
        document.outcome,
        arrays["indices"],
        arrays["probabilities"],
        _rows(arrays["curve"], arrays["curve_rows"]),
        document.seconds,
        document.trained_parameters,
        document.converged,
        document.message,
        document.forked,
        document.filters,
    )


def _rows(values: Array, lengths: Array) -> tuple[tuple[float, ...], ...]:
    parts = np.split(values, np.cumsum(lengths))[: len(lengths)]
    return tuple(tuple(float(value) for value in part) for part in parts)


def _checksum(arrays: Mapping[str, Array]) -> npt.NDArray[np.uint8]:
    """SHA-256 over names, types, shapes and bytes: the archive's own CRC does not cover all of its headers."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape} ".encode())
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return np.frombuffer(sha.digest(), dtype=np.uint8)
