"""What cannot be used gets one clear message and exit code 2: what was given, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from frostline import cli
from frostline.store.run_folder import RunFolder
from tests.pictures import make_folder
from tests.store.values import SETTINGS

DEMO = ("-b", "demo/efficientnet_lite0", "--size", "64")


def _good(folder: Path) -> str:
    return str(make_folder(folder / "good", {"cat": 12, "dog": 12}))


def no_images(folder: Path) -> list[str]:
    (folder / "empty" / "cat").mkdir(parents=True)
    return [str(folder / "empty"), *DEMO]


def one_class(folder: Path) -> list[str]:
    return [str(make_folder(folder / "one", {"cat": 12})), *DEMO]


def one_image_in_a_class(folder: Path) -> list[str]:
    return [str(make_folder(folder / "few", {"cat": 12, "dog": 1})), *DEMO]


def unreadable_image(folder: Path) -> list[str]:
    data = _good(folder)
    path = Path(data) / "cat" / "003.png"
    path.write_bytes(path.read_bytes()[:300])
    return [data, *DEMO]


def unknown_backbone(folder: Path) -> list[str]:
    return [_good(folder), "-b", "timm/resnet81"]


def weights_that_do_not_fit(folder: Path) -> list[str]:
    save_file({"other.weight": np.zeros((2, 2), np.float32)}, folder / "other.safetensors")
    return [_good(folder), "-b", f"timm/resnet18={folder / 'other.safetensors'}"]


def missing_weights(folder: Path) -> list[str]:
    return [_good(folder), "-b", f"timm/resnet18={folder / 'nowhere.safetensors'}"]


def missing_folder(folder: Path) -> list[str]:
    return [str(folder / "nowhere"), *DEMO]


def missing_test_set(folder: Path) -> list[str]:
    return [_good(folder), *DEMO, "--test", str(folder / "god")]


def other_classes_in_the_test_set(folder: Path) -> list[str]:
    return [_good(folder), *DEMO, "--test", str(make_folder(folder / "other", {"cat": 2, "dgo": 3}))]


def different_run(folder: Path) -> list[str]:
    RunFolder.create(folder / "run", SETTINGS, "0").close()
    return [_good(folder), *DEMO]


def recipe_of_another_network(folder: Path) -> list[str]:
    return [_good(folder), *DEMO, "--recipe", "stem .. layer9: freeze | head: linear"]


CASES: dict[Callable[[Path], list[str]], tuple[str, ...]] = {
    no_images: ("empty", "image"),
    one_class: ("one", "cat", "class"),
    one_image_in_a_class: ("dog", "1"),
    unreadable_image: ("003.png", "--allow-unreadable"),
    unknown_backbone: ("resnet81", "resnet"),
    weights_that_do_not_fit: ("other.safetensors", "resnet18"),
    missing_weights: ("nowhere.safetensors",),
    missing_folder: ("nowhere",),
    missing_test_set: ("god is not there", "Nearest: good"),
    other_classes_in_the_test_set: ("test set", "dgo (3)", "cat, dog", "Nearest: dog"),
    different_run: ("run", "another folder with -o", "seed" if SETTINGS.seed else "size was 96, now 64"),
    recipe_of_another_network: ("layer9", "frostline stages"),
}


RUN_ALL = """
import contextlib, io, json, sys
from frostline import cli
answers = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()) as out:
        code = cli.run(arguments)
    answers.append([code, out.getvalue() + err.getvalue()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and output of every case, all from one process, because starting torch takes the time."""
    folders = {case: tmp_path_factory.mktemp(case.__name__) for case in CASES}
    lines = [["search", *case(folder), "-o", str(folder / "run")] for case, folder in folders.items()]
    command = [sys.executable, "-c", RUN_ALL, json.dumps(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return {case.__name__: (code, text) for case, (code, text) in zip(CASES, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_gets_one_clear_message(answers: dict[str, tuple[int, str]], case: Callable[[Path], list[str]]) -> None:
    code, output = answers[case.__name__]
    assert code == 2, output
    assert "Traceback" not in output
    message = output.split("frostline: ", 1)[1]
    assert message.count("\n") <= 8, message
    for words in CASES[case]:
        assert words in message


def test_a_real_process_ends_with_the_exit_code_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "frostline.cli", "search", *missing_folder(tmp_path), "-o", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("frostline: ") and "nowhere" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "-1"], ("--seed -1", "least is 0")),
        (["--seed", "abc"], ("--seed", "abc", "--help")),
        (["--size", "3"], ("--size 3", "least is 8")),
        (["--limit", "0"], ("--limit 0", "least is 1")),
        (["--delta", "-0.1"], ("--delta -0.1",)),
        (["--delta", "nan"], ("--delta nan",)),
        (["--metric", "aurc"], ("'aurc'", "auroc", "balanced-accuracy")),
        (["--flip", "maybe"], ("'maybe'", "auto, on, off")),
        (["--backend", "proces"], ("'proces'", "auto, serial, process, ray", "Nearest: process")),
        (["--workers", "0"], ("--workers 0", "least is 1")),
        (["--devices-per-trial", "0"], ("--devices-per-trial 0", "least is 1")),
        (["--specificity", "90"], ("specificity 90.0", "between 0 and 1")),
        (["--time", "30"], ("'30'", "30m")),
        (["--time", "0s"], ("'0s' is no time at all", "30m")),
        (["--size", "9999999"], ("size 9999999 is above 16384 pixels", "96 to 384 is usual")),
        (["--cache-size", "much"], ("'much'", "2GB")),
        (["--pool_vall"], ("--pool-vall", "--pool-val")),
        (["--bakbone", "x"], ("--bakbone", "--backbone")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_nonsense_option_is_refused(options: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search", "somewhere", *options]) == 2
    message = capsys.readouterr().err
    for word in words:
        assert word in message


def test_a_command_that_does_not_exist_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["serch"]) == 2
    assert "'search'" in capsys.readouterr().err
