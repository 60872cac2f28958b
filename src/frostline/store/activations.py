"""The outputs of frozen prefixes on disk: a cache that may be deleted at any time."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from frostline.errors import NO_ROOM, DiskFull, StoreFull
from frostline.store.eviction import Stored, to_evict
from frostline.store.files import TEMPORARY, crc32, publish, remove_abandoned, temporary_beside, write_text
from frostline.store.shared import SharedStore
from frostline.store.values import build, plain
from frostline.terms.activations import ActivationKey
from frostline.terms.room import take_room

RESERVE_BYTES = 256 * 2**20  # left free on the disk for results and for everybody else
OVERHEAD_BYTES = 2048  # of an entry: the array's header, and its label


@dataclass(frozen=True)
class _Label:
    """What stands beside an entry: its identity and what its file must look like."""

    key: ActivationKey
    file_bytes: int
    crc32: int
    worth: float = 0.0


class ActivationStore:
    """Entries `<key id>.npy`, each with a small JSON beside it that is written last.

    Arguments:
        folder: made when first needed.
        budget_bytes: of all entries together; None for no limit but the disk's.
        reserve_bytes: stay free on the disk.
        shared: a second tier: asked for what is not here, told what was made here.

    Attributes:
        refusals: a sentence for each entry that found no room.
        evicted: how many entries made room for others.
        lent: entry -> its worth for now, where that is less than was written down.
    """

    def __init__(
        self,
        folder: Path,
        budget_bytes: int | None = None,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        shared: SharedStore | None = None,
    ) -> None:
        self.folder = folder
        self.budget_bytes = budget_bytes
        self.reserve_bytes = reserve_bytes
        self.shared = shared
        self.refusals: list[str] = []
        self.evicted = 0
        self.lent: dict[str, float] = {}
        self._verified: dict[str, tuple[int, int]] = {}
        self._mapped: dict[str, weakref.ref[Any]] = {}
        remove_abandoned(folder)

    def get(self, key: ActivationKey, worth: float = 0.0) -> np.memmap[Any, Any] | None:
        """The stored array (n, ...), read-only; None when it is missing or damaged, here and in the second tier.

        The whole file is compared with its checksum the first time that this store hands it out, unless this store took the
        checksum and the file is still the one that it read. While the array, or a view of it, is in use, it is not evicted: a
        file that is mapped keeps its place on the disk after it was deleted.

        Args:
            worth: of what is fetched from the second tier, as for `writer`.
        """
        found = self._here(key)
        if found is None and self.shared is not None and self._fetched(self.shared, key, worth):
            found = self._here(key)
        if found is not None:
            with contextlib.suppress(OSError):  # the label's time, not the array's: that one tells whether it was changed
                os.utime(self._label_path(key))
            self._mapped[key.id] = weakref.ref(found._mmap)  # type: ignore[attr-defined]
        return found

    def _here(self, key: ActivationKey) -> np.memmap[Any, Any] | None:
        try:
            label = build(_Label, json.loads(self._label_path(key).read_text()))
            if label.key != key or not self._intact(key, label):
                return None
            array = np.load(self._path(key), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):  # whatever is damaged is computed again
            return None
        return array if isinstance(array, np.memmap) else None

    def __contains__(self, key: ActivationKey) -> bool:
        return self.get(key) is not None

    def _fetched(self, shared: SharedStore, key: ActivationKey, worth: float) -> bool:
        """Whether the second tier had the entry, and there was room for it."""
        temporary = temporary_beside(self._path(key))
        try:
            with self.room():
                self.folder.mkdir(parents=True, exist_ok=True)
                size = shared.size(key)
                if not size:
                    return False
                self._make_room(size, worth)
                if not shared.fetch(key, temporary):
                    return False
                label = _Label(key, _size(temporary), crc32(temporary), worth)
                publish(temporary, self._path(key))
                write_text(self._label_path(key), json.dumps(plain(label)))
                return True
        except StoreFull:
            return False
        finally:
            temporary.unlink(missing_ok=True)

    def writer(self, key: ActivationKey, shape: tuple[int, ...], dtype: npt.DTypeLike, worth: float = 0.0) -> ActivationWriter:
        """A context manager whose `array` is filled in slices and published when the block ends without an error.

        Args:
            worth: seconds that the entry saves a byte; entries worth less, and in nobody's use, make room for it.

        Raises:
            StoreFull: the budget or the disk has no room for it: compute without the cache.
        """
        with self.room():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize, worth)
            return ActivationWriter(self, key, shape, np.dtype(dtype), worth)

    def room(self) -> contextlib.AbstractContextManager[None]:
        """While one of its files is written: no room, or no file any more, is `StoreFull`, and why is added to `refusals`."""
        return _telling_full(self.folder, self.refusals)

    def discard(self, keys: Iterable[ActivationKey]) -> None:
        """Remove these entries: nobody will ask for them. Who still reads one may go on."""
        for key in keys:
            self._label_path(key).unlink(missing_ok=True)
            self._path(key).unlink(missing_ok=True)

    def bytes_used(self) -> int:
        """Of all entries, those being written included."""
        return sum(_size(path) for path in self._files())

    def _files(self) -> list[Path]:
        patterns = ("*.npy", "*.json", f".*{TEMPORARY}")
        return [path for pattern in patterns for path in self.folder.glob(pattern)]

    def _path(self, key: ActivationKey) -> Path:
        return self.folder / f"{key.id}.npy"

    def _label_path(self, key: ActivationKey) -> Path:
        return self.folder / f"{key.id}.json"

    def would_fit(self, needed: int) -> bool:
        """Whether so many bytes more find room without evicting anything."""
        free = shutil.disk_usage(self.folder).free if self.folder.exists() else needed + self.reserve_bytes
        budget = self.budget_bytes
        return needed + self.reserve_bytes <= free and (budget is None or self.bytes_used() + needed + OVERHEAD_BYTES <= budget)

    def _make_room(self, needed: int, worth: float) -> None:
        """Evict what is worth less, where that makes room.

        Raises:
            StoreFull: it does not.
        """
        if worth > 0 and not self.would_fit(needed):
            over = 0 if self.budget_bytes is None else self.bytes_used() + needed + OVERHEAD_BYTES - self.budget_bytes
            missing = max(over, needed + self.reserve_bytes - shutil.disk_usage(self.folder).free)
            for entry in to_evict(self._unused(), missing, worth) or ():
                (self.folder / f"{entry.name}.json").unlink(missing_ok=True)
                (self.folder / f"{entry.name}.npy").unlink(missing_ok=True)
                self.evicted += 1
        self._check_room(needed)

    def _unused(self) -> list[Stored]:
        """The entries whose arrays nobody in this process holds."""
        found = []
        for path in self.folder.glob("*.npy"):
            mapping = self._mapped.get(path.stem)
            if mapping is None or mapping() is None:
                label = path.with_suffix(".json")
                worth = self.lent.get(path.stem, _worth(label))
                found.append(Stored(path.stem, _size(path), worth, label.stat().st_mtime if label.exists() else 0.0))
        return found

    def _check_room(self, needed: int) -> None:
        used = self.bytes_used()
        if self.budget_bytes is not None and used + needed > self.budget_bytes:
            raise StoreFull(
                f"the activation cache holds {used:,} of at most {self.budget_bytes:,} bytes and {needed:,} more are needed;"
                " give a larger --cache-size."
            )
        free = shutil.disk_usage(self.folder).free
        if needed + self.reserve_bytes > free:
            raise StoreFull(f"{needed:,} bytes of activations do not fit on the disk of {self.folder}: {free:,} bytes are free.")

    def _intact(self, key: ActivationKey, label: _Label) -> bool:
        status = self._path(key).stat()
        if status.st_size != label.file_bytes:
            return False
        seen = (status.st_mtime_ns, status.st_ino)
        if self._verified.get(key.id) != seen:
            if crc32(self._path(key)) != label.crc32:
                return False
            self._verified[key.id] = seen
        return True


@dataclass(frozen=True)
class _Sealed:
    """A file as it was checked: its size, its checksum, and (time of writing in ns, inode), by which it is known again."""

    bytes: int
    crc32: int
    seen: tuple[int, int]


class ActivationWriter:
    """Fill `array` (n, ...) in slices: `with store.writer(...) as writer: writer.array[a:b] = ...`.

    Nothing is visible to readers before the block ends; after an error nothing is left.
    """

    def __init__(
        self,
        store: ActivationStore,
        key: ActivationKey,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        worth: float,
    ) -> None:
        self._store, self._key, self._worth = store, key, worth
        self._path, self._label_path = store._path(key), store._label_path(key)
        self._temporary = temporary_beside(self._path)
        self._sealed: _Sealed | None = None
        try:
            self.array: np.memmap[Any, Any] = np.lib.format.open_memmap(self._temporary, mode="w+", dtype=dtype, shape=shape)
            _allocate(self._temporary)
        except OSError:
            self.abandon()
            raise

    def __enter__(self) -> ActivationWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.publish()
        else:
            self.abandon()

    def seal(self) -> None:
        """Sync the file and take its checksum: nothing may be written to `array` after that. `publish` does it where nobody did.

        Raises:
            OSError: the file is gone, or cannot be read.
        """
        self.array.flush()
        status = self._temporary.stat()  # before it is read: what is changed after that is looked at again
        self._sealed = _Sealed(status.st_size, crc32(self._temporary), (status.st_mtime_ns, status.st_ino))

    def publish(self) -> None:
        """Make the entry visible: the array first, then its label, which is what readers look for."""
        try:
            with _telling_full(self._path.parent, self._store.refusals):
                if self._sealed is None:
                    self.seal()
                assert self._sealed is not None
                label = _Label(self._key, self._sealed.bytes, self._sealed.crc32, self._worth)
                self._label_path.unlink(missing_ok=True)
                publish(self._temporary, self._path)
                self._store._verified[self._key.id] = self._sealed.seen
                write_text(self._label_path, json.dumps(plain(label)))
        finally:
            self.abandon()
        if self._store.shared is not None:
            self._store.shared.publish(self._key, self._path)

    def abandon(self) -> None:
        """Forget what was written and not published."""
        self._temporary.unlink(missing_ok=True)


def seal(writers: Sequence[ActivationWriter]) -> None:
    """Seal them, several at a time: reading for a checksum and waiting for the disk let other threads run.

    What fails here fails again, and is told, when the writer is published.
    """
    with ThreadPoolExecutor(max(1, min(len(writers), os.cpu_count() or 1))) as pool:
        for done in [pool.submit(writer.seal) for writer in writers]:
            with contextlib.suppress(OSError):
                done.result()


def _allocate(path: Path) -> None:
    """Reserve the blocks now: writing into a hole of a full disk through a memory map would kill the process."""
    with path.open("r+b") as file:
        take_room(file, max(1, path.stat().st_size))


@contextlib.contextmanager
def _telling_full(folder: Path, refusals: list[str]) -> Iterator[None]:
    """Errors that mean no room, or no folder any more, become `StoreFull`; why is added to `refusals`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM | {errno.ENOENT}:
            raise
        refusals.append(f"activations cannot be written to {folder}: {error.strerror}.")
        raise StoreFull(refusals[-1]) from error
    except (DiskFull, StoreFull) as error:
        refusals.append(str(error))
        raise StoreFull(refusals[-1]) from error


def _worth(label: Path) -> float:
    """Nothing for what has no label: nobody would find it."""
    try:
        return build(_Label, json.loads(label.read_text())).worth
    except (OSError, ValueError):
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
