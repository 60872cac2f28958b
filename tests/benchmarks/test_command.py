"""What `python -m benchmarks` measures, as its words say."""

import sys
from pathlib import Path

import pytest

from benchmarks import searches
from benchmarks.__main__ import GOALS, UNLIMITED, _arguments, whole_search
from benchmarks.searches import Record


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    def parsed(*words: str):
        monkeypatch.setattr(sys, "argv", ["benchmarks", "data", "--weights", "w", "-o", "out", *words])
        return _arguments()

    return parsed


def test_quick_is_small_unless_something_else_is_asked_for(given) -> None:
    quick, slower, full = given("--quick"), given("--quick", "--time", UNLIMITED, "--size", "64"), given()
    assert (quick.time, quick.size, quick.limit) == ("3m", 96, 400)
    assert (slower.time, slower.size, slower.limit) == (UNLIMITED, 64, 400)
    assert (full.time, full.size, full.limit, full.goals) == ("20m", None, None, GOALS)


def test_a_goal_that_there_is_not_is_refused(given, capsys: pytest.CaptureFixture[str]) -> None:
    assert given("--goals", "P1,P4").goals == ("P1", "P4")
    with pytest.raises(SystemExit):
        given("--goals", "P1,P9")
    assert "no goal P9; there are P1, P2, P3, P4" in capsys.readouterr().err


@pytest.mark.parametrize(("time_s", "name", "met"), [("900.0", "P2a", False), ("null", "P2b", True)])
def test_a_search_without_a_limit_has_a_goal_of_its_own(tmp_path: Path, time_s: str, name: str, met: bool) -> None:
    (tmp_path / "verdict.json").write_text('{"rows": [], "not_run": []}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text(f"settings: {{time_s: {time_s}}}", encoding="utf-8")
    ordinary = {"kernels": "fp32", "workers": 2, "seconds": 100.0, "images_per_s": 10.0}
    goal = whole_search(Record(tmp_path, 90.0), {"fine-tune plain": ordinary, "fine-tune best": ordinary})
    assert (goal.name, goal.ratio, goal.met) == (name, 0.9, met)


def test_a_search_is_measured_from_nothing_and_its_seconds_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []

    def search(data: Path, backbone: str, out: Path, options: list[str]) -> Record:
        begun.append(out.exists())
        out.mkdir()
        (out / "facts.json").write_text('{"phases": []}', encoding="utf-8")
        return searches.read(out, 50.0)

    monkeypatch.setattr(searches, "search", search)
    out = tmp_path / "run"
    out.mkdir()  # what an earlier command, which was cut off, left
    walls = [searches.measured(tmp_path, "network", out, options).wall_s for options in (["--time", "9m"],) * 2]
    assert (walls, begun) == ([50.0, 50.0], [False])
    searches.measured(tmp_path, "network", out, ["--time", "3m"])
    assert begun == [False, False]
