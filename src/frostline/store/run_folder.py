"""The folder of one run: its identity, its lock, and where everything in it is."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import reprlib
import shutil
import weakref
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import yaml

from frostline.errors import RunFolderError, room_in
from frostline.store.files import remove_temporary, write_text
from frostline.store.results import ResultStore
from frostline.store.values import MISSHAPEN, build, plain
from frostline.terms.identity import digest
from frostline.terms.kernels import Kernels
from frostline.terms.settings import Settings

T = TypeVar("T")

SCHEMA_VERSION = 1
MAY_DIFFER = (
    "data",
    "test",
    "time_s",
    "cache_bytes",
    "store",
    "backend",
    "workers",
    "address",
    "devices_per_trial",
    "trial_cpus",
    "trial_gpus",
    "include_images",
    "deep",
)  # the fingerprint tells what is in data and test
SECTIONS = ("kernels", "sizes", "registered", "opened", "took_s")
_MOST_CONFIG_BYTES = 4 * 2**20  # reading YAML takes seconds a megabyte
WRITTEN = ("schema_version", "frostline", "settings", *SECTIONS, "checksum")


class RunFolder:
    """An open run. Made by `create` (locked, to write) or `open` (to read); close it or use it in a `with` block.

    Attributes:
        path: the folder.
        settings: what the search was asked, resolved.
        version: of the frostline that wrote it.
    """

    def __init__(self, path: Path, settings: Settings, version: str, lock: _Lock | None = None, new: bool = False) -> None:
        self.path, self.settings, self.version = path, settings, version
        self._lock = lock
        self._new = new
        self._made = False

    @classmethod
    def create(cls, path: Path, settings: Settings, version: str) -> RunFolder:
        """A new run in `path`, or the same run continued; locked until it is closed or its process ends.

        Raises:
            RunFolderError: another search's folder, a folder that is no run, or one that is being written.
        DiskFull: there is no room for its first files.
        """
        _refuse_foreign(path)
        there = path.exists()
        try:
            with room_in(_existing(path)):
                path.mkdir(parents=True, exist_ok=True)
                lock = _Lock(path)
        except OSError as error:
            raise RunFolderError(
                f"the run folder {path} cannot be written: {error.strerror}. Give another one with -o."
            ) from error
        try:
            run = cls._locked(path, settings, version, lock)
        except BaseException:
            lock.release()
            raise
        run._made = not there
        return run

    @classmethod
    def _locked(cls, path: Path, settings: Settings, version: str, lock: _Lock) -> RunFolder:
        continued = (path / "config.yaml").exists()
        if continued:
            _refuse_different(path, _read_settings(path, _read_config(path)), settings)
        run = cls(path, settings, version, lock, new=not continued)
        for folder in (path, run.results.folder, run.model_path, run.cache_path, run.activations_path, run.checkpoints_path):
            remove_temporary(folder)  # whoever holds the lock is the only writer
        run._write_config(run.sections() if continued else {})
        with room_in(path):
            run.results.folder.mkdir(exist_ok=True)
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run in `path`, to read; it may be being written meanwhile.

        Raises:
            RunFolderError: there is no run, or its config.yaml cannot be read.
        """
        if not (path / "config.yaml").is_file():
            what = "is not a run folder: it has no config.yaml" if path.is_dir() else "does not exist"
            raise RunFolderError(f"{path} {what}. Give the folder that `frostline search -o` wrote.")
        config = _read_config(path)
        return cls(path, _read_settings(path, config), str(config.get("frostline", "unknown")))

    def section(self, name: str) -> Any:
        """What `write_section` stored under `name` (`kernels`, `sizes`), or None."""
        return self.sections().get(name)

    @property
    def took_s(self) -> float:
        """Seconds of the run's earlier starts, as far as they were written down.

        Raises:
            RunFolderError: what stands there is no number.
        """
        return self._expected(self.section("took_s") or 0.0, float, "took_s")

    def kernels(self) -> list[Kernels]:
        """The modes that were found when the run first started, with the seconds that they took at its last start.

        Raises:
            RunFolderError: what stands there is nothing that frostline writes.
        """
        written = self.section("kernels") or []
        found = [self._built(Kernels, entry, "kernels") for entry in self._expected(written, list, "kernels")]
        odd = [what for one in found for what in one.oddities()]
        if odd:
            raise self._odd("kernels", ", ".join(odd)[:200])
        return found

    def sizes(self, name: str, kind: type[T]) -> T | None:
        """What was written down as `name` among the sizes; None where nothing was.

        Raises:
            RunFolderError: it is nothing that frostline writes.
        """
        sizes = self._expected(self.section("sizes") or {}, dict, "sizes")
        return self._built(kind, sizes[name], "sizes") if name in sizes else None

    def write_sizes(self, name: str, value: Any) -> None:
        """Store `value`, a dataclass, as `name` among the sizes."""
        self.write_section("sizes", {**(self.section("sizes") or {}), name: plain(value)})

    def _built(self, kind: type[T], entry: Any, section: str) -> T:
        try:
            return build(kind, entry)
        except MISSHAPEN as error:
            raise self._odd(section, str(error)) from error

    def _expected(self, value: Any, kind: type[T], section: str) -> T:
        if not isinstance(value, kind):
            raise self._odd(section, f"a {type(value).__name__}, expected a {kind.__name__}")
        return value

    def _odd(self, section: str, what: str) -> RunFolderError:
        return RunFolderError(
            f"{self.path / 'config.yaml'} holds {section} that frostline does not write: {what}. If you did not change it, do not"
            " trust this folder; start the search again with another one: -o RUN."
        )

    def sections(self) -> dict[str, Any]:
        """Everything in config.yaml that is not the settings."""
        config = _read_config(self.path)
        return {name: config[name] for name in SECTIONS if name in config}

    def write_section(self, name: str, value: Any) -> None:
        """Store `value` (plain types, tuples and dataclasses) in config.yaml under `name`."""
        if name not in SECTIONS:
            raise ValueError(f"section {name!r} is not one of {', '.join(SECTIONS)}")
        self._write_config({**self.sections(), name: plain(value)})

    def _write_config(self, sections: dict[str, Any]) -> None:
        head = {"schema_version": SCHEMA_VERSION, "frostline": self.version}
        said = {"settings": plain(self.settings), **sections}
        checksum = digest(yaml.safe_load(_as_yaml({**head, **said})))  # before what it is of: a file that was cut short keeps it
        write_text(self.path / "config.yaml", _as_yaml({**head, "checksum": checksum, **said}))

    @property
    def results(self) -> ResultStore:
        return ResultStore(self.path / "results")

    @property
    def images_path(self) -> Path:
        """The folder that the paths in `splits.csv` start from: the data, or where their table lies."""
        data = Path(self.settings.data)
        return data.parent if data.is_file() else data

    @property
    def splits_path(self) -> Path:
        return self.path / "splits.csv"

    @property
    def plan_path(self) -> Path:
        return self.path / "plan.json"

    @property
    def table_path(self) -> Path:
        return self.path / "results.csv"

    @property
    def verdict_path(self) -> Path:
        return self.path / "verdict.json"

    @property
    def evidence_path(self) -> Path:
        return self.path / "evidence.json"

    @property
    def predictions_path(self) -> Path:
        return self.path / "predictions.parquet"

    @property
    def facts_path(self) -> Path:
        return self.path / "facts.json"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    @property
    def model_path(self) -> Path:
        return self.path / "model"

    @property
    def cache_path(self) -> Path:
        return self.path / "cache"

    @property
    def activations_path(self) -> Path:
        return self.cache_path / "activations"

    @property
    def checkpoints_path(self) -> Path:
        return self.cache_path / "checkpoints"

    def discard_if_new(self) -> None:
        """Release the lock, and leave things as they were if this run was only just begun: its search was refused."""
        if self._new:
            (self.path / "config.yaml").unlink(missing_ok=True)
            for name in ("results", "cache", "splits.csv", "plan.json", ".lock"):
                _remove(self.path / name)
        self.close()
        if self._made:
            with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
                self.path.rmdir()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _as_yaml(config: dict[str, Any]) -> str:
    return str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def _existing(path: Path) -> Path:
    """`path`, or the folder above it that is there."""
    return next((folder for folder in (path, *path.absolute().parents) if folder.exists()), path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refuse_foreign(path: Path) -> None:
    """Nothing may be touched, not even by a lock file, in a folder that somebody else uses for something else."""
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"the run folder {path} is a file. Give another name with -o.")
    if not path.is_dir() or (path / "config.yaml").exists():
        return
    others = sorted(item.name for item in path.iterdir() if not item.name.startswith("."))
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise RunFolderError(
            f"the folder {path} is not empty and not a run: it holds {shown} and no config.yaml."
            " Give a new or an empty folder with -o."
        )


def _refuse_different(path: Path, found: Settings, given: Settings) -> None:
    names = [field.name for field in dataclasses.fields(Settings) if field.name not in MAY_DIFFER]
    differences = [_difference(name, found, given) for name in names if getattr(found, name) != getattr(given, name)]
    if differences:
        raise RunFolderError(
            f"the run folder {path} holds a different search: {'; '.join(differences)}."
            " Give another folder with -o, or the options it was started with to continue it."
        )


def _difference(name: str, found: Settings, given: Settings) -> str:
    if name == "fingerprint":
        before, now = _images(found), _images(given)
        return f"its images are others (it was started on {before}, now {now})" if before != now else f"other images of {now}"
    return f"{name.replace('_', '-')} was {_shown(getattr(found, name))}, now {_shown(getattr(given, name))}"


def _images(settings: Settings) -> str:
    return settings.data if settings.test is None else f"{settings.data} with the test set {settings.test}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "not given" if value is None else str(value)


class _Loader(yaml.SafeLoader):
    """Plain values alone: no aliases, by which a few lines can stand for any number of values."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("it holds an alias, which frostline never writes")
        return super().compose_node(parent, index)


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.yaml"
    try:
        if file.stat().st_size > _MOST_CONFIG_BYTES:
            raise ValueError(f"it has {file.stat().st_size:,} bytes, at most {_MOST_CONFIG_BYTES:,} are expected")
        config = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{file} cannot be read: {' '.join(str(error).split())}. Give another folder with -o.") from error
    if not isinstance(config, dict) or "settings" not in config:
        raise RunFolderError(f"{file} was not written by frostline: it has no settings. Give another folder with -o.")
    if config.get("schema_version") != SCHEMA_VERSION:
        raise RunFolderError(
            f"{file} has schema_version {reprlib.repr(config.get('schema_version'))} and this frostline reads {SCHEMA_VERSION};"
            f" it was written by frostline {reprlib.repr(config.get('frostline'))}. Use that version, or another folder with -o."
        )
    return config


def _read_settings(path: Path, config: dict[str, Any]) -> Settings:
    try:
        settings = build(Settings, config["settings"])
        _refuse_changed(config)
        return settings
    except MISSHAPEN as error:
        raise RunFolderError(f"{path / 'config.yaml'} is damaged: {error}. Mend it, or give another folder with -o.") from error


def _refuse_changed(config: dict[str, Any]) -> None:
    """A flipped bit may leave a file that reads well and says something else; one without a checksum was written by hand."""
    others = [str(name) for name in config if name not in WRITTEN]
    if others:
        raise ValueError(f"unknown field {', '.join(others)[:200]}")
    written = config.get("checksum")
    if written is not None and written != digest({name: item for name, item in config.items() if name != "checksum"}):
        raise ValueError("its checksum does not fit what it says")


class _Lock:
    """`flock` on `.lock`: it vanishes with its process. Forked workers give their copy back, or they would keep it alive."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] | None = (folder / ".lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise RunFolderError(
                f"the run folder {folder} is being written by {owner}. Wait for it, or give another folder with -o."
            ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {os.uname().nodename}")
        self._file.flush()
        _held_locks.add(self)

    def release(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self.close_copy()
        _held_locks.discard(self)

    def close_copy(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


_held_locks: weakref.WeakSet[_Lock] = weakref.WeakSet()


def _close_copies() -> None:
    for lock in list(_held_locks):
        lock.close_copy()


os.register_at_fork(after_in_child=_close_copies)
