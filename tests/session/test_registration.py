"""The plan is there, with its hash, before the first result; a run that is continued must still follow it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import frostline as fl
from frostline.errors import RunFolderError
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


def continued(textures: Path, backbone_name: str, out: Path) -> fl.Run:
    (out / "verdict.json").unlink(missing_ok=True)
    return fl.search(textures, backbone_name, out=out, **OPTIONS)


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
    again = continued(textures, backbone_name, out)
    assert "is not the file that was registered" in " ".join(again.verdict.notes)
    assert "plan.json" not in again.methods
    (out / "plan.json").write_text(before)
    again = continued(textures, backbone_name, out)
    assert "registered" not in " ".join(again.verdict.notes)
    assert "plan.json" in again.methods


def test_nothing_is_registered_after_the_first_result(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fl.search(textures, backbone_name, out=out, **OPTIONS)
    config = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump({name: config[name] for name in ("schema_version", "frostline", "settings")}))
    (out / "plan.json").unlink()
    again = continued(textures, backbone_name, out)
    assert "There were results before a plan was registered" in " ".join(again.verdict.notes)
    assert not (out / "plan.json").exists() and "SHA-256" not in again.methods


def test_results_of_other_splits_are_not_gone_on_with(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    """As another version would have left them: a change of `splits.csv` alone is mended, for it is only a copy."""
    out, other = tmp_path / "run", tmp_path / "other"
    fl.search(textures, backbone_name, out=out, **OPTIONS)
    fl.search(textures, backbone_name, out=other, **(OPTIONS | {"seed": 1}))
    text = (out / "splits.csv").read_text()
    (out / "splits.csv").write_text(text.replace("validation", "train", 1))
    assert continued(textures, backbone_name, out).verdict.chosen.recipe
    assert (out / "splits.csv").read_text() == text
    for path in (other / "results").glob("*.npz"):
        shutil.copy(path, out / "results")
    with pytest.raises(RunFolderError, match="begun with other folds"):
        continued(textures, backbone_name, out)
