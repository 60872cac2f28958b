"""A search as a user starts it, and what its folder says about where the time went."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import frostline
from frostline.store.results import ResultStore
from frostline.terms.result import Result

# As on a processor that knows no newer instructions; read when torch starts.
OLDER = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

FIXED = ("read images", "load backbones", "probe kernels")
FIRST = ("decode", "pretrained pass", "random pass", "fit heads", "first verdict")


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        wall_s: of the command, start-up included. phases: seconds of each part, as frostline wrote them down.
    """

    folder: Path
    wall_s: float
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def fixed_s(self) -> float:
        """Reading the folder, taking the backbone apart, probing kernels."""
        return self._of(FIXED)

    @property
    def first_verdict_s(self) -> float:
        """Decoding, both passes, every frozen-trunk recipe on all folds, and the verdict among them."""
        return sum(value for name, value in self.phases.items() if name.startswith(FIRST) and " at " not in name)

    def _of(self, names: tuple[str, ...]) -> float:
        return sum(value for name, value in self.phases.items() if name.startswith(names))

    @property
    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "verdict.json").read_text(encoding="utf-8"))
        return found

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
        return found

    @property
    def results(self) -> list[Result]:
        return list(ResultStore(self.folder / "results").load_all().values())


def measured(data: Path, backbone: str, out: Path, options: Sequence[str] = ()) -> Record:
    """The record of this very command, by this very code, where it was measured before; else a search from nothing.

    A search that goes on where another stopped would have its seconds for nothing.

    Raises:
        subprocess.CalledProcessError: it did not end well.
    """
    there, command = out.with_name(f"{out.name}.json"), [str(data), backbone, *options]
    made_by = {"command": command, "code": code(), "processor": {name: os.environ.get(name) for name in OLDER}}
    known = json.loads(there.read_text(encoding="utf-8")) if there.exists() else {}
    if known.items() >= made_by.items():
        print(f"measured before: {out}", file=sys.stderr)
        return read(out, known["wall_s"])
    there.unlink(missing_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    record = search(data, backbone, out, options)
    there.write_text(json.dumps(made_by | {"wall_s": record.wall_s}, indent=1), encoding="utf-8")
    return record


def code() -> str:
    """SHA-256 of frostline's source."""
    found = hashlib.sha256()
    for path in sorted(Path(frostline.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def search(data: Path, backbone: str, out: Path, options: Sequence[str] = ()) -> Record:
    """Run `frostline search DATA -b BACKBONE -o OUT ...` in a process of its own; its output is shown.

    Raises:
        subprocess.CalledProcessError: it did not end well.
    """
    command = [sys.executable, "-m", "frostline", "search", str(data), "-b", backbone, "-o", str(out), *options]
    print("$", *(f"'{word}'" if " " in word else word for word in ["frostline", *command[3:]]), flush=True)
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    return read(out, time.perf_counter() - begun)


def read(folder: Path, wall_s: float) -> Record:
    """The record of a run that is there, whose command took so long."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return Record(folder, wall_s, dict(facts["phases"]))
