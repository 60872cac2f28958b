"""Searches at the edges: few recipes, little time, a process that dies at a bad moment, data that are mended."""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import frostline as fl
from frostline import backbones, session
from frostline.api import searching
from frostline.compute.forks import FINISHED
from frostline.errors import BackboneError, DataError, OptionError
from frostline.session import explanation, finals, frozen, screening
from frostline.session import searching as engine
from frostline.session.clock import Clock
from frostline.strategy.halving import Setting
from frostline.terms.progress import Event, Ranked, RecipeFinished, Remaining, Shared, Sharing, Warned
from frostline.terms.schedule import common_epochs
from frostline.terms.verdict import Interval
from tests.pictures import make_folder

close = import_module("frostline.session.close")  # the package's own `close` is the function
SIZE = 64
SOFTMAX = "all: freeze | head: linear"
SCRATCH = "weights: random | all: tune | head: linear | train: lr=0.001 epochs=1"
WHOLE = "all: tune | head: linear | train: lr=0.001 epochs=1"


def search(textures: Path, backbone: str | list[str], out: Path, *recipes: str, **options: object) -> fl.Run:
    return fl.search(textures, backbone, out=out, recipe=recipes, size=SIZE, **options)  # type: ignore[arg-type]


def standings(run: fl.Run) -> list[tuple[str, str, Interval | None, int]]:
    return [(row.recipe, row.configuration, row.score, row.folds) for row in run.verdict.rows]


def test_scratch_beside_frozen_recipes_alone_runs_on_every_fold(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    run = search(textures, backbone_name, tmp_path / "run", SOFTMAX, SCRATCH)
    folds = dict(zip(run.table["recipe"], run.table["trials"], strict=True))
    rows = {row.recipe: row.folds for row in run.verdict.rows}
    assert rows[SCRATCH] == rows[SOFTMAX] > 1 and folds[SCRATCH] >= rows[SCRATCH]


def test_a_source_is_trained_from_scratch_however_little_time_there_is(
    textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    """Nothing else could be handed over: one epoch is run, and the run ends with a model."""
    line = "weights: random | all: tune | head: linear"
    run = search(textures, backbone_name, tmp_path / "run", line, time=2.0, limit=80)
    assert run.verdict.chosen.recipe == line and run.has_model and not run.verdict.interim


def test_two_weights_of_one_architecture_are_two_backbones(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    name, _, file = backbone_name.partition("=")
    other = {key: value * 1.5 for key, value in load_file(file).items()}
    save_file(other, tmp_path / "other.safetensors")
    run = search(textures, [backbone_name, f"{name}={tmp_path / 'other.safetensors'}"], tmp_path / "run", SOFTMAX)
    assert len({row.backbone for row in run.verdict.rows}) == 2
    assert all(row.backbone.startswith(f"{name}@") for row in run.verdict.rows)
    assert any(claim.claim.startswith("source-") for claim in run.verdict.claims)
    assert run.model.classes == ("across", "along")
    with pytest.raises(OptionError, match="given twice"):
        search(textures, [backbone_name, f"{backbone_name}?size=64"], tmp_path / "again", SOFTMAX)


def test_data_that_were_refused_and_mended_may_use_the_same_folder(backbone_name: str, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", {"cat": 12, "dog": 12})
    broken = next(data.glob("cat/*.png"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:300])
    out = tmp_path / "runs" / "run"
    with pytest.raises(DataError, match="allow-unreadable"):
        search(data, backbone_name, out, SOFTMAX)
    with pytest.raises(OptionError, match="channels"):
        search(data, f"{backbone_name}?channels=7", out, SOFTMAX, allow_unreadable=True)
    assert not out.exists(), "what was refused leaves no folder behind"
    broken.write_bytes(whole)
    assert search(data, backbone_name, out, SOFTMAX).verdict.chosen.recipe == SOFTMAX


def test_what_is_no_image_is_refused_before_the_backbone_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_folder(tmp_path / "data", {"cat": 6, "dog": 6})
    (data / "cat" / "letter.jpg").write_bytes(b"%PDF-1.7 no picture at all")
    loaded: list[str] = []
    monkeypatch.setattr(backbones, "load", loaded.append)
    for ask in (lambda: search(data, "timm/resnet18", tmp_path / "run", SOFTMAX), lambda: fl.plan(data, "timm/resnet18")):
        with pytest.raises(DataError, match=r"letter\.jpg"):
            ask()
    assert loaded == [] and not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["timm/resnet81", "timm/resnet18=nowhere.safetensors"])
def test_a_backbone_that_is_not_there_is_told_before_any_image_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_folder(tmp_path / "data", {"cat": 8, "dog": 8})
    monkeypatch.setattr("frostline.data.read", lambda *_, **__: pytest.fail("read first"))
    for ask in (lambda: search(data, name, tmp_path / "run", SOFTMAX), lambda: fl.plan(data, name)):
        with pytest.raises(BackboneError):
            ask()


class Heard:
    """Everything that a search says."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def update(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def test_a_search_says_what_is_wrong_with_the_images_what_is_shared_and_each_finished_recipe(
    backbone_name: str, tmp_path: Path
) -> None:
    data = make_folder(tmp_path / "data", {"cat": 24, "dog": 24})
    shutil.copy(data / "cat" / "000.png", data / "dog" / "copy.png")
    heard = Heard()
    run = search(data, backbone_name, tmp_path / "run", SOFTMAX, "weights: random | all: freeze | head: linear", listener=heard)
    warned = [event.sentence for event in heard.of(Warned)]
    assert warned == list(run.warnings) and "different labels" in warned[0]
    finished = {event.recipe: event for event in heard.of(RecipeFinished)}
    rows = {row.recipe: row for row in run.verdict.rows}
    assert set(finished) == set(rows) and all(one.folds == rows[name].folds > 1 for name, one in finished.items())
    assert all(one.seconds > 0 and one.score is not None for one in finished.values())
    shared = heard.of(Sharing)
    assert [(one.images, one.recipes, one.stored_bytes > 0) for one in shared] == [(49, 1, True)] * 2
    assert all(one.trials % rows[SOFTMAX].folds == 0 or one.trials == rows[SOFTMAX].folds for one in shared)
    last = heard.of(Ranked)[-1].rows
    assert [row.score for row in last] == sorted((row.score for row in last), reverse=True)


def test_a_forecast_never_goes_beyond_the_time_there_is(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    heard = Heard()
    search(textures, backbone_name, tmp_path / "run", SOFTMAX, WHOLE, time=1.0, limit=60, listener=heard)
    said = [event.sentence for event in heard.of(Shared)]
    assert any(sentence.startswith("What was asked for does not fit into --time 1.0 s") for sentence in said)
    assert any("less than a verdict needs here" in event.sentence for event in heard.of(Warned)), "said, not only noted"
    assert heard.of(Remaining)[0].seconds == 1.0


def test_a_finalist_that_no_time_was_left_for_is_not_said_to_have_finished(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frostline.session.finals.MARGIN", 1e9)
    heard = Heard()
    run = search(textures, backbone_name, tmp_path / "run", SOFTMAX, WHOLE, time=90.0, limit=60, listener=heard)
    assert any(WHOLE in sentence and "no time" in sentence for sentence in run.verdict.not_run)
    assert all(event.score is not None for event in heard.of(RecipeFinished))


def test_a_plan_names_no_rows_of_a_file_that_it_does_not_write(backbone_name: str, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", {"cat": 12, "dog": 12})
    shutil.copy(data / "cat" / "000.png", data / "dog" / "copy.png")
    notes = fl.plan(data, backbone_name, recipe=SOFTMAX, size=SIZE).notes
    assert "1 exact duplicates of other images." in notes and not any("splits.csv" in note for note in notes)
    assert notes[-1] == "`frostline check DATA` names the files."


def test_a_run_that_died_before_its_page_gets_it_at_the_next_start(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(searching, "write_pages", lambda run: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(textures, backbone_name, out, SOFTMAX)
    assert not (out / "report.html").exists()
    again = search(textures, backbone_name, out, SOFTMAX)
    assert again.report_path.exists() and (out / "model" / "README.md").exists()


def test_a_test_set_that_was_opened_is_not_opened_again(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process dies while it looks at the sealed images: the next decision is scored by cross-validation, and says why."""
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(close, "predict", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(textures, backbone_name, out, SOFTMAX)
    opened = fl.Run(out).verdict.test_opened_at
    assert opened and fl.Run(out).verdict.interim
    with monkeypatch.context() as patch:
        patch.setattr(close, "_open_test", lambda *_: pytest.fail("opened twice"))
        verdict = search(textures, backbone_name, out, SOFTMAX).verdict
    assert verdict.score.how == "cross-validation" and verdict.test_opened_at == opened and not verdict.interim
    assert any("opened before" in note for note in verdict.notes)


def test_a_control_on_pixels_is_fitted_before_the_test_set_is_opened(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, forest = tmp_path / "run", "pixels: forest"
    with monkeypatch.context() as patch:
        patch.setattr(close, "pixel_classifier", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(textures, backbone_name, out, SOFTMAX, forest)
    assert fl.Run(out).verdict.interim and not fl.Run(out).verdict.test_opened_at
    verdict = search(textures, backbone_name, out, SOFTMAX, forest).verdict
    assert verdict.score.how == "sealed-test" and {"chosen", "control"} <= set(verdict.test)


def test_what_was_seen_of_the_test_set_is_not_looked_at_again(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process dies when it has looked at the sealed images: the same decision is scored by what it has seen."""
    out, whole = tmp_path / "run", search(textures, backbone_name, tmp_path / "whole", SOFTMAX).verdict
    with monkeypatch.context() as patch:
        patch.setattr(close, "with_test", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(textures, backbone_name, out, SOFTMAX)
    opened = fl.Run(out).verdict.test_opened_at
    with monkeypatch.context() as patch:
        patch.setattr(close, "_open_test", lambda *_: pytest.fail("opened twice"))
        verdict = search(textures, backbone_name, out, SOFTMAX).verdict
    assert verdict.test_opened_at == opened and not verdict.interim
    assert verdict.score == whole.score and verdict.test == whole.test and verdict.score.how == "sealed-test"


def test_the_seconds_of_a_run_are_those_of_all_its_starts(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short its parts were."""
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(engine, "screen", lambda *_: (_ for _ in ()).throw(engine.StopRequested))
        first = search(textures, backbone_name, out, SOFTMAX).verdict
    assert first.interim
    found = search(textures, backbone_name, out, SOFTMAX).verdict
    name, earlier = json.loads((out / "facts.json").read_text())["phases"][0]
    assert name == "earlier starts" and abs(earlier - first.seconds) < 5 and found.seconds > earlier > 0


def test_single_hold_outs_are_compared_with_one_another_before_a_ranking_has_settled(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frostline.data.draws.ENOUGH_TO_VALIDATE", 10)
    monkeypatch.setattr("frostline.planning.allot.FREE_EPOCHS", 1)
    verdict = search(textures, backbone_name, tmp_path / "run", SOFTMAX, WHOLE, limit=60).verdict
    folds = {row.recipe: row.folds for row in verdict.rows}
    assert folds[SOFTMAX] == 3 and folds[WHOLE] >= 2


@pytest.mark.parametrize(("chosen", "beside"), [(WHOLE, "pixels: logistic"), (SCRATCH, WHOLE)], ids=["transferred", "scratch"])
def test_a_continued_run_finds_the_network_that_is_taken_apart(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, beside: str
) -> None:
    """It was trained on the common fold before the run ended, and is trained once only."""
    out, found = tmp_path / "run", []
    with monkeypatch.context() as patch:
        patch.setattr(close, "predict", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(textures, backbone_name, out, chosen, beside)
    fit = explanation.fit_network
    monkeypatch.setattr(explanation, "fit_network", lambda *given: found.append(fit(*given)) or found[-1])
    verdict = search(textures, backbone_name, out, chosen, beside).verdict
    assert verdict.chosen.recipe == chosen
    assert [one.forked for one in found] == [1], "all of its epochs were carried out before"
    assert not list(out.rglob(f"*{FINISHED}*")), "nobody looks at it any more"
    on_more = [row for row in fl.Run(out).verdict.rows if row.folds > verdict.chosen.folds]
    assert any("The best that may be handed over" in note for note in verdict.notes) == bool(on_more)


def test_a_trial_that_fails_spoils_no_other(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from frostline.compute import trials

    def broken(*_: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(trials, "train", broken)
    verdict = search(textures, backbone_name, tmp_path / "run", SOFTMAX, WHOLE).verdict
    rows = {row.recipe: row for row in verdict.rows}
    assert verdict.chosen.recipe == SOFTMAX and rows[WHOLE].status == "failed" and "no such kernel" in rows[WHOLE].note


def test_no_screening_trial_sees_the_fold_that_judges_the_finalists(textures: Path, backbone_name: str, tmp_path: Path) -> None:
    run = search(textures, backbone_name, tmp_path / "run", SOFTMAX, "all: tune | head: linear", time=40.0)
    results = run._folder.results.load_all().values()
    screened = [result for result in results if result.trial.budget.rung != "full"]
    judged = next(result for result in results if result.trial.budget.rung == "full" and result.trial.split == "r0f0")
    assert screened and all(not set(one.indices) & set(judged.indices) for one in screened)


def test_the_plateau_of_scratch_is_looked_for_once_and_the_other_folds_train_as_long(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frostline.planning.allot.FREE_SCRATCH_EPOCHS", 1)
    monkeypatch.setattr("frostline.planning.allot.FREE_EPOCHS", 1)
    monkeypatch.setattr("frostline.session.finals.MOST_EPOCHS", 4)
    monkeypatch.setattr("frostline.session.plateau.LARGEST_DELTA", -2.0)  # whatever it scores, it has gained
    line = "weights: random | all: tune | head: linear"
    run = search(textures, backbone_name, tmp_path / "run", SOFTMAX, line, limit=60)
    epochs: dict[str, set[int]] = {}
    results = run._folder.results.load_all()
    for result in results.values():
        if result.trial.family == "scratch" and result.trial.budget.rung == "full":
            epochs.setdefault(result.trial.split, set()).add(result.trial.budget.epochs)
    common, *others = (epochs[name] for name in sorted(epochs))
    assert common == {1, 2, 4} and others and all(one == {4} for one in others)
    first = [result for result in results.values() if result.trial.budget.rung != "full" or result.trial.split == min(epochs)]
    forked = {(result.trial.budget.rung, result.trial.budget.epochs): result.forked for result in first}
    assert forked["screen-0", 3] == 0 and forked["screen-1", 9] == common_epochs(3) == 1
    assert forked["full", 2] == 0 and forked["full", 4] == 1
    assert not list((run.path / "cache/checkpoints").iterdir())  # no trial follows any more
    found = standings(run)
    run._folder.verdict_path.unlink()  # as if it had been killed before it could decide
    assert standings(search(textures, backbone_name, tmp_path / "run", SOFTMAX, line, limit=60, time=900.0)) == found
    assert run._folder.results.load_all().keys() == results.keys(), "nothing is trained for fewer epochs because time is given"


@pytest.mark.parametrize("fails", [False, True])
def test_the_whole_network_trains_as_scratch_did_where_scratch_has_overtaken_all_that_transfers(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """With a rate that moves nothing it is no match for scratch; if it cannot be trained as scratch was it goes on as it is."""
    from frostline.compute import trials

    really, like_scratch, fitted = trials.train, [], []

    def train(network, source, rows, labels, schedule, *more):
        like_scratch.extend([schedule] if (schedule.lr, schedule.epochs) == (0.003, 4) else [])
        if fails and len(like_scratch) == 2:  # the first was scratch itself
            like_scratch.append(schedule)
            raise RuntimeError("no such kernel")
        return really(network, source, rows, labels, schedule, *more)

    monkeypatch.setattr(trials, "train", train)
    monkeypatch.setattr(trials, "start_head", lambda _, recipe, *more: fitted.append(recipe))  # a fitted head would do well here
    monkeypatch.setattr("frostline.session.screening.TRANSFER", (Setting(1e-9),))
    monkeypatch.setattr("frostline.session.screening.RANDOM", (Setting(0.003),))
    monkeypatch.setattr("frostline.planning.allot.FREE_EPOCHS", 1)
    monkeypatch.setattr("frostline.planning.allot.FREE_SCRATCH_EPOCHS", 4)
    monkeypatch.setattr("frostline.session.finals.MOST_EPOCHS", 4)
    lines = ("all: tune | head: linear", "weights: random | all: tune | head: linear")
    run = search(textures, backbone_name, tmp_path / "run", *lines, limit=120)
    tried: dict[str, dict[str, set[tuple[str, int]]]] = {"whole": defaultdict(set), "scratch": defaultdict(set)}
    for one in run._folder.results.load_all().values():
        if one.trial.budget.rung == "full":
            tried[one.trial.family][one.trial.split].add((dict(one.trial.options)["lr"], one.trial.budget.epochs))
    assert fitted and all(recipe.option("start") is None for recipe in fitted), (
        "its head is fitted before it trains as scratch did"
    )
    assert tried["scratch"]["r0f0"] == {("0.003", 4)}
    assert tried["whole"]["r0f0"] == {("1e-09", 1), ("0.003", 4)}
    others = {split: of for split, of in tried["whole"].items() if split != "r0f0"}
    assert others and all(of == ({("1e-09", 1)} if fails else {("0.003", 4)}) for of in others.values())
    if not fails:  # nobody tries it anew in a given time, but what was found is not forgotten
        found = standings(run)
        run._folder.verdict_path.unlink()
        assert standings(search(textures, backbone_name, tmp_path / "run", *lines, limit=120, time=900.0)) == found


def test_a_stop_while_decoding_ends_at_once(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine.Clock

    def stopping(limit_s: float | None) -> engine.Clock:
        clock = real(limit_s)
        clock.stopping = True
        return clock

    monkeypatch.setattr(engine, "Clock", stopping)
    begun = time.monotonic()
    with pytest.raises(session.Interrupted):
        search(textures, backbone_name, tmp_path / "run", SOFTMAX)
    assert time.monotonic() - begun < 60


def test_a_plan_writes_nothing_and_names_what_the_search_would_run(
    textures: Path, backbone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = fl.plan(textures, backbone_name, size=SIZE, time="10m", flip="on", delta=0.02)
    assert not list(tmp_path.iterdir())
    assert (found.pool, found.sealed, found.folds, found.size) == (224, 56, 5, SIZE)
    families = {family for _, _, family in found.lines}
    assert {"pixels", "random-features", "softmax-only", "truncated", "whole", "scratch", "random-matched"} <= families
    assert found.seconds < found.alone_s and 0 < found.detectable < 1
    assert found.fit is not None and 0 < found.fit.least_s < found.fit.time_s == 600
    assert found.fit.images > 0 and found.fit.final_epochs > 0
    differences = [one.difference for one in found.reach]
    assert differences == sorted(differences, reverse=True) and differences[0] == found.detectable
    assert [(one.times, one.images, one.units) for one in found.reach[:2]] == [(1, 224, 224), (2, 448, 448)]
    assert (found.delta, found.unit) == (0.02, "image") and found.equality_units > found.reach[1].units


def test_a_plan_of_recipes_that_were_asked_for_names_those_on_pixels_too(textures: Path, backbone_name: str) -> None:
    found = fl.plan(textures, backbone_name, size=SIZE, recipe=[SOFTMAX, "pixels: logistic"])
    assert [recipe for _, recipe, _ in found.lines] == ["pixels: logistic", SOFTMAX]


def test_a_screening_trial_may_end_after_its_window_whatever_is_kept_at_the_end() -> None:
    clock = Clock(600.0, kept_s=150.0)
    work: Any = SimpleNamespace(clock=clock)
    deadline = clock.deadline(screening._reserve(work, 285.0))
    assert deadline is not None and deadline - clock.started == pytest.approx(285 + (600 - 150 - 285) / 10)


def test_what_a_draw_of_the_folds_took_is_known_to_a_run_that_goes_on() -> None:
    """Nothing of it is run then; another draw costs no less for that."""

    def taken(split: str, rung: str = "full") -> Any:
        return SimpleNamespace(seconds=60.0, trial=SimpleNamespace(split=split, budget=SimpleNamespace(rung=rung)))

    results = [taken("r0f0"), taken("r0f0"), taken("r1f0"), taken("r0f0", "curve")]
    work: Any = SimpleNamespace(backend=SimpleNamespace(workers=3), ledger=SimpleNamespace(results=results))
    splits: Any = [SimpleNamespace(name="r0f0")]
    assert frozen._beside_each_other_s(work, splits) == pytest.approx(40)


@pytest.mark.parametrize(("limit", "kept"), [(None, 20.0), (900.0, 20.0), (60.0, 15.0), (30.0, 12.0)])
def test_of_a_short_limit_less_is_kept_for_closing(limit: float | None, kept: float) -> None:
    assert finals._closing_s(SimpleNamespace(clock=Clock(limit))) == kept  # type: ignore[arg-type]
