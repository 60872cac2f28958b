"""A plan for more images than can be read for a plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

import frostline as fl
from frostline import data
from frostline.data.glance import Glance
from frostline.data.survey import PARTS, Survey
from frostline.session.clock import Clock
from frostline.session.ledger import Silent
from frostline.session.outline import divided
from frostline.session.panels import scale_of
from frostline.session.prepare import prepare
from frostline.session.profiles import profiles_of
from frostline.session.request import Request
from frostline.terms.data import Dataset, Sample

IMAGES = 25_000
RECIPES = ("all: freeze | head: linear", "all: tune | head: linear")


def both(parts: list[str | None], grouped: bool, images: int = IMAGES) -> tuple[Dataset, Survey]:
    """The same images as samples and as counts."""
    generator = np.random.default_rng(1)
    labels = generator.choice(3, images, p=[0.6, 0.3, 0.1])
    units = generator.integers(0, images // 5, images) if grouped else np.arange(images)
    placed = np.array([PARTS.index(part) for part in parts])[generator.integers(0, len(parts), images)]
    samples = tuple(
        Sample(f"{index}.png", int(label), f"p{unit}" if grouped else None, PARTS[place])
        for index, (label, unit, place) in enumerate(zip(labels, units, placed, strict=True))
    )
    counted = Survey(("a", "b", "c"), False, labels, units, grouped, placed, Glance((), (), (), ()), ())
    return Dataset("", samples, ("a", "b", "c"), "0" * 32), counted


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    "parts", [[None], ["train", "train", "train", "test"], ["train", "train", "val"], ["train", "val", "test"]]
)
@pytest.mark.parametrize("images", [21_000, 9_000])
def test_counts_are_what_splitting_arrives_at(parts: list[str | None], grouped: bool, images: int) -> None:
    dataset, counted = both(parts, grouped, images)
    drawn = scale_of(data.plan_splits(dataset, 0), 3)
    found = divided(Request(Path(), Path(), ("b",)), counted)
    assert (found.scale.folds, found.scale.repeats, found.scale.classes) == (drawn.folds, drawn.repeats, 3)
    for name in ("pool", "train", "validation", "sealed"):
        assert getattr(found.scale, name) == pytest.approx(getattr(drawn, name), abs=60), name


def test_a_limit_shrinks_everything_alike() -> None:
    _, counted = both([None], True)
    whole, part = (divided(Request(Path(), Path(), ("b",), limit=limit), counted) for limit in (None, IMAGES // 2))
    assert part.scale.pool == pytest.approx(whole.scale.pool / 2, abs=1) and part.units == pytest.approx(whole.units / 2, abs=1)


def table(folder: Path, rows: int = IMAGES) -> Path:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"path": [f"{number}.jpg" for number in range(rows)], "label": generator.choice(["a", "b"], rows)})
    frame.to_csv(folder / "index.csv", index=False)
    return folder / "index.csv"


def test_a_large_table_is_planned_without_its_files(backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = fl.plan(table(tmp_path), backbone_name, recipe=RECIPES, time="10h")
    assert (first.pool + first.sealed, first.folds, first.repeats) == (IMAGES, 1, 3)
    assert first.fit is not None and first.seconds < first.alone_s
    assert any("None of these" in note for note in first.notes)
    second = fl.plan(tmp_path, backbone_name, recipe=RECIPES, time="10h")
    assert second.tasks == first.tasks and second.lines == first.lines
    assert any("by an earlier plan" in note for note in second.notes)


def test_another_plan_of_the_same_backbone_loads_no_torch(backbone_name: str, tmp_path: Path) -> None:
    program = (
        "import json, sys, frostline as fl;"
        f"plan = fl.plan({str(table(tmp_path))!r}, {backbone_name!r}, recipe={RECIPES!r});"
        "print(json.dumps([plan.pool, 'torch' in sys.modules]))"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    said = [
        json.loads(subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True).stdout)
        for _ in range(2)
    ]
    assert said == [[IMAGES * 4 // 5, True], [IMAGES * 4 // 5, False]]


def test_another_file_of_weights_is_taken_apart_anew(backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name, _, file = backbone_name.partition("=")
    own = tmp_path / "own.safetensors"
    own.write_bytes(Path(file).read_bytes())
    fl.plan(table(tmp_path), f"{name}={own}", recipe=RECIPES)
    os.utime(own, (0, 0))
    again = fl.plan(tmp_path, f"{name}={own}", recipe=RECIPES)
    assert not any("by an earlier plan" in note for note in again.notes)


def test_backbones_of_one_name_are_told_apart_by_every_plan(
    backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name, _, file = backbone_name.partition("=")
    other = tmp_path / "other.safetensors"
    save_file({key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in load_file(file).items()}, other)
    pair = (backbone_name, f"{name}={other}")
    profiles = [profiles_of(Request(tmp_path, tmp_path, asked, RECIPES), lambda _: 32)[0] for asked in (pair, pair, pair[:1])]
    first, again, alone = [[(one.backbone.name, one.kernels.backbone) for one in found] for found in profiles]
    assert first == again and len(set(first)) == 2 and all("@" in one and one == kernels for one, kernels in first)
    assert alone == [(name, name)]


def test_a_plan_goes_by_what_a_search_measured(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first plan times in a hurry and says so; a search of the same backbone at the same size times it for longer."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = Request(textures, tmp_path / "run", (backbone_name,), RECIPES, size=64, limit=60)
    (hurried,), (said,) = profiles_of(asked, lambda _: 64)
    assert hurried.rough and "half a second" in said and "factor of two" in said
    work = prepare(asked, Silent(), Clock(), "test")
    work.folder.close()
    (measured,), (said,) = profiles_of(asked, lambda _: 64)
    assert not measured.rough and "half a second" not in said
    assert measured.kernels == work.lanes[0].bench.kernels and measured.recipes == hurried.recipes
    assert measured.backbone == hurried.backbone


@pytest.mark.slow
def test_a_million_rows_are_planned_in_seconds_and_within_two_gibibytes(backbone_name: str, tmp_path: Path) -> None:
    """Seconds of computing in a fresh process, start-up included; what the first plan learns of the backbone is there."""
    file = table(tmp_path, 1_000_000)
    program = (
        "import re, sys, time;"
        "from pathlib import Path;"
        "from frostline.cli import run;"
        f"code = run(['plan', {str(file)!r}, '-b', {backbone_name!r}]);"
        r"peak = re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1];"  # rusage knows the parent's, too
        "print(code, time.process_time(), peak, file=sys.stderr)"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
        code, seconds, kib = map(float, run.stderr.split()[-3:])
        assert code == 0 and kib < 2 * 2**20
        assert "800,000 images" in run.stdout
    assert seconds < 5
