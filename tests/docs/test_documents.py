"""Every command and every snippet in the documents works, or says why it is not run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.extract import Block, blocks, commands_outside_fences
from tests.pictures import make_folder, make_image

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md")])
SHELLS = ("bash", "console", "sh")
TIMEOUT_S = 600


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


def test_every_block_is_executed_or_carries_a_reason(document: str) -> None:
    for block in blocks(document):
        assert block.language, f"the block at line {block.line} names no language: bash, console, python or text"
        assert block.language in (*SHELLS, "python", "text", "json", "csv") or block.reason, f"line {block.line}"
    assert commands_outside_fences(document) == []


def test_every_block_works(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = [block for block in blocks(document) if block.reason is None and block.language in (*SHELLS, "python")]
    if not todo:
        return
    make_folder(tmp_path / "DATA", {"cat": 14, "dog": 14})
    make_image(tmp_path / "IMAGE.png", seed=1)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in todo:
        if block.language == "python":
            exec(compile(block.body, f"<line {block.line}>", "exec"), namespace)
        else:
            _run(block, tmp_path)


@pytest.mark.slow
def test_the_five_lines_of_a_monday_work_on_small_films(tmp_path: Path) -> None:
    (block,) = [one for one in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if "XRAYS/films.csv" in one.body]
    lines = ["file,diagnosis,patient_id"]
    for number in range(60):
        name, sick = f"{number:03}.png", number % 2
        make_image(tmp_path / "XRAYS" / name, seed=number, class_number=sick)
        lines.append(f"{name},{'pneumonia' if sick else 'normal'},p{number // 2 // 2 * 2 + sick}")
    (tmp_path / "XRAYS" / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_image(tmp_path / "NEW_FILMS" / "new.png", seed=99)
    body = block.body.replace("-b NAME", "-b demo/efficientnet_lite0").replace("--time 30m", "--time 40s --size 64")
    _run(replace(block, body=body), tmp_path)
    written = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(written) == 2 and "new.png" in written[1] and (tmp_path / "check.html").exists()


def _run(block: Block, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.script()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"line {block.line}: {block.script()}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_the_extractor_sees_what_it_should() -> None:
    text = "a\n<!-- not run: slow -->\n```bash\nx\n```\n```console\n$ frostline a\nout\n$ b\n```\n    frostline x\n"
    first, second = blocks(text)
    assert (first.language, first.script(), first.line, first.reason) == ("bash", "x", 3, "slow")
    assert (second.script(), second.reason) == ("frostline a\nb", None)
    assert commands_outside_fences(text) == ["    frostline x"]
