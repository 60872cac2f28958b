"""Every error that frostline raises on purpose.

    FrostlineError
    ├── InputError               what the user gave cannot be used; exit code 2
    │   ├── DataError            images, tables, folders
    │   ├── BackboneError        names, weights, networks that cannot be cut
    │   ├── RecipeError          a recipe line that does not parse or does not fit the backbone
    │   ├── OptionError          an option out of range, or options that contradict each other
    │   └── RunFolderError       the run folder is another search's, locked, or damaged
    ├── AllTrialsFailed          every trial failed; exit code 3
    └── StoreFull                no room for stored activations: caught by the caller, which computes them again

A message says what was given, what was expected, the nearest valid choice and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class StoreFull(FrostlineError):
    """The activation cache's budget or its disk has no room; whoever asked computes without it."""


def nearest(given: str, choices: Iterable[str], count: int = 3) -> str:
    """The sentence ` Nearest: a, b.` for the choices closest to `given`, or an empty string."""
    close = difflib.get_close_matches(given, list(choices), n=count, cutoff=0.5)
    return f" Nearest: {', '.join(close)}." if close else ""
