"""Labels for files: whatever stands for files, in order, in a stream, unreadable ones in their place."""

import io
import os
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

import frostline as fl
from frostline import cli
from frostline.errors import DataError, OptionError
from frostline.export.inputs import find_inputs
from frostline.export.predict import Rule, describe


def files(images: list[str]) -> list[str]:
    return list(find_inputs(images).paths)


def test_folders_patterns_and_tables_stand_for_the_same_files(stripes: Path, tmp_path: Path) -> None:
    folder = stripes / "along"
    wanted = sorted(str(path) for path in folder.iterdir())
    assert (
        files([str(folder)]) == wanted == files([str(folder / "*.png")]) == sorted(files([str(stripes / "**" / "*.png")]))[-24:]
    )
    frame = pd.DataFrame({"id": range(24), "path": [os.path.relpath(name, tmp_path) for name in wanted]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for table in ("t.csv", "t.parquet"):
        assert [Path(name).resolve() for name in files([str(tmp_path / table)])] == [Path(name).resolve() for name in wanted]


def test_tables_of_the_forms_that_a_search_reads(tmp_path: Path) -> None:
    (tmp_path / "semicolons.csv").write_text('\ufeffImage Index;note\n"a;1.png";x\n\nb.png;y\n', encoding="utf-8")
    pd.DataFrame({"file_name": ["a;1.png", "b.png", None]}).to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for table in ("semicolons.csv", "t.jsonl"):
        assert files([str(tmp_path / table)]) == [str(tmp_path / "a;1.png"), str(tmp_path / "b.png")]


def test_what_stands_for_no_file_is_one_clear_error(stripes: Path, tmp_path: Path) -> None:
    pd.DataFrame({"fil": ["a.png"]}).to_csv(tmp_path / "t.csv", index=False)
    for given, message in [
        ([str(stripes / "nothing.png")], "is not there"),
        ([str(stripes / "*.jpg")], "matches no image"),
        ([str(tmp_path / "t.csv")], "Nearest: file"),
        (["-", "x.png"], "one or the other"),
    ]:
        with pytest.raises(DataError, match=message):
            files(given)


def test_files_that_cannot_be_images_are_refused_before_a_model_is_loaded(stripes: Path, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").touch()
    for name, message in [("report.pdf", "looks like a PDF"), ("notes.txt", "is no image. Give"), ("empty", "is an empty file")]:
        with pytest.raises(DataError, match=message):
            fl.predict(tmp_path / "no-model", tmp_path / name)
    with pytest.raises(DataError, match="nor is any of the 1 other files"):
        files([str(tmp_path / "report.pdf"), str(tmp_path / "notes.txt")])
    image = next((stripes / "along").iterdir())
    assert len(files([str(tmp_path / "report.pdf"), str(image)])) == 2  # reported in its place


def test_an_empty_file_is_said_to_be_empty(run: fl.Run, stripes: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.dcm").touch()
    found = list(fl.predict(run.path, [tmp_path / "a.png", tmp_path / "b.dcm", next((stripes / "along").iterdir())]))
    assert ["the file is empty" in (one.error or "") for one in found] == [True, True, False]


def test_unreadable_files_are_reported_in_their_place(run: fl.Run, stripes: Path, tmp_path: Path) -> None:
    good = sorted((stripes / "along").iterdir())[:2]
    (tmp_path / "cut.png").write_bytes(good[0].read_bytes()[:200])
    table = pd.DataFrame({"path": [good[0], tmp_path / "cut.png", tmp_path / "gone.png", good[1]]})
    table.to_csv(tmp_path / "t.csv", index=False)
    found = list(fl.predict(run.path, [tmp_path / "t.csv"]))
    assert [one.error is None for one in found] == [True, False, False, True]
    assert [Path(one.file).name for one in found] == [good[0].name, "cut.png", "gone.png", good[1].name]
    assert found[1].label is None and not found[1].abstained and not found[1].probabilities


def test_a_stream_gives_what_one_image_at_a_time_gives(run: fl.Run, stripes: Path) -> None:
    whole = list(fl.predict(run.path, stripes))
    assert len(whole) == 48 and fl.predict(run.path, stripes).total == 48
    for one in whole[::9]:
        (alone,) = fl.predict(run.path, one.file)
        assert alone.label == one.label
        assert alone.probabilities == pytest.approx(one.probabilities, abs=1e-5)


def test_answers_come_before_the_list_has_ended(run: fl.Run, stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    first, second = sorted((stripes / "along").iterdir())[:2]
    found = fl.predict(run.path, "-")
    assert found.total is None
    os.write(writing, f"{first}\n".encode())
    assert next(found).file == str(first)  # the pipe is still open
    threading.Timer(0.2, lambda: (os.write(writing, f"{second}\n".encode()), os.close(writing))).start()
    assert [one.file for one in found] == [str(second)]


def test_a_stream_that_nobody_reads_to_its_end_stops(run: fl.Run, stripes: Path) -> None:
    before = threading.active_count()
    found = fl.predict(run.path, [stripes] * 20)
    next(found)
    found._found.close()
    assert threading.active_count() <= before + 1


def test_below_its_threshold_the_model_abstains_and_keeps_its_probabilities() -> None:
    one = describe("x", [0.7, 0.3], ("a", "b"), Rule(least=0.8))
    assert (one.label, one.confidence, one.abstained) == (None, 0.7, True)
    assert describe("x", [0.7, 0.3], ("a", "b"), Rule(least=0.7)).label == "a"
    assert describe("x", [0.7, 0.3], ("a", "b"), Rule(positive="b", threshold=0.3)).label == "b"
    assert describe("x", [0.7, 0.3], ("a", "b"), Rule(positive="b", threshold=0.31)).label == "a"


def test_the_threshold_that_the_search_fixed_can_be_named(run: fl.Run, stripes: Path) -> None:
    found = list(fl.predict(run.path, stripes, threshold="youden"))
    cut = {one.probabilities["along"] for one in found if one.label == "along"}
    assert all(one.probabilities["along"] < min(cut) for one in found if one.label == "across")
    with pytest.raises(OptionError, match="Nearest: youden"):
        fl.predict(run.path, stripes, threshold="yuden")
    with pytest.raises(OptionError, match="0 to 1"):
        fl.predict(run.path, stripes, abstain_below=1.5)


def test_the_command_reads_paths_from_a_pipe(
    run: fl.Run, stripes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "\n".join(str(path) for path in sorted((stripes / "along").iterdir())[:3])
    monkeypatch.setattr(sys, "stdin", io.StringIO(names))
    assert cli.run(["predict", str(run.path), "-", "--abstain-below", "0.1"]) == 0
    out, err = capsys.readouterr()
    frame = pd.read_csv(io.StringIO(out))
    assert list(frame.columns) == ["file", "label", "confidence", "error", "across", "along"]
    assert len(frame) == 3 and err == ""
    assert (frame["across"] + frame["along"]).to_numpy() == pytest.approx(1, abs=1e-4)


def test_several_labels_are_said_each_from_its_own_threshold_and_have_no_one_confidence() -> None:
    names, rule = ("mass", "nodule", "fluid"), Rule(several=(0.5, 0.1, 0.9))
    both, none = (describe("x.png", row, names, rule) for row in ((0.5, 0.2, 0.8), (0.4, 0.05, 0.8)))
    assert (both.label, both.confidence, both.abstained) == ("mass|nodule", None, False)
    assert (none.label, none.confidence) == ("none", None)
