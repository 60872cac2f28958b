"""Parsing, exit codes and start-up of the command line."""

from __future__ import annotations

import csv
import inspect
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from frostline import api, cli
from frostline.cli import options
from frostline.errors import AllTrialsFailed, DataError
from frostline.export.predict import Prediction, Predictions

HEAVY = ("torch", "timm", "torchvision", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "PIL", "pyarrow")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    loaded = python("import sys, frostline.cli; print(*sys.modules)").split()
    assert set(HEAVY) & set(loaded) == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = python("import sys, frostline; frostline.Recipe; print(*sys.modules)").split()
    assert set(HEAVY) & set(loaded) == set()


def test_help_loads_nothing_heavy() -> None:
    """It starts in well under a second because none of these is imported."""
    script = "import sys; from frostline.cli import run; run(['--help']); print('loaded:', *sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.rpartition("loaded:")[2].split())
    assert "typer" in loaded
    assert not loaded & {"torch", "timm", "torchvision", "numpy", "scipy", "sklearn", "pandas", "pyarrow", "matplotlib", "jinja2"}


def test_underscores_and_hyphens_are_alike_in_names_only() -> None:
    given = ["search", "my_data", "--pool_val", "--cache_size=2_0GB", "-o", "a_b", "--", "--as_is"]
    assert cli.hyphenated(given) == ["search", "my_data", "--pool-val", "--cache-size=2_0GB", "-o", "a_b", "--", "--as_is"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("no images in x."), 2, "frostline: no images in x."),
        (AllTrialsFailed("all failed"), 3, "frostline: all failed"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (RuntimeError("boom\nmore"), 1, "RuntimeError: boom\n"),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "_search", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cli.run(["search", "x"]) == code
    message = capsys.readouterr().err
    assert words in message and "Traceback" not in message
    logs = list(tmp_path.glob("frostline-*.log"))
    assert len(logs) == (code == 1)
    if logs:
        assert str(logs[0]) in message and "Traceback" in logs[0].read_text()


def test_options_arrive_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(cli, "_search", lambda *call: calls.append(call))
    line = ["search", "some/x-rays/", "-b", "a", "-b", "b=f?size=96", "--recipe", "all: tune | head: linear", "--pool_val"]
    assert cli.run([*line, "--cache_size=2GB", "--time", "1h30m", "--limit", "9", "--delta", "0.02", "--test", "t"]) == 0
    data, folder, time_text, options = calls[0]
    assert (data, folder, time_text) == ("some/x-rays/", Path("frostline-x-rays"), "1h30m")
    assert options["backbone"] == ["a", "b=f?size=96"]
    assert options["recipe"] == ("all: tune | head: linear",)
    assert (options["pool_val"], options["cache_size"], options["limit"], options["delta"]) == (True, 2 * 10**9, 9, 0.02)
    assert options["test"] == "t"


def test_a_search_becomes_its_plan_by_changing_one_word() -> None:
    searched, planned = (set(inspect.signature(one).parameters) for one in (cli.search, cli.plan))
    assert searched - planned == {"out", "backend", "workers", "address"} and planned <= searched
    searched, planned = (set(inspect.signature(one).parameters) for one in (api.search, api.plan))
    assert searched - planned == {"out", "backend", "workers", "address", "listener"} and planned <= searched


def test_train_is_a_search_of_one_recipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(cli, "_search", lambda *call: calls.append(call))
    assert cli.run(["train", "x-rays", "-b", "a", "--recipe", "all:tune|head:linear", "--size", "64"]) == 0
    data, folder, _, options = calls[0]
    assert (data, folder) == ("x-rays", Path("frostline-x-rays-one"))
    assert options["recipe"] == ("all: tune | head: linear",) and options["size"] == 64
    assert cli.run(["train", "x-rays", "--recipe", "pixels: forest"]) == 2
    assert "no network to train" in capsys.readouterr().err
    trained, searched = (set(inspect.signature(one).parameters) for one in (cli.train, cli.search))
    assert searched - trained == {"delta", "learning_curve", "deep"} and trained <= searched


def test_the_metrics_that_the_help_names_are_all_there_are() -> None:
    from frostline.stats.metrics import METRICS

    assert tuple(METRICS) == options.METRICS


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("frostline ")


GOOD = Prediction("a,b.png", "cat", {"cat": 0.75, "dog": 0.25}, None, 0.75)
UNSURE = Prediction("c.png", None, {"cat": 0.5, "dog": 0.5}, None, 0.5)
BAD = Prediction("bad.png", None, {}, "bad.png cannot be read")


def predicted(monkeypatch: pytest.MonkeyPatch, items: list[Prediction], *options: str) -> int:
    import frostline.api

    def predict(source: str, images: list[str], **options: object) -> Predictions:
        return Predictions(iter(items), len(items))

    monkeypatch.setattr(frostline.api, "predict", predict)
    return cli.run(["predict", "RUN", "x.png", *options])


def test_predictions_as_csv(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted(monkeypatch, [BAD, GOOD, UNSURE]) == 2
    out, err = capsys.readouterr()
    assert list(csv.reader(io.StringIO(out))) == [
        ["file", "label", "confidence", "error", "cat", "dog"],
        ["bad.png", "", "", "bad.png cannot be read", "", ""],
        ["a,b.png", "cat", "0.75", "", "0.75", "0.25"],
        ["c.png", "", "0.5", "", "0.5", "0.5"],
    ]
    assert err == "frostline: bad.png cannot be read\n"


def test_a_name_is_no_formula_for_the_spreadsheet_that_opens_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "=HYPERLINK(0)"
    assert predicted(monkeypatch, [Prediction("@x.png", evil, {evil: 0.75, "-1": 0.25}, None, 0.75)]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    head = ["file", "label", "confidence", "error", f"'{evil}", "-1"]
    assert rows == [head, ["'@x.png", f"'{evil}", "0.75", "", "0.75", "0.25"]]


def test_check_prints_what_it_found_and_ends_with_what_a_search_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.pictures import make_folder

    data, sheet = make_folder(tmp_path / "good", {"cat": 6, "dog": 6}), tmp_path / "sheet.html"
    assert cli.run(["check", str(data), "-o", str(sheet)]) == 0
    out, err = capsys.readouterr()
    assert "cat" in out and "12 images in 2 classes" in out and str(sheet) in err and sheet.exists()
    (data / "cat" / "x.png").write_bytes(b"no image")
    assert cli.run(["check", str(data), "-o", str(sheet)]) == 2
    assert "x.png: it is no image that can be read" in " ".join(capsys.readouterr().out.split())
    assert cli.run(["check", str(data), "-o", str(tmp_path / "no" / "sheet.html")]) == 2
    assert "expected a file in a folder that is there" in capsys.readouterr().err
    assert cli.run(["check", str(tmp_path / "nowhere"), "-o", str(sheet)]) == 2
    assert "nowhere is not there" in " ".join(capsys.readouterr().err.split())


def test_predictions_as_json_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted(monkeypatch, [GOOD, UNSURE], "--format", "jsonl") == 0
    line, unsure = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert line == {
        "file": "a,b.png", "label": "cat", "confidence": 0.75, "abstained": False,
        "probabilities": {"cat": 0.75, "dog": 0.25}, "error": None,
    }  # fmt: skip
    assert unsure["label"] is None and unsure["abstained"] and unsure["confidence"] == 0.5


def test_all_images_unreadable_still_gives_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted(monkeypatch, [BAD]) == 2
    assert capsys.readouterr().out.splitlines() == ["file,label,confidence,error", "bad.png,,,bad.png cannot be read"]


def test_nothing_is_written_about_data_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x-rays").mkdir()
    assert cli.run(["check", "x-rayz"]) == 2
    said = capsys.readouterr().err
    assert "x-rayz is not there" in said and "x-rays" in said
    assert [path.name for path in tmp_path.iterdir()] == ["x-rays"]
