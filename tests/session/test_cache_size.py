"""A cache that is too small for everything at once: equal results, and never more on the disk than was allowed."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest
import yaml

import frostline as fl
from frostline.api.handover import keep_model
from frostline.session import Finished, Request, Silent, search
from frostline.store.activations import ActivationStore

LINES = (
    "all: freeze | head: linear",
    "stem .. layer3: freeze | layer4: tune | head: linear | train: lr=0.001 epochs=1",
    "stem .. layer2: freeze | layer3 .. layer4: tune | head: linear | train: lr=0.001 epochs=1",
    "weights: random | all: freeze | head: linear",
)


class Watch(threading.Thread):
    """The most bytes that lay in a folder, looked at all the time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.most, self.over = folder, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.01):
            sizes = []
            for path in self.folder.glob("**/*"):
                try:
                    sizes.append(path.stat().st_size)
                except OSError:
                    continue
            self.most = max(self.most, sum(sizes))


def searched(textures: Path, backbone_name: str, out: Path, cache: int | None = None) -> Finished:
    request = Request(textures, out, (backbone_name,), LINES, size=96, backend="serial", cache_bytes=cache)
    return search(request, Silent(), keep_model, "test")


def begin(reference: Path, out: Path, cache: int) -> None:
    """A run folder for the same search with another budget and the same modes: what is probed differs from one start to the next,
    and bf16 or fp32 may decide who is tied."""
    config = yaml.safe_load((reference / "config.yaml").read_text())
    begun = {name: config[name] for name in ("schema_version", "frostline", "settings", "kernels", "sizes") if name in config}
    begun["settings"]["cache_bytes"] = cache
    out.mkdir()
    (out / "config.yaml").write_text(yaml.safe_dump(begun))


def scores(out: Path) -> pd.DataFrame:
    return fl.Run(out).table[["recipe", "status", "trials", "mean"]]


@pytest.fixture(scope="module")
def whole(textures: Path, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A search with all the room that it wants, and the bytes that it took."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert not searched(textures, backbone_name, out).work.activations.evicted
    return out, ActivationStore(out / "cache" / "activations").bytes_used()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.8, 0.6, 0.3, 0.0])
def test_a_part_of_the_cache_gives_the_same_results(
    whole: tuple[Path, int], textures: Path, backbone_name: str, tmp_path: Path, share: float
) -> None:
    reference, used = whole
    budget, out = int(share * used), tmp_path / "run"
    begin(reference, out, budget)
    watch = Watch(out / "cache" / "activations")
    watch.start()
    work = searched(textures, backbone_name, out, budget).work
    watch.over.set()
    watch.join()
    assert watch.most <= budget
    assert bool(work.activations.evicted) == bool(share)
    pd.testing.assert_frame_equal(scores(out), scores(reference), atol=2e-3)


@pytest.mark.slow
def test_a_second_run_fetches_what_the_first_one_shared(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    runs = [
        fl.search(
            textures, backbone_name, out=tmp_path / name, recipe=LINES[:2], size=96, backend="serial", store=tmp_path / "shared"
        )
        for name in ("one", "two")
    ]
    assert list((tmp_path / "shared").rglob("*.npy"))
    pd.testing.assert_frame_equal(runs[0].table[["recipe", "mean"]], runs[1].table[["recipe", "mean"]])
