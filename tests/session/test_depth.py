"""`--deep`: the curves are in the evidence and on the page, and their words follow from the numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import frostline as fl
from frostline.report.answers import depth_answer
from frostline.report.charts import depth_picture
from frostline.terms.evidence import DepthPoint
from tests.pictures import make_folder
from tests.report.examples import EVIDENCE, around

POINTS = tuple(
    DepthPoint(kind, stage, around(value, 0.01))
    for stage, values in (("stem", (0.004, 0.02, 0.001)), ("layer1", (-0.03, 0.025, -0.01)))
    for kind, value in zip(("AnB", "AnB+", "BnB"), values, strict=True)
)


def test_the_words_are_differences_of_the_curves() -> None:
    lost, gained = depth_answer(dataclasses.replace(EVIDENCE, depth=POINTS))
    assert "everything up to layer1" in lost and "-1.0 points" in lost and "a further -2.0 for the source" in lost
    assert "+2.5 points" in gained
    assert depth_answer(EVIDENCE) == []
    assert len(depth_answer(dataclasses.replace(EVIDENCE, depth=POINTS[:3]))) == 2
    assert depth_answer(dataclasses.replace(EVIDENCE, depth=POINTS[:1])) == []


def test_the_picture_has_a_line_for_each_kind_that_was_run() -> None:
    assert depth_picture(POINTS, "auroc").alt == (
        "Change of AUROC: AnB from +0.4 at stem to -3.0 at layer1; AnB+ from +2.0 at stem to +2.5 at layer1;"
        " BnB from +0.1 at stem to -1.0 at layer1."
    )
    assert "BnB" not in depth_picture(POINTS[:2], "auroc").alt


def test_a_deep_search_grafts_at_every_depth(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", {"cat": 14, "dog": 14})
    (tmp_path / "weights").mkdir()
    from safetensors.torch import save_file

    from frostline import backbones

    loaded = backbones.load("timm/test_resnet", pretrained=False)
    save_file({k: v.clone().contiguous() for k, v in loaded.network().original_state().items()}, tmp_path / "w.safetensors")
    recipes = ["weights: random | all: freeze | head: linear", "all: freeze | head: linear"]
    name = f"timm/test_resnet={tmp_path / 'w.safetensors'}?stages={loaded.cuts[len(loaded.cuts) // 2].name}"
    run = fl.search(tmp_path / "data", name, out=tmp_path / "run", recipe=recipes, size=32, deep=True)
    assert [(point.kind, point.stage) for point in run.evidence.depth] == [(kind, "stem") for kind in ("AnB", "AnB+", "BnB")]
    assert run.evidence.base is not None and "Depth by depth" in run.report_path.read_text()
    assert "--deep" in run.report_path.read_text()
