"""How memory grows with the number of images: `frostline search` on synthetic folders, sampled from outside.

    python -m benchmarks.memory -b torchvision/mobilenet_v2=FILE.safetensors --images 100000

With several --images the slope between the smallest and the largest is what one more image costs. Anonymous memory is what
the goal is about; pages of mapped files (pixels, stored activations) belong to the disk cache and are counted apart.
"""

from __future__ import annotations

import argparse
import io
import itertools
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

KIB, GIB = 2**10, 2**30
GOAL_AN_IMAGE = 8 * KIB
GOAL_IN_ALL = 4 * GIB
EVERY_S = 0.2
SIDE = 64  # pixels
PICTURES = 400  # a class, encoded once; files differ by a comment
A_FOLDER = 1000  # files: a folder of 50,000 is slow to list on some file systems
CLASSES = ("across", "along")

_ENDED = re.compile(r"\] (.+) finished in ")


# --- a synthetic data set ---------------------------------------------------------------------------------------------


def make_images(root: Path, count: int, seed: int = 0) -> None:
    """`count` JPEG files below `root`, half of each class; no two of the same bytes."""
    for number, label in enumerate(CLASSES):
        pictures = [encoded(number, np.random.default_rng([seed, number, index])) for index in range(PICTURES)]
        for index in range(len(range(number, count, len(CLASSES)))):
            folder = root / label / f"{index // A_FOLDER:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{index:06}.jpg").write_bytes(commented(pictures[index % PICTURES], f"{label} {index}"))


def encoded(label: int, random: np.random.Generator) -> bytes:
    """A JPEG of noisy stripes, across or along: to be learned, but not by every recipe alike."""
    wave = 20 * np.sin(np.arange(SIDE) * random.uniform(0.3, 0.9) + random.uniform(0, 6))
    stripes = wave[:, None] if label == 0 else wave[None, :]
    pixels = 128 + stripes[..., None] + random.normal(0, 40, (SIDE, SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def commented(jpeg: bytes, text: str) -> bytes:
    """The same picture in other bytes: a comment segment behind the start marker."""
    body = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


# --- a search, watched from outside -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """Resident bytes of a process at `at_s`."""

    at_s: float
    anonymous: int
    mapped: int


@dataclass
class Watched:
    """What was seen of one search.

    Attributes:
        ended: (seconds, name) of each phase that finished.
    """

    images: int
    samples: list[Sample] = field(default_factory=list)
    ended: list[tuple[float, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def peak(self, mapped: bool = False) -> Sample:
        return max(self.samples, key=lambda one: one.mapped if mapped else one.anonymous)

    def phase_at(self, at_s: float) -> str:
        """The phase that was running then: the first to end after it."""
        return next((name for ended, name in self.ended if ended >= at_s), "after the last phase")

    def by_phase(self) -> dict[str, int]:
        """Phase -> its peak of anonymous bytes, in the order in which phases ended."""
        peaks: dict[str, int] = {}
        for one in self.samples:
            name = self.phase_at(one.at_s)
            peaks[name] = max(peaks.get(name, 0), one.anonymous)
        return peaks


def watch(command: Sequence[str], images: int) -> Watched:
    """Run `command`, reading its memory every 0.2 s and its phases from what it says.

    Raises:
        RuntimeError: it failed.
    """
    seen, started = Watched(images), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read, args=(process, seen, started))
        reader.start()
        while process.poll() is None:
            seen.samples += [Sample(time.monotonic() - started, *found) for found in resident(process.pid)]
            time.sleep(EVERY_S)
        reader.join()
    seen.seconds = time.monotonic() - started
    if process.returncode:
        raise RuntimeError(f"the search ended with {process.returncode}:\n" + "".join(seen.said[-20:]))
    return seen


def _read(process: subprocess.Popen[str], seen: Watched, started: float) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        seen.said.append(line)
        if found := _ENDED.search(line):
            seen.ended.append((time.monotonic() - started, found[1]))


def resident(pid: int) -> Iterator[tuple[int, int]]:
    """(anonymous, mapped) bytes; nothing once the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    found = dict(re.findall(r"^(RssAnon|RssFile):\s+(\d+) kB$", status, re.MULTILINE))
    if len(found) == 2:
        yield int(found["RssAnon"]) * KIB, int(found["RssFile"]) * KIB


def command(data: Path, out: Path, backbone: str, size: int, recipes: Sequence[str]) -> list[str]:
    words = [sys.executable, "-m", "frostline", "search", str(data), "-b", backbone, "-o", str(out), "--size", str(size)]
    return words + [word for line in recipes for word in ("--recipe", line)]


def frozen_recipes(backbone: str) -> list[str]:
    """The lines of the default panel that train nothing but a head."""
    from frostline import backbones
    from frostline.strategy.families import panel, pixel_lines

    loaded = backbones.load(backbone)
    lines = [*panel(loaded.name, loaded.stage_names, loaded.stage_names), *pixel_lines()]
    return [str(line.recipe) for line in lines if not line.deep]


# --- the table --------------------------------------------------------------------------------------------------------


def table(seen: Sequence[Watched]) -> list[str]:
    """What was measured beside what is wanted."""
    lines = [f"{'images':>8}  {'peak RssAnon':>13}  {'peak RssFile':>13}  {'seconds':>8}  peak during"]
    for one in seen:
        top = one.peak()
        sizes = f"{top.anonymous / GIB:9.2f} GiB  {one.peak(mapped=True).mapped / GIB:9.2f} GiB"
        lines.append(f"{one.images:8,}  {sizes}  {one.seconds:8.0f}  {one.phase_at(top.at_s)}")
    largest = seen[-1].peak().anonymous
    lines += ["", f"{_met(largest < GOAL_IN_ALL)}  peak {largest / GIB:.2f} GiB; goal: under {GOAL_IN_ALL / GIB:.0f} GiB"]
    if len(seen) > 1:
        slope = _slope(seen[0].peak().anonymous, largest, seen)
        lines.append(
            f"{_met(slope <= GOAL_AN_IMAGE)}  {slope / KIB:.1f} KiB an image; goal: at most {GOAL_AN_IMAGE / KIB:.0f} KiB"
        )
        lines += ["", f"{'KiB an image':>12}  {'largest':>10}  phase", *_phases(seen)]
    return lines


def _phases(seen: Sequence[Watched]) -> list[str]:
    first, last = seen[0].by_phase(), seen[-1].by_phase()
    shared = [name for name in last if name in first]
    return [f"{_slope(first[name], last[name], seen) / KIB:12.1f}  {last[name] / GIB:6.2f} GiB  {name}" for name in shared]


def _slope(first: int, last: int, seen: Sequence[Watched]) -> float:
    """Bytes that one more image costs."""
    return (last - first) / (seen[-1].images - seen[0].images)


def _met(goal: bool) -> str:
    return "met   " if goal else "MISSED"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--images", type=int, nargs="+", default=[100_000], help="how many; several for a slope")
    parser.add_argument("-b", "--backbone", required=True, metavar="NAME=FILE")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--recipe", action="append", default=[], help="instead of all that train nothing but a head")
    parser.add_argument("--folder", type=Path, help="where images and runs are written and kept; a temporary one by default")
    parser.add_argument("--said", action="store_true", help="show what the searches said")
    given = parser.parse_args(arguments)
    recipes = given.recipe or frozen_recipes(given.backbone)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        seen = [_measure(folder, count, given.backbone, given.size, recipes) for count in sorted(given.images)]
    print(*itertools.chain.from_iterable(one.said for one in seen if given.said), sep="", end="")
    print("\n".join(table(seen)))
    return 0


def _measure(folder: Path, count: int, backbone: str, size: int, recipes: Sequence[str]) -> Watched:
    data, out = folder / f"images-{count}", folder / f"run-{count}-{time.time_ns()}"
    if not data.exists():
        make_images(data, count)
    return watch(command(data, out, backbone, size, recipes), count)


if __name__ == "__main__":
    sys.exit(main())
