"""The benchmark of memory measures what it says: on a small folder, and a small search."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory import CLASSES, GIB, KIB, Sample, Watched, command, make_images, resident, table, watch
from frostline.data import read
from tests.durability.lives import SIZE, Search


def test_synthetic_images_are_many_files_of_two_classes_and_no_two_are_the_same(tmp_path: Path) -> None:
    make_images(tmp_path, 2501)
    dataset = read(tmp_path)
    assert dataset.classes == CLASSES
    assert np.bincount([sample.label for sample in dataset.samples]).tolist() == [1251, 1250]
    assert len({sample.digest for sample in dataset.samples}) == 2501
    assert max(len(list(folder.iterdir())) for folder in tmp_path.glob("*/*")) == 1000


HOLDING = "import sys, numpy; held = numpy.ones(int(sys.argv[1]), numpy.uint8); print(flush=True); input()"


def held_by(held_bytes: int) -> int:
    """Anonymous memory of a new process that holds an array of that size."""
    words = [sys.executable, "-c", HOLDING, str(held_bytes)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        ((anonymous, _),) = resident(process.pid)
        process.communicate(b"\n")
    return anonymous


def test_resident_memory_grows_by_what_is_held() -> None:
    assert held_by(64 * 2**20) - held_by(1) > 0.9 * 64 * 2**20
    assert list(resident(2**22 + 1)) == []  # no such process


def test_the_table_gives_the_slope_and_the_phase_of_the_peak() -> None:
    def seen(images: int, peak: int) -> Watched:
        return Watched(
            images, [Sample(1.0, GIB, 0), Sample(3.0, peak, GIB), Sample(9.0, GIB, 0)], [(2.0, "decode"), (5.0, "decide")]
        )

    lines = "\n".join(table([seen(1000, 2 * GIB), seen(2000, 2 * GIB + 1000 * 9 * KIB)]))
    assert "MISSED  9.0 KiB an image" in lines and "met     peak 2.01 GiB" in lines
    assert seen(1, 2 * GIB).phase_at(3.0) == "decide" and seen(1, 2 * GIB).phase_at(9.0) == "after the last phase"


@pytest.mark.slow
def test_a_search_is_watched_to_its_end(search: Search, tmp_path: Path) -> None:
    make_images(tmp_path / "images", 120)
    one = watch(command(tmp_path / "images", tmp_path / "run", search.backbone, SIZE, ["pixels: logistic"]), 120)
    assert one.samples and one.peak().anonymous > 2**24
    assert {"read images", "decode", "decide"} <= {name for _, name in one.ended}
