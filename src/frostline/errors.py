"""Every error that frostline raises on purpose.

    FrostlineError
    ├── InputError               what the user gave cannot be used; exit code 2
    │   ├── DataError            images, tables, folders
    │   ├── BackboneError        names, weights, networks that cannot be cut
    │   ├── RecipeError          a recipe line that does not parse or does not fit the backbone
    │   ├── OptionError          an option out of range, or options that contradict each other
    │   └── RunFolderError       the run folder is another search's, locked, or damaged
    ├── AllTrialsFailed          every trial failed; exit code 3
    ├── ExportFailed             a model cannot be written in the form asked for, or answers differently there; exit code 1
    ├── CrewLost                 of the processes that train one network one died: the next start tries that trial again
    ├── DiskFull                 no room for something that must be kept: the same command continues later; exit code 2
    ├── ClusterGone              the machines that carry out the trials are out of reach: the same command continues; exit code 2
    └── StoreFull                no room for stored activations: caught by the caller, which computes them again

A message says what was given, what was expected, the nearest valid choice and what to do next.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the disk, the user's quota, the largest file allowed


class FrostlineError(Exception):
    """The root of the tree; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(FrostlineError):
    """What the user gave cannot be used."""

    exit_code = 2


class DataError(InputError):
    """Images, tables or folders that cannot be used."""


class BackboneError(InputError):
    """A backbone's name, weights or network cannot be used."""


class RecipeError(InputError):
    """A recipe line does not parse, or does not fit the backbone."""


class OptionError(InputError):
    """An option is out of range, or two options contradict each other."""


class RunFolderError(InputError):
    """The run folder belongs to another search, is in use, or is damaged."""


class AllTrialsFailed(FrostlineError):
    """Not one trial finished."""

    exit_code = 3


class ExportFailed(FrostlineError):
    """A model cannot be written in the form that was asked for, or gives other answers there; nothing is left behind."""


class CrewLost(FrostlineError):
    """One of several processes that train one network together died; none of them is left."""


class DiskFull(FrostlineError):
    """There is no room for something that must be kept; what was finished before is safe."""

    exit_code = 2


class ClusterGone(FrostlineError):
    """The cluster that carries out the trials is out of reach; what was finished before is safe."""

    exit_code = 2


class StoreFull(FrostlineError):
    """The activation cache's budget or its disk has no room; whoever asked computes without it."""


def nearest(given: str, choices: Iterable[str], count: int = 3) -> str:
    """The sentence ` Nearest: a, b.` for the choices closest to `given`, or an empty string."""
    close = difflib.get_close_matches(given, list(choices), n=count, cutoff=0.5)
    return f" Nearest: {', '.join(close)}." if close else ""


@contextlib.contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """While writing into `folder`: the system's word for a full disk becomes a `DiskFull` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise no_room(folder, error.strerror or "it is full") from error
        raise


def no_room(folder: Path, why: str) -> DiskFull:
    """The error for a disk on which something in `folder` did not fit."""
    return DiskFull(
        f"the disk of {folder} has no room: {why}; {shutil.disk_usage(folder).free:,} bytes are free. Nothing that was finished"
        " is lost: free some space, then the same command continues."
    )
