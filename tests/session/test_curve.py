"""The learning curve of a real search: nested parts, one validation fold, recalled on resume, within the time."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest

import frostline as fl
from frostline import session
from frostline.api.handover import keep_model
from frostline.errors import RunFolderError
from frostline.session import searching
from frostline.session.curve import same_steps
from frostline.store.results import ResultStore
from frostline.terms.curve import CURVE
from frostline.terms.progress import Event, TrialFinished
from frostline.terms.trial import SEALED

SIZE = 64
RECIPES = (
    "all: freeze | head: linear",
    "all: tune | head: linear | train: lr=0.001 epochs=1",
    "weights: random | all: tune | head: linear | train: lr=0.001 epochs=1",
)


def search(textures: Path, backbone: str, out: Path, **more: object) -> fl.Run:
    given = {"recipe": RECIPES, "size": SIZE, "learning_curve": True, **more}
    return fl.search(textures, backbone, out=out, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(textures: Path, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    return search(textures, backbone_name, tmp_path_factory.mktemp("curves") / "run")


def results(folder: Path) -> dict[str, object]:
    found = ResultStore(folder / "results").load_all()
    return {name: one for name, one in found.items() if one.trial.budget.rung == CURVE}


def test_the_curve_has_every_size_of_every_recipe(run: fl.Run) -> None:
    curve = run.evidence.curve
    assert curve is not None and curve.metric == run.verdict.metric
    roles = [one.role for one in curve.curves]
    assert len(roles) == 3 and roles[0] == "frozen" and roles[1] in ("chosen", "tuned") and roles[2] == "scratch"
    for one in curve.curves:
        assert len(one.points) == 4 and one.points[-1].images == curve.images
        assert [point.draws for point in one.points[:3]] == [3, 3, 3]
        assert (one.law is None) == bool(one.reason)
    assert curve.crossings


def test_its_trials_are_ordinary_results_on_one_fold_and_see_no_sealed_image(run: fl.Run) -> None:
    found = results(run.path)
    splits = pd.read_csv(run.path / "splits.csv")
    fold = next(name for name in splits.columns if name.startswith("r0f0"))
    validation = set(splits.index[splits[fold] == "validation"])
    indices = {tuple(sorted(one.indices.tolist())) for one in found.values()}  # type: ignore[attr-defined]
    assert len(found) == 9 + 11 + 11 and len(indices) == 1
    assert indices == {tuple(sorted(validation))}
    assert CURVE not in set(pd.read_parquet(run.path / "predictions.parquet")["rung"])


def test_the_verdict_is_made_without_its_trials(run: fl.Run, textures: Path, backbone_name: str) -> None:
    others = [
        one for one in ResultStore(run.path / "results").load_all().values() if one.trial.budget.rung not in (CURVE, SEALED)
    ]
    for row in run.verdict.rows:
        own = [one for one in others if str(one.trial.recipe) == row.recipe]
        assert row.trials == len(own) and row.seconds == pytest.approx(sum(one.seconds for one in own))
    folds = {fold for claim in run.verdict.claims if claim.comparison for fold in claim.comparison.folds}
    assert folds and not any("curve" in fold for fold in folds)
    with pytest.raises(RunFolderError, match="learning-curve was True, now False"):
        search(textures, backbone_name, run.path, learning_curve=False)


def test_the_page_draws_it(run: fl.Run) -> None:
    page = run.report_path.read_text(encoding="utf-8")
    assert "What would more images buy?" in page and "training images" in page


def test_a_continued_run_recalls_the_points(run: fl.Run, textures: Path, backbone_name: str, tmp_path: Path) -> None:
    """As if it had been killed inside the curve: what was finished is not run again, and the curve comes out the same."""
    out = shutil.copytree(run.path, tmp_path / "killed", ignore=shutil.ignore_patterns("verdict.json", "evidence.json", ".lock"))
    lost = sorted(results(out))[::3]
    for name in lost:
        (out / "results" / f"{name}.npz").unlink()
    seen: list[TrialFinished] = []

    class Noting(session.Silent):
        def update(self, event: Event) -> None:
            if isinstance(event, TrialFinished) and event.rung == CURVE:
                seen.append(event)

    again = search(textures, backbone_name, out, listener=Noting())
    assert set(results(out)) == set(results(run.path))
    assert sum(event.seconds > 0 for event in seen) == len(lost) and len(seen) == len(results(out))
    mine, theirs = again.evidence.curve, run.evidence.curve
    assert mine is not None and theirs is not None
    assert [one.points for one in mine.curves] == [one.points for one in theirs.curves]


def test_what_does_not_fit_into_the_time_is_said_and_closing_keeps_its_own(
    textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    """The clock jumps to the end of the time when the curve begins."""
    request = session.Request(
        Path(textures), tmp_path / "late", (backbone_name,), RECIPES[::2], 600.0, size=SIZE, limit=100, learning_curve=True
    )
    clocks = []
    real = searching.Clock

    def made(limit_s: float | None) -> searching.Clock:
        clocks.append(real(limit_s))
        return clocks[-1]

    class Late(session.Silent):
        def update(self, event: object) -> None:
            if getattr(event, "name", "") == "learning curve" and type(event).__name__ == "PhaseStarted":
                clocks[-1].started -= 595.0

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searching, "Clock", made)
        finished = session.search(request, Late(), keep_model, "test")
    assert not results(tmp_path / "late")
    assert any("of the learning curve" in sentence for sentence in finished.verdict.not_run)
    curve = finished.evidence.curve if finished.evidence else None
    assert curve is not None and all(one.law is None and "needs 4" in one.reason for one in curve.curves)
    assert finished.handover is not None


@pytest.mark.parametrize(("images", "expected"), [(320, 10), (160, 20), (80, 33), (40, 50), (10, 100)])
def test_parts_train_for_as_many_steps_as_the_whole(images: int, expected: int) -> None:
    assert same_steps(10, 320, images, batch=32) == expected


def test_a_plan_with_a_curve_costs_more_and_names_it(textures: Path, backbone_name: str) -> None:
    with_curve = fl.plan(textures, backbone_name, recipe=RECIPES, size=SIZE, learning_curve=True)
    names = [task.name for task in with_curve.tasks]
    assert names[-2:] == ["learning curve", "verdict, refit, test and page"]
    assert with_curve.tasks[-1].inputs == ("learning curve",) and with_curve.tasks[-2].seconds > 0
    assert dataclasses.replace(with_curve, tasks=with_curve.tasks[:-2]).seconds < with_curve.seconds
