"""What systems reached becomes a table with intervals and a picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import benchmarks.peers.__main__ as command
from benchmarks.peers.__main__ import measurements
from benchmarks.peers.common import Job, report
from benchmarks.peers.table import Line, draw, line, markdown
from frostline.terms.interval import Interval
from tests.pictures import make_folder

IMAGES = 40


def found(out: Path, chosen: str = "") -> dict[str, object]:
    """A JSON file as a peer leaves it, of 40 images of which each fifth is mistaken."""
    labels = ["ab"[number % 2] for number in range(IMAGES)]
    of_own = np.where(np.arange(IMAGES) % 5 == 0, 0.3, 0.8)
    first = np.where(np.arange(IMAGES) % 2 == 0, of_own, 1 - of_own)
    probabilities = np.stack([first, 1 - first], axis=1)
    job = Job([("t", "a"), ("u", "b")], [(f"{i}.png", one) for i, one in enumerate(labels)], out, 3, 96, 0, out / "peer.json")
    settings = {"chosen": chosen} if chosen else {}
    report(
        job,
        name="peer",
        version="1",
        training_s=2.0,
        with_start_up_s=5.0,
        classes=["a", "b"],
        probabilities=probabilities,
        settings=settings,
    )
    return json.loads(job.out.read_text(encoding="utf-8")) | {"budget": "3 epochs", "seconds": 7.4}


def test_scores_stand_within_their_intervals(tmp_path: Path) -> None:
    one = line(found(tmp_path), {})
    assert (one.system, one.budget, one.seconds, one.accuracy.value) == ("peer", "3 epochs", 7.4, 0.8)
    assert one.auroc is not None
    for interval in (one.accuracy, one.auroc):
        assert 0.5 < interval.low < interval.value < interval.high <= 1


def test_images_of_one_patient_are_drawn_together(tmp_path: Path) -> None:
    """Four patients, one of whom has all the mistakes: less is known than from forty images."""
    alone = line(found(tmp_path), {}).accuracy
    patients = {f"{number}.png": "bad" if number % 5 == 0 else f"p{number % 3}" for number in range(IMAGES)}
    together = line(found(tmp_path), patients).accuracy
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_the_table_keeps_its_columns_whatever_a_recipe_contains(tmp_path: Path) -> None:
    rows = markdown([line(found(tmp_path, "all: freeze | head: linear"), {})]).splitlines()
    assert rows[0] == "| system | budget | seconds | test accuracy | test AUROC | what came out |"
    assert rows[2].startswith("| peer | 3 epochs | 7 | .800 (.")
    assert rows[2].endswith(r"| all: freeze \| head: linear |")
    assert len({row.replace(r"\|", "").count("|") for row in rows}) == 1


def test_the_picture_names_every_system(tmp_path: Path) -> None:
    interval = Interval(0.9, 0.8, 0.95)
    draw(
        [Line(name, "", second, interval, None) for name in ("frostline", "other") for second in (9.0, 90.0)],
        "t",
        tmp_path / "c.svg",
    )
    text = (tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "<!-- frostline -->" in text
    assert "<!-- other -->" in text


def test_frostline_comes_first_because_it_seals_the_images() -> None:
    every = measurements(["1m"], ["1", "5"], ["60"])
    assert [one.file for one in every] == [
        "frostline-1m", "fastai-1", "fastai-5", "lightning-1", "lightning-5", "autogluon-1", "autogluon-5", "optuna-60",
    ]  # fmt: skip
    assert every[-1].options == ("--epochs", "9", "--seconds", "60")


@pytest.mark.slow
def test_one_command_measures_a_search_and_a_peer_on_the_same_images(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data, test = (make_folder(tmp_path / name, {"cat": count, "dog": count}) for name, count in (("data", 30), ("test", 10)))
    python = tmp_path / ".env-optuna" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(command, "SEARCH_EPOCHS", 1)
    monkeypatch.setattr(command, "_python", lambda peer: tmp_path / f".env-{peer}" / "bin" / "python")
    words = ["peers", str(data), "--test", str(test), "--weights", str(weights), "-o", str(tmp_path / "out"), "--size", "32"]
    monkeypatch.setattr(sys, "argv", [*words, "--time", "20s", "--epochs", "1", "--search-seconds", "2"])
    command.main()
    shown = capfd.readouterr().out
    assert "fastai, 1 epoch: left out" in shown
    results = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text("utf-8")) for name in ("frostline-20s", "optuna-2")}
    tested = [{one["path"] for one in result["probabilities"]} for result in results.values()]
    assert tested[0] == tested[1] == {str(file) for file in test.rglob("*.png")}
    assert [row.split(" | ")[0] for row in shown.splitlines() if row.startswith(("| frost", "| Opt"))] == [
        "| frostline",
        "| Optuna, ASHA",
    ]
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.json")}
    command.main()
    assert before == {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.json")}
