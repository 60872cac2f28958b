"""A process that reads damaged files one after the other, within limits of memory and time; run by `test_fuzz`.

python -m tests.hostile.victim KIND FOLDER FIRST COUNT: prints a line of JSON. The file being read lies in FOLDER: what
killed the process is there still, and a number's file can be made again.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile import seeds

MEMORY_BYTES = 2 * 2**30
SECONDS = 60  # a single file, on a busy machine


def read_picture(path: Path) -> None:
    from frostline.data.decoding import Geometry, decode, look_at, short_side

    short_side(path)
    look_at(path, 16)
    decode(path, Geometry(24, 24))


def read_patient(path: Path) -> None:
    from frostline.data import dicom

    dicom.patient_of(path)
    read_picture(path)


def read_weights(path: Path) -> None:
    from frostline.backbones.weights import read_weights as read

    read(path)


def read_document(path: Path) -> None:
    """As whoever uses such a file does."""
    from frostline.backbones.description import MOST_BYTES, checked
    from frostline.backbones.loading import _configured
    from frostline.data import read
    from frostline.errors import RunFolderError
    from frostline.store.files import read_json
    from frostline.store.records import read_verdict
    from frostline.store.results import ResultStore
    from frostline.store.run_folder import RunFolder
    from frostline.terms.backbone import InputSpec

    if path.name == "config.yaml":
        RunFolder.open(path.parent)
    elif path.name == "verdict.json":
        read_verdict(path)
    elif path.suffix == ".npz":
        ResultStore(path.parent).load_all()
    elif path.name == "config.json":
        _configured(InputSpec(3, 64, 64, (0.5,) * 3, (0.5,) * 3), path.parent / "weights.safetensors")
    elif path.name == "model.json":
        try:
            checked(read_json(path, MOST_BYTES))
        except (ValueError, OSError) as error:  # `load` says so
            raise RunFolderError(f"{path} is damaged: {error}") from error
    else:
        for name in ("a.png", "b.png", "c,d.png", "e.png"):
            shutil.copy(path.parent / "seeds" / "a.png", path.parent / name)
        read(path.parent)


READERS: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Path], None]]] = {
    "pictures": (seeds.pictures, read_picture),
    "dicom": (seeds.dicoms, read_patient),
    "weights": (seeds.weights, read_weights),
    "documents": (seeds.documents, read_document),
}


def high_water_bytes() -> int:
    """Of this process alone: `ru_maxrss` begins with what its parent had when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def main(kind: str, folder: Path, first: int, count: int) -> None:
    signal.signal(signal.SIGALRM, _too_long)
    make, read = READERS[kind]
    originals = make(folder / "seeds")
    files = [(path.name, path.read_bytes()) for path in originals]
    Image.new("RGB", (8, 8)).save(folder / "seeds" / "a.png")
    for name, content in files:  # whatever is imported late is imported before memory and time are counted
        _attempt(read, folder / name, content, 0)
    held = _held()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
    outcomes: Counter[str] = Counter()
    slowest, messages = 0.0, set()
    for number in range(first, first + count):
        name, content = files[number % len(files)]
        begun = time.monotonic()
        outcome, said = _attempt(read, folder / name, seeds.twisted(name, content, np.random.default_rng(number)))
        outcomes[outcome] += 1
        if outcome in ("unclear", "escaped"):
            messages.add(f"{number} {name}: {said}"[:300])
        slowest = max(slowest, time.monotonic() - begun)
    peak = high_water_bytes()
    print(json.dumps({**outcomes, "slowest": slowest, "peak": peak, "messages": sorted(messages)[:20]}))


def _attempt(read: Callable[[Path], None], path: Path, content: bytes, seconds: int = SECONDS) -> tuple[str, str]:
    """`read`, `refused`, `unclear` (refused in no clear line) or `escaped` (an error that is no refusal), and what was said."""
    from frostline.errors import FrostlineError

    path.write_bytes(content)
    signal.alarm(seconds)
    try:
        read(path)
        return "read", ""
    except FrostlineError as error:
        said = str(error)
        named = path.name == "index.csv" or str(path.parent) in said
        clear = "\n" not in said and named and len(said) < 1500
        return ("refused" if clear else "unclear"), said
    except BaseException as error:
        return "escaped", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        path.unlink(missing_ok=True)


def _held() -> int:
    """Bytes of address space in use now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"longer than {SECONDS} s")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
