"""Every example runs on a folder of images, and shows what it says it shows."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pictures import make_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWN = {
    "own_loop.py": "epoch 1: loss",
    "lightning_loop.py": "every frozen tensor is what it was",
    "mlflow_log.py": "2 recipes, the report and the model",
    "sklearn_grid.py": "head: linear",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("examples")
    make_folder(root / "DATA", {"cat": 14, "dog": 14})
    return root


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A folder of its own for each example, with the images as `DATA`: what one writes, another would continue."""
    (tmp_path / "DATA").symlink_to(data / "DATA")
    return tmp_path


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_scripts_run(folder: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "DATA"],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert SHOWN[name] in done.stdout


def test_the_notebook_shows_the_run_and_its_verdict(folder: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "search.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    pages = [str(out.get("data", {}).get("text/html", "")) for cell in notebook.cells for out in cell.get("outputs", [])]
    text = "".join(str(out.get("text", "")) for cell in notebook.cells for out in cell.get("outputs", []))
    shown, verdict, table = [page for page in pages if page]
    assert "Use this recipe" in shown and "<table" in shown and "head: linear" in shown  # the run: sentences and its table
    assert "pretraining-helps" in verdict and "auroc" in verdict and "95 % interval" in verdict  # the verdict: score and claims
    assert "<table" in table and "&lt;module" not in "".join(pages)
    assert "no changed label" in text
