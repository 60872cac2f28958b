"""The plan is there, with its hash, before the first result; a run that is continued must still follow it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import frostline as fl
from frostline.store.run_folder import RunFolder
from frostline.store.values import read_value
from frostline.terms.progress import Event, TrialFinished
from frostline.terms.registration import Registration
from tests.session.conftest import RECIPES

OPTIONS = {"recipe": [RECIPES[0], "pixels: logistic"], "size": 64, "limit": 60}


@dataclass
class Watching:
    """Whether the plan and its hash were there when each trial finished."""

    path: Path
    found: list[bool] = field(default_factory=list)

    def update(self, event: Event) -> None:
        if isinstance(event, TrialFinished):
            folder = RunFolder.open(self.path)
            self.found.append(folder.plan_path.exists() and folder.section("registered") is not None)


def test_the_plan_is_registered_before_the_first_result(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    watching = Watching(out)
    run = fl.search(textures, backbone_name, out=out, listener=watching, **OPTIONS)
    assert watching.found and all(watching.found)
    known = RunFolder.open(out).section("registered")
    assert known["sha256"] == hashlib.sha256((out / "plan.json").read_bytes()).hexdigest()
    plan = read_value(out / "plan.json", Registration)
    assert plan.splits == hashlib.sha256((out / "splits.csv").read_bytes()).hexdigest()
    assert plan.images == 60 and plan.metric == run.verdict.metric
    assert sorted(line.split(" (")[0] for line in plan.recipes) == sorted(OPTIONS["recipe"])
    assert known["sha256"] in run.methods and known["at"] in run.methods
    assert "follow the plan" not in " ".join(run.verdict.notes)


def test_a_changed_plan_is_said_when_the_run_is_continued(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fl.search(textures, backbone_name, out=out, **OPTIONS)
    before = (out / "plan.json").read_text()
    (out / "plan.json").write_text(before.replace("auroc", "accuracy"))
    (out / "verdict.json").unlink()
    assert "is not the file that was registered" in " ".join(fl.search(textures, backbone_name, out=out, **OPTIONS).verdict.notes)
    (out / "plan.json").write_text(before)
    table = pd.read_csv(out / "splits.csv")
    assert len(table) == 60
    (out / "verdict.json").unlink()
    assert "registered" not in " ".join(fl.search(textures, backbone_name, out=out, **OPTIONS).verdict.notes)
