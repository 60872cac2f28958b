"""A second tier of the activation cache that several machines and runs share: a folder, or any place that fsspec writes to.

An array lies under a name that ends in the hash of its bytes; the label that names it is written last. Each of the two is there
whole or not at all: on a file system by renaming, in object storage because an upload is visible only when it is complete. So
two runs that publish one entry at once leave the label of one of them, and the array that belongs to it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from frostline.errors import OptionError
from frostline.store.files import publish, sha256, temporary_beside
from frostline.store.values import build, plain
from frostline.terms.activations import ActivationKey

T = TypeVar("T")

FORMAT = "activations-1"
PATIENCE_S = 120.0  # a store that is away for a minute is waited for
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 15.0
_INSTALL = {"s3": "pip install 'frostline[s3]'"}


@dataclass(frozen=True)
class SharedLabel:
    """What the store says of an entry."""

    key: ActivationKey
    file_bytes: int
    sha256: str


class Away(Exception):
    """The store did not answer for as long as it is waited for."""


@dataclass
class SharedStore:
    """A place that is asked before anything is computed, and told afterwards. Nothing depends on it.

    Attributes:
        url: as given. lost: why it is not asked any more, once it was away for too long; empty while it answers.
        told: called with a sentence when it is waited for.
        sleep, now: seconds, on some clock.
    """

    url: str
    patience_s: float = PATIENCE_S
    told: Callable[[str], None] = lambda sentence: None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    lost: str = ""
    fetched_bytes: int = 0
    published_bytes: int = 0
    _fs: Any = field(init=False, repr=False)
    _root: str = field(init=False)

    def __post_init__(self) -> None:
        self._fs, self._root = _opened(self.url)

    def check(self) -> None:
        """
        Raises:
            OptionError: it cannot be written to.
        """
        try:
            self._put(b"frostline activations\n", f"{self._root}/{FORMAT}/README")
        except Exception as error:  # every file system has its own
            raise OptionError(
                f"--store {self.url} cannot be written to ({_reason(error)}); expected a folder, or s3://BUCKET/PATH with a"
                " bucket that is there and credentials in the environment. Correct it, or leave --store out."
            ) from error

    def fetch(self, key: ActivationKey, to: Path) -> bool:
        """Whether the entry was there and is now, intact, in the file `to`."""
        return bool(self._asked(lambda: self._fetch(key, to)))

    def size(self, key: ActivationKey) -> int:
        """Bytes of the entry's file; 0 where there is none."""
        label = self._asked(lambda: self._label(key))
        return label.file_bytes if label else 0

    def publish(self, key: ActivationKey, file: Path) -> None:
        """Copy a finished entry to the store, unless it is there."""
        self._asked(lambda: self._publish(key, file))

    # One attempt -----------------------------------------------------------------------------------------------------

    def _label(self, key: ActivationKey) -> SharedLabel | None:
        try:
            label = build(SharedLabel, json.loads(self._fs.cat_file(self._label_path(key))))
        except (FileNotFoundError, ValueError):
            return None
        return label if label.key == key else None

    def _fetch(self, key: ActivationKey, to: Path) -> bool:
        label = self._label(key)
        if label is None:
            return False
        try:
            self._fs.get_file(self._array_path(key, label.sha256), str(to))
        except FileNotFoundError:  # somebody clears the store
            return False
        if to.stat().st_size != label.file_bytes or sha256(to) != label.sha256:
            return False
        self.fetched_bytes += label.file_bytes
        return True

    def _publish(self, key: ActivationKey, file: Path) -> None:
        if self._label(key) is not None:
            return
        label = SharedLabel(key, file.stat().st_size, sha256(file))
        self._put(file, self._array_path(key, label.sha256))
        self._put(json.dumps(plain(label)).encode(), self._label_path(key))
        self.published_bytes += label.file_bytes

    def _array_path(self, key: ActivationKey, content: str) -> str:
        return f"{self._root}/{FORMAT}/{key.id[:2]}/{key.id}-{content[:32]}.npy"

    def _label_path(self, key: ActivationKey) -> str:
        return f"{self._root}/{FORMAT}/{key.id[:2]}/{key.id}.json"

    def _put(self, content: bytes | Path, path: str) -> None:
        if _is_local(self._fs):
            _put_local(content, Path(path))
        elif isinstance(content, Path):
            self._fs.put_file(str(content), path)
        else:
            self._fs.pipe_file(path, content)

    # Several ---------------------------------------------------------------------------------------------------------

    def _asked(self, action: Callable[[], T]) -> T | None:
        """What `action` gives; None once the store is lost."""
        if self.lost:
            return None
        try:
            return self._patiently(action)
        except Away as error:
            self.lost = (
                f"The store {self.url} did not answer for {self.patience_s:.0f} s ({error}): the search went on without it, and"
                " nothing that was finished is lost."
            )
            self.told(self.lost)
            return None

    def _patiently(self, action: Callable[[], T]) -> T:
        """`action`, tried again with growing waits.

        Raises:
            Away: it still fails when the patience is over.
        """
        begun, wait = self.now(), _FIRST_WAIT_S
        while True:
            try:
                return action()
            except Exception as error:  # what a connection raises differs from one file system to the next
                left = self.patience_s - (self.now() - begun)
                if left <= 0 or isinstance(error, PermissionError):
                    raise Away(_reason(error)) from error
                if wait == _FIRST_WAIT_S:
                    self.told(f"The store {self.url} does not answer ({_reason(error)}); it is tried again for {left:.0f} s.")
                self.sleep(min(wait, left))
                wait = min(_LONGEST_WAIT_S, 2 * wait)


def _opened(url: str) -> tuple[Any, str]:
    """(file system, path in it).

    Raises:
        OptionError: no such kind of place is known, or the package for it is not installed.
    """
    import fsspec

    protocol = url.partition("://")[0] if "://" in url else "file"
    # its own retries would hide for minutes that it is away
    options = (
        {"config_kwargs": {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}} if protocol == "s3" else {}
    )
    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
    except (ImportError, ValueError) as error:
        more = f" Install what it needs: {_INSTALL[protocol]}" if protocol in _INSTALL else ""
        raise OptionError(
            f"--store {url} cannot be used ({_reason(error)}); expected a folder or a URL such as s3://BUCKET/PATH.{more}"
        ) from error
    return fs, str(root).rstrip("/")


def _is_local(fs: Any) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _put_local(content: bytes | Path, path: Path) -> None:
    """Under a name of its own, then renamed: on a shared file system too the others see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        shutil.copyfile(content, temporary) if isinstance(content, Path) else temporary.write_bytes(content)
        publish(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    said = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
