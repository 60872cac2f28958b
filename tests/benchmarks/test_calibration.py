"""The calibration study: its simulated worlds, and the questions to real images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration import real, study, tables
from benchmarks.calibration.worlds import WORLDS, World, draw
from frostline.stats.pool import gather
from frostline.stats.weighted import mean_of_defined

DATA = Path(os.environ.get("FROSTLINE_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_images = pytest.mark.skipif(not DATA.exists(), reason="real images are not here: FROSTLINE_REAL_DATA")


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "balanced-accuracy"])
def test_a_world_has_the_scores_that_it_claims(metric: str) -> None:
    world = World("true", 3000, metric, 3, 2, repeats=2, spread=0.05, group=2, settings=2, classes=(0.7, 0.3))
    drawn = draw(world, 0)
    pool = gather(drawn.results, drawn.truth, drawn.candidates, metric)
    assert mean_of_defined(pool.scores, axis=1) == pytest.approx(np.repeat(drawn.truths, 2), abs=0.03)
    assert drawn.truths[:3].max() == drawn.truths[3:].max() == world.level
    for block in pool.blocks:
        rest = np.setdiff1d(np.arange(len(drawn.truth.labels)), block.indices)
        assert not set(drawn.truth.groups[block.indices]) & set(drawn.truth.groups[rest])


def test_two_recipes_disagree_on_a_tenth_of_the_images() -> None:
    drawn = draw(World("pair", 4000, transfer=1, controls=1), 1)
    said = [np.concatenate([one.probabilities[0].argmax(axis=1) for one in drawn.results[side::2]]) for side in (0, 1)]
    assert 0.08 < np.mean(said[0] != said[1]) < 0.12


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    world = World("short", 60, transfer=2, controls=1)
    study.kept(world, 3, tmp_path, say=lambda text: None)
    found = study.kept(world, 5, tmp_path, say=lambda text: None)
    assert found == study.summarise(world, [study.judge(world, seed) for seed in range(5)])
    assert len((tmp_path / "short.jsonl").read_text().splitlines()) == 5
    assert "| short | 5 |" in tables.markdown(tables.COVERAGE, [found])


def test_flattery_is_what_one_split_scores_above_the_other() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 150)
    clean = pd.DataFrame({
        "sample": [str(n) for n in range(300)], "label": np.where(labels == 1, "b", "a"), "recipe": "r", "rung": "full",
        "repeat": 0, "fold": np.arange(300) // 60,
    })  # fmt: skip
    tables_of = [
        clean.assign(**{"probability: a": 1 - p, "probability: b": p})
        for p in (labels * 0.5 + rng.random(300) * scale for scale in (0.5, 1.0))
    ]
    found = real.flattery(*tables_of, {str(n): f"patient {n // 3}" for n in range(300)}, "r")
    assert found.low > 0 and found.low < found.value < found.high
    assert real.flattery(tables_of[0], tables_of[0], {str(n): str(n) for n in range(300)}, "r").value == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["null, 100", "null, 40 recipes, 150", "null, AUROC, 400", "rarest class 12 of 150"])
def test_nothing_is_claimed_of_equal_recipes(name: str) -> None:
    found = study.study(WORLDS[name], 1000, 300)  # of 200 a share of 5 % has a standard error of 1.5
    assert found.helps <= tables.MOST_FALSE and found.harms <= tables.MOST_FALSE
    assert found.covered_difference >= tables.LEAST_COVERED and found.covered_score >= tables.LEAST_COVERED
    assert abs(found.optimism) < tables.MOST_OPTIMISM
    assert abs(found.optimism_difference) < tables.MOST_OPTIMISM_DIFFERENCE + 2 * found.optimism_difference_error


@pytest.mark.slow
@pytest.mark.parametrize("name", ["power, 150", "power, 1,000", "power, AUROC, 150", "power, groups of 3, 400"])
def test_the_printed_difference_is_found(name: str) -> None:
    assert study.study(WORLDS[name], 100, 300).helps >= tables.LEAST_POWER


@pytest.mark.slow
@needs_images
@pytest.mark.parametrize("name", ["random-weights", "same-task", "inverted-inputs", "two-names", "published"])
def test_real_images_get_the_right_answer(name: str, tmp_path: Path) -> None:
    answer = real.QUESTIONS[name](DATA, tmp_path)
    assert answer.right, f"{answer.question}: expected {answer.expected}, said {answer.said}"


@pytest.mark.slow
@needs_images
def test_the_flattery_of_image_wise_splits_is_measured_to_three_points(tmp_path: Path) -> None:
    """Which sign it has depends on the recipe (docs/calibration.md); that patients were kept whole, or not, does not."""
    found = real.patients(DATA, tmp_path).numbers
    assert found is not None and found.low < found.value < found.high < found.low + 0.06
    rows = {row["path"]: row["patient"] for row in real.cells(DATA)}
    for name, crossing in (("by-image", True), ("by-patient", False)):
        table = pd.read_parquet(tmp_path / f"run-{name}" / "predictions.parquet")
        first = table[(table["repeat"] == 0) & (table["recipe"] == real.FOREST)]
        folds_of = first.assign(patient=first["sample"].map(rows)).groupby("patient")["fold"].nunique()
        assert (folds_of.max() > 1) == crossing
