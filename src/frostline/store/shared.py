"""A second tier of the activation cache that several machines and runs share: a folder, or any place that fsspec writes to.

An array lies under a name that ends in the hash of its bytes; the label that names it is written last. Each of the two is there
whole or not at all: on a file system by renaming, in object storage because an upload is visible only when it is complete. So
two runs that publish one entry at once leave the label of one of them, and the array that belongs to it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from frostline.errors import NO_ROOM, OptionError
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


class _Here(Exception):
    """What failed is this machine's, and nothing that the store could mend."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class SharedStore:
    """A place that is asked before anything is computed, and told afterwards. Nothing depends on it.

    Attributes:
        url: as given, but for a user's name and password: it is written down and said.
        lost: why it is not asked any more, once it was away for too long; empty while it answers.
        told: called with a sentence when it is waited for.
        sleep, now: seconds, on some clock; what `sleep` raises ends the waiting. most: seconds that may be waited from now on.
    """

    url: str
    patience_s: float = PATIENCE_S
    told: Callable[[str], None] = lambda sentence: None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    most: Callable[[], float] = lambda: math.inf
    lost: str = ""
    fetched_bytes: int = 0
    published_bytes: int = 0
    _fs: Any = field(init=False, repr=False)
    _root: str = field(init=False)

    def __post_init__(self) -> None:
        self._fs, self._root = _opened(self.url)
        self.url = without_user(self.url)

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
        """Whether the entry was there and is now, intact, in the file `to`.

        Raises:
            OSError: of the file `to`.
        """
        label = self._asked(lambda: self._copied(key, to))
        if label is None or to.stat().st_size != label.file_bytes or sha256(to) != label.sha256:
            return False
        self.fetched_bytes += label.file_bytes
        return True

    def size(self, key: ActivationKey) -> int:
        """Bytes of the entry's file; 0 where there is none."""
        label = self._asked(lambda: self._label(key))
        return label.file_bytes if label else 0

    def publish(self, key: ActivationKey, file: Path) -> None:
        """Copy a finished entry to the store, unless it is there; nothing where the file is gone: a cache may be deleted."""
        if self._asked(lambda: self._label(key)) is not None or self.lost:
            return
        with contextlib.suppress(OSError):  # of the file alone: what the store raises is dealt with by waiting
            label = SharedLabel(key, file.stat().st_size, sha256(file))
            self._asked(lambda: self._put_both(label, file))

    # One attempt -----------------------------------------------------------------------------------------------------

    def _label(self, key: ActivationKey) -> SharedLabel | None:
        try:
            label = build(SharedLabel, json.loads(self._fs.cat_file(self._label_path(key))))
        except (FileNotFoundError, ValueError):
            return None
        return label if label.key == key else None

    def _copied(self, key: ActivationKey, to: Path) -> SharedLabel | None:
        label = self._label(key)
        if label is None:
            return None
        try:
            self._fs.get_file(self._array_path(key, label.sha256), str(to))
        except FileNotFoundError:  # somebody clears the store
            return None
        except OSError as error:
            if error.errno in NO_ROOM:  # reading takes none over there
                raise _Here(error) from error
            raise
        return label

    def _put_both(self, label: SharedLabel, file: Path) -> None:
        try:
            self._put(file, self._array_path(label.key, label.sha256))
        except OSError as error:
            if not file.exists():
                raise _Here(error) from error
            raise
        self._put(json.dumps(plain(label)).encode(), self._label_path(label.key))
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
        begun = self.now()
        try:
            return self._patiently(action)
        except Away as error:
            self.lost = (
                f"The store {self.url} did not answer for {self.now() - begun:.0f} s ({error}): the search went on without it,"
                " and nothing that was finished is lost."
            )
            self.told(self.lost)
            return None

    def _patiently(self, action: Callable[[], T]) -> T:
        """`action`, tried again with growing waits.

        Raises:
            Away: it still fails when the patience is over. OSError: something here failed.
        """
        begun, wait = self.now(), _FIRST_WAIT_S
        while True:
            try:
                return action()
            except _Here as found:
                raise found.error from None
            except Exception as error:  # what a connection raises differs from one file system to the next
                left = min(self.patience_s - (self.now() - begun), self.most())
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
            f"--store {without_user(url)} cannot be used ({_reason(error)}); expected a folder or a URL such as s3://BUCKET/PATH.{more}"
        ) from error
    return fs, str(root).rstrip("/")


def without_user(text: str) -> str:
    """`text` with URLs in it that name neither a user nor a password."""
    return re.sub(r"://[^/\s]*@", "://", text)


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
    said = without_user(" ".join(str(error).split()))[:200].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
