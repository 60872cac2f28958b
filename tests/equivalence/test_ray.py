"""A search carried out by Ray gives what a serial one and processes give, on two data sets of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import frostline as fl
from frostline.api.networks import demo_source
from frostline.session import frozen
from frostline.store.run_folder import RunFolder
from tests.equivalence.test_backends import assert_same, begun_like, one_thread
from tests.session.conftest import RECIPES

__all__ = ["one_thread"]
pytestmark = pytest.mark.ray

TUNED = "stem .. blocks.4.2: freeze | blocks.5 .. bn2: tune | head: linear | train: lr=0.001 epochs=2"


def searches(textures: Path, backbone_name: str) -> dict[str, tuple[Path, str, dict[str, Any]]]:
    fabric, network = demo_source()
    return {
        "textures": (textures, backbone_name, {"recipe": [RECIPES[0], RECIPES[3], RECIPES[5]], "size": 64, "limit": 60}),
        "fabric": (fabric, network, {"recipe": ["all: freeze | head: linear", TUNED], "size": 32, "limit": 60}),
    }


def test_ray_gives_what_one_after_the_other_gives(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass too is shared out, however short it is."""
    options = {"recipe": [RECIPES[0], RECIPES[3]], "size": 64, "limit": 40}
    serial = fl.search(textures, backbone_name, out=tmp_path / "serial", backend="serial", **options)
    monkeypatch.setattr(frozen, "LEAST_SHARED_S", 0.0)
    out = begun_like(serial, tmp_path / "ray")
    assert_same(serial, fl.search(textures, backbone_name, out=out, workers=2, address="local", **options))
    settings = RunFolder.open(out).settings
    assert (settings.backend, settings.workers, settings.address) == ("ray", 2, "local")
    assert (settings.trial_cpus, settings.trial_gpus) == (1, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["textures", "fabric"])
def test_processes_and_ray_give_what_one_after_the_other_gives(
    name: str, textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, backbone, options = searches(textures, backbone_name)[name]
    serial = fl.search(data, backbone, out=tmp_path / "serial", backend="serial", **options)
    monkeypatch.setattr(frozen, "LEAST_SHARED_S", 0.0)
    for kind in ({"backend": "process"}, {"address": "local"}):
        out = begun_like(serial, tmp_path / kind.get("backend", "ray"))
        assert_same(serial, fl.search(data, backbone, out=out, workers=2, **kind, **options))
