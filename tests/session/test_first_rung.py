"""A search of very many images tells a first verdict on a part of them; what it tells in the end does not depend on that."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import frostline as fl
from frostline.errors import OptionError
from frostline.planning.first_rung import FROM, MOST, first_share
from frostline.store.results import ResultStore
from frostline.store.run_folder import RunFolder
from frostline.terms.progress import Event, PhaseStarted, Progressed, Ranked, TrialFinished
from frostline.terms.result import Result

STEM = "stem: freeze | conv1.5 .. layer4: drop | head: linear"
RECIPES = (
    "all: freeze | head: linear",
    STEM,
    "stem .. conv1.5: freeze | maxpool .. layer4: drop | head: linear",
    "weights: random | all: freeze | head: linear",
    "stem .. layer3: freeze | layer4: tune | head: linear | train: lr=0.001 epochs=1",
    "pixels: logistic",
)
FIRST, POOL = 112, 224
BUSY = 50.0  # times as slow


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 x 140 stripes that the stem alone tells apart much worse than what comes after it."""
    root, generator = tmp_path_factory.mktemp("noisy"), np.random.default_rng(0)
    for label in ("across", "along"):
        (root / label).mkdir()
        for index in range(140):
            wave = (np.sin(np.arange(72) / (2 + index % 3)) * 40 + 120)[None, :, None] + generator.normal(0, 170, (72, 72, 3))
            pixels = np.clip(wave if label == "along" else wave.transpose(1, 0, 2), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


@dataclass
class Watching:
    """What happened in which order; and what lay on disk when the pass over all images began.

    Attributes:
        then: called at that moment.
    """

    out: Path
    then: Callable[[], None] = lambda: None
    rungs: list[str] = field(default_factory=list)
    ranked: int = 0
    done: list[int] = field(default_factory=list)
    verdict: dict[str, object] = field(default_factory=dict)

    def update(self, event: Event) -> None:
        if isinstance(event, TrialFinished):
            self.rungs.append(event.rung)
        if isinstance(event, Ranked) and "full" not in self.rungs:
            self.ranked = max(self.ranked, len(event.rows))
        if isinstance(event, Progressed) and event.name.startswith("pretrained pass, "):
            self.done.append(event.done)
        if isinstance(event, PhaseStarted) and event.name.startswith("pretrained pass, "):
            self.verdict = json.loads((self.out / "verdict.json").read_text()) if (self.out / "verdict.json").exists() else {}
            self.then()


def search(noisy: Path, backbone_name: str, out: Path, first_rung: str, listener: Watching | None = None) -> fl.Run:
    return fl.search(noisy, backbone_name, out=out, recipe=RECIPES, size=64, first_rung=first_rung, listener=listener)


@pytest.fixture(scope="module")
def without(noisy: Path, backbone_name: str, tmp_path_factory: pytest.TempPathFactory) -> fl.Run:
    return search(noisy, backbone_name, tmp_path_factory.mktemp("without") / "run", "off")


def begun_with_the_kernels_of(run: fl.Run, out: Path) -> Path:
    """A run folder for the same search with a first rung, as if begun on a busy machine: what is probed differs."""
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    begun = {name: config[name] for name in ("schema_version", "frostline", "settings", "kernels", "sizes")}
    begun["settings"]["first_rung"] = "0.5"
    for entry in begun["kernels"]:
        entry |= {"forward_s": BUSY * entry["forward_s"], "train_s": BUSY * entry["train_s"]}
    out.mkdir()
    (out / "config.yaml").write_text(yaml.safe_dump(begun))
    return out


def frozen(run: fl.Run) -> dict[str, Result]:
    """Those of heads on all images, by trial."""
    found = ResultStore(run.path / "results").load_all()
    return {key: one for key, one in found.items() if one.trial.budget.rung == "full" and not one.trial.budget.epochs}


def test_a_first_verdict_is_there_before_all_images_are_run_and_changes_nothing_of_the_last(
    noisy: Path, backbone_name: str, without: fl.Run, tmp_path: Path
) -> None:
    watching = Watching(begun_with_the_kernels_of(without, tmp_path / "run"))
    run = search(noisy, backbone_name, watching.out, "0.5", watching)
    first = watching.verdict
    assert first["interim"] and str(first["notes"][0]).startswith(f"All this rests on {FIRST} of {POOL} images")  # type: ignore[index]
    assert first["chosen"]["recipe"] and watching.ranked == 5, "every head, before any was fitted on all images"  # type: ignore[index]
    assert watching.rungs.index("full") == 15 * 5 and set(watching.rungs[: 15 * 5]) == {"first"}
    assert min(watching.done) > FIRST and max(watching.done) == POOL, "the first images are not run again"

    kernels = [RunFolder.open(one.path).kernels()[0] for one in (run, without)]
    assert kernels[0].train_s < BUSY / 5 * kernels[1].train_s, "measured anew when a run goes on"
    assert (kernels[0].forward, kernels[0].train, kernels[0].threads) == (
        kernels[1].forward,
        kernels[1].train,
        kernels[1].threads,
    )

    looks = [json.loads((one.path / "plan.json").read_text())["checkpoints"] for one in (run, without)]
    assert len(looks[0]) == len(looks[1]) + 1 and "an interim look" in looks[0][0], "registered before the first result"
    assert "clearly behind another one of the same family" in run.methods

    rows = {row.recipe: row for row in run.verdict.rows}
    assert rows[STEM].status == "screened" and rows[STEM].score is None and rows[STEM].screened is not None
    assert any("Screened on 50% of the images" in said and STEM in said for said in run.verdict.not_run)
    assert all(row.folds for recipe, row in rows.items() if recipe != STEM), "controls and what was not clearly behind go on"
    assert not run.verdict.interim and not any("All this rests on" in note for note in run.verdict.notes)

    mine, theirs = frozen(run), frozen(without)
    assert {key for key, one in theirs.items() if str(one.trial.recipe) != STEM} == mine.keys()
    for key, result in mine.items():
        assert np.array_equal(result.indices, theirs[key].indices)
        assert np.allclose(result.probabilities, theirs[key].probabilities, atol=1e-4)
    assert run.verdict.chosen.recipe == without.verdict.chosen.recipe
    assert "first" not in {one.trial.budget.rung for one in ResultStore(without.path / "results").load_all().values()}


def test_stopped_while_all_images_are_run_it_has_a_verdict_and_goes_on_as_if_nothing_had_been(
    noisy: Path, backbone_name: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    stopped = search(noisy, backbone_name, out, "0.5", Watching(out, lambda: signal.raise_signal(signal.SIGINT)))
    assert stopped.verdict.interim and stopped.verdict.notes[0].startswith("All this rests on")
    before = {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("*.npz")}
    watching = Watching(out)
    run = search(noisy, backbone_name, out, "0.5", watching)
    assert (
        len(before) == 15 * 5
        and before.items() <= {p.name: p.stat().st_mtime_ns for p in (out / "results").glob("*.npz")}.items()
    )
    assert min(watching.done) > FIRST, "what had been run of the trunk is not run again either"
    rows = {row.recipe: row for row in run.verdict.rows}
    assert not run.verdict.interim and rows[STEM].status == "screened" and rows[RECIPES[0]].folds == 15


@pytest.mark.parametrize(
    ("asked", "pool", "images"),
    [("auto", FROM - 1, 0), ("auto", FROM, 2_000), ("auto", 800_000, MOST), ("off", 800_000, 0), ("0.25", 400, 100)],
)
def test_how_many_come_first(asked: str, pool: int, images: int) -> None:
    assert round(first_share(asked, pool) * pool) == images


@pytest.mark.parametrize("given", ["0", "1", "10%", "on", "-0.1", "nan"])
def test_a_share_that_is_none_is_refused(given: str, noisy: Path, backbone_name: str) -> None:
    with pytest.raises(OptionError, match="neither auto, off nor a share between 0 and 1"):
        fl.plan(noisy, backbone_name, first_rung=given)


def test_a_plan_says_when_the_first_verdict_comes(noisy: Path, backbone_name: str) -> None:
    assert not any("come first" in note for note in fl.plan(noisy, backbone_name, size=64).notes)
    said = [note for note in fl.plan(noisy, backbone_name, size=64, first_rung=0.5).notes if "come first" in note]
    assert len(said) == 1 and f"{FIRST} images (50%)" in said[0] and "interim verdict" in said[0]
