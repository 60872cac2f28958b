from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from frostline.errors import RunFolderError
from frostline.store.run_folder import RunFolder
from frostline.terms.settings import name_of
from tests.store.values import SETTINGS, result

HOLD = """
import sys, time
from pathlib import Path
from frostline.store.run_folder import RunFolder
from tests.store.values import SETTINGS
run = RunFolder.create(Path(sys.argv[1]), SETTINGS, "1")
print("held", flush=True)
time.sleep(60)
"""

HOLD_AND_FORK = """
import os, sys, time
from pathlib import Path
from frostline.store.run_folder import RunFolder
from tests.store.values import SETTINGS
run = RunFolder.create(Path(sys.argv[1]), SETTINGS, "1")
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""


def create(path: Path, **changes: Any) -> RunFolder:
    return RunFolder.create(path, dataclasses.replace(SETTINGS, **changes), "0.1")


def test_a_run_comes_back_with_its_settings_and_sections(tmp_path: Path) -> None:
    with create(tmp_path / "deep" / "run") as run:
        run.write_section("kernels", {"layer3": "bf16", "sizes": (96, 128)})
        run.results.save(result())
    found = RunFolder.open(tmp_path / "deep" / "run")
    assert found.settings == SETTINGS
    assert found.version == "0.1"
    assert found.section("kernels") == {"layer3": "bf16", "sizes": [96, 128]}
    assert found.section("sizes") is None
    assert len(found.results.load_all()) == 1


def test_an_unknown_section_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with create(tmp_path) as run, pytest.raises(ValueError, match="kernels, sizes, registered, opened"):
        run.write_section("kernel", 1)


def test_the_same_search_continues_with_its_sections(tmp_path: Path) -> None:
    with create(tmp_path) as run:
        run.write_section("sizes", [1])
    with create(tmp_path, time_s=60.0, cache_bytes=10, backend="process", data="moved/here") as run:
        assert run.section("sizes") == [1]
    assert RunFolder.open(tmp_path).settings.time_s == 60.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"backbones": ("timm/vgg11", "b")}, "backbones was timm/resnet18, now timm/vgg11, b"),
        ({"pool_val": True}, "pool-val was False, now True"),
        ({"delta": 0.02}, "delta was not given, now 0.02"),
        ({"recipes": ()}, "recipes was pixels: forest, now none"),
        (
            {"fingerprint": "cafe", "test": "clinic"},
            "its images are others (it was started on /images/x, now /images/x with the test set clinic)",
        ),
        ({"fingerprint": "cafe"}, "holds a different search: other images of /images/x."),
        ({"fingerprint": "cafe", "data": "moths"}, "its images are others (it was started on /images/x, now moths)"),
    ],
)
def test_a_different_search_is_refused_with_what_differs(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    create(tmp_path).close()
    before = (tmp_path / "config.yaml").read_text()
    with pytest.raises(RunFolderError, match="another folder with -o, or the options it was started with") as caught:
        create(tmp_path, **change)
    assert words in str(caught.value)
    assert (tmp_path / "config.yaml").read_text() == before
    create(tmp_path).close()  # the refusal released the lock


def test_a_folder_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunFolderError, match=r"thesis\.tex .*Give a new or an empty folder with -o"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunFolderError, match="is a file"):
        create(tmp_path / "run")
    with pytest.raises(RunFolderError, match="cannot be written"):
        create(tmp_path / "run" / "below")


def test_open_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="it has no config"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunFolderError, match="does not exist"):
        RunFolder.open(tmp_path / "none")


def edited(path: Path, **changes: Any) -> str:
    return yaml.safe_dump(yaml.safe_load(path.read_text()) | changes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("3", "no settings"),
        ({"schema_version": 99}, "schema_version 99"),
        ({"settings": {"seed": 0}}, "data, fingerprint, backbones, size, metric is missing"),
        ({"settings": {"sead": 0}}, "unknown field sead"),
    ],
)
def test_a_damaged_config_is_refused(tmp_path: Path, content: str | dict[str, Any], words: str) -> None:
    create(tmp_path).close()
    file = tmp_path / "config.yaml"
    file.write_text(content if isinstance(content, str) else edited(file, **content))
    for attempt in (RunFolder.open, create):
        with pytest.raises(RunFolderError, match=words):
            attempt(tmp_path)


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match=f"is being written by process {process.pid} on"):
            create(tmp_path)
        assert RunFolder.open(tmp_path).settings == SETTINGS
        process.kill()
    create(tmp_path).close()


def test_a_forked_worker_does_not_keep_a_killed_process_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD_AND_FORK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            create(tmp_path).close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """Also when its process number is in use again, as in a container, where each process may have the same."""
    create(tmp_path).close()
    left = [
        folder / f".x.npz.{os.getpid()}.abc.tmp"
        for folder in (tmp_path, *(tmp_path / name for name in ("results", "model", "cache", "cache/activations")))
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    RunFolder.open(tmp_path)
    assert all(path.exists() for path in left)
    create(tmp_path).close()
    assert not any(path.exists() for path in left)


def test_a_configuration_that_reads_well_and_says_something_else_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as run:
        run.write_section("sizes", {"epochs": 10})
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text().replace("epochs: 10", "epochs: 11"))
    with pytest.raises(RunFolderError, match="checksum does not fit"):
        create(tmp_path)
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "checksum" not in line))
    assert RunFolder.open(tmp_path).section("sizes") == {"epochs": 11}  # written by hand, or by an older version


def test_images_lie_in_the_data_folder_or_beside_their_table(tmp_path: Path) -> None:
    table = tmp_path / "films" / "index.csv"
    table.parent.mkdir()
    table.write_text("path,label\n")
    assert create(tmp_path / "one", data=str(table)).images_path == table.parent
    assert create(tmp_path / "two", data=str(table.parent)).images_path == table.parent


@pytest.mark.parametrize(("data", "name"), [("a/films", "films"), ("a/films/index.csv", "films"), ("a/films.csv", "films.csv")])
def test_data_are_called_by_the_name_that_a_person_gave_them(data: str, name: str) -> None:
    assert name_of(data) == name


def test_a_configuration_that_was_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    with create(tmp_path / "run") as folder:
        folder.write_section("sizes", {"finals": {"epochs": 10}})
        folder.write_section("took_s", 2.5)
    path = tmp_path / "run" / "config.yaml"
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RunFolderError):
            RunFolder.open(tmp_path / "run")


def test_seconds_that_are_no_number_are_refused(tmp_path: Path) -> None:
    with create(tmp_path / "run") as folder:
        assert folder.took_s == 0.0
        folder.write_section("took_s", 2.5)
        assert folder.took_s == 2.5
        folder.write_section("took_s", "soon")
        with pytest.raises(RunFolderError, match="holds took_s that frostline does not write"):
            _ = folder.took_s
