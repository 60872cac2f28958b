"""States of trainings that longer ones go on from: a cache that may be deleted at any time."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from frostline.errors import DiskFull
from frostline.store.files import crc32, replacing, write_text
from frostline.store.values import build, plain
from frostline.terms.identity import digest


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a training goes on from.

    Attributes:
        tensors: trained parameters, buffers, and the optimizer's own: on the CPU, contiguous, not shared.
        losses: of the epochs so far.
    """

    tensors: dict[str, Tensor]
    losses: tuple[float, ...]

    @property
    def epochs(self) -> int:
        return len(self.losses)


@dataclass(frozen=True)
class _Label:
    """What stands beside an entry.

    Attributes:
        trajectory: identity of everything that the state depends on.
        seal: over the other fields and the file of tensors.
    """

    trajectory: str
    losses: tuple[float, ...]
    seal: str

    def fits(self, path: Path) -> bool:
        return self.seal == _seal(self.trajectory, self.losses, path)


@dataclass(frozen=True)
class CheckpointStore:
    """Entries `<name>.safetensors`, each with a small JSON beside it that is written last.

    Attributes:
        folder: made when first needed.
        budget_bytes: of all entries, and of what lies in the folders `beside`, together.
    """

    folder: Path
    budget_bytes: int
    beside: tuple[Path, ...] = ()

    def load(self, name: str, trajectory: str) -> Checkpoint | None:
        """The state under `name`, if it is there, intact and of that very trajectory."""
        path = self._path(name)
        try:
            label = build(_Label, json.loads(self._label_path(name).read_text()))
            intact = label.trajectory == trajectory and label.fits(path)
            return Checkpoint(load_file(path), label.losses) if intact else None
        except (OSError, ValueError, SafetensorError):
            return None

    def holds(self, name: str) -> bool:
        """Whether there is something under `name`; whether it is intact, `load` says."""
        return self._label_path(name).exists()

    def save(self, name: str, trajectory: str, state: Checkpoint) -> bool:
        """Whether `state` found room under `name`, in the place of what was there; nothing depends on it."""
        needed = sum(tensor.numel() * tensor.element_size() for tensor in state.tensors.values())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.remove(name)
            if self.bytes_used() + sum(map(_bytes_in, self.beside)) + needed > self.budget_bytes:
                return False
            self._write(name, trajectory, state)
        except (OSError, DiskFull, SafetensorError):  # it is a cache
            return False
        return True

    def _write(self, name: str, trajectory: str, state: Checkpoint) -> None:
        with replacing(self._path(name)) as temporary:
            save_file(state.tensors, temporary)
            label = _Label(trajectory, state.losses, _seal(trajectory, state.losses, temporary))
        write_text(self._label_path(name), json.dumps(plain(label)))

    def remove(self, name: str) -> None:
        """Forget `name`: nothing will go on from it."""
        self._label_path(name).unlink(missing_ok=True)
        self._path(name).unlink(missing_ok=True)

    def clear(self, but: str | None = None) -> None:
        """Forget everything, or everything but the names that end in `but`."""
        with contextlib.suppress(OSError):  # it is a cache
            for path in self.folder.glob("*"):
                if but is None or not path.stem.endswith(but):
                    path.unlink(missing_ok=True)

    def bytes_used(self) -> int:
        """Of all entries."""
        return _bytes_in(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _label_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _bytes_in(folder: Path) -> int:
    found = 0
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            found += path.stat().st_size
    return found


def _seal(trajectory: str, losses: tuple[float, ...], path: Path) -> str:
    return digest([trajectory, losses, path.stat().st_size, crc32(path)])
