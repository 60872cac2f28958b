"""Documents that are made from code are those that the code makes now."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_recipes_are_drawn_as_they_are_now(make: ModuleType, tmp_path: Path) -> None:
    make.write_recipes(tmp_path)
    for path in sorted(tmp_path.rglob("*.*")):
        there = DOCS / path.relative_to(tmp_path)
        assert there.exists() and there.read_text() == path.read_text(), f"run `make docs`: {path.name} differs"
    kept = {path.name for path in (DOCS / "pictures" / "recipes").iterdir()}
    assert kept == set(make.recipe_pictures()), "drawings that no document shows"


def test_every_picture_of_the_recipes_is_there_and_is_whole() -> None:
    text = (DOCS / "recipes.md").read_text()
    named = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    assert len(named) > 25
    for words, path in named:
        root = ElementTree.fromstring((DOCS / path).read_text())
        assert words and root.tag.endswith("svg") and root.attrib["aria-label"]


@pytest.mark.parametrize("name", ["recipes.md", "why-transfer-works.md"])
def test_what_was_made_names_pictures_that_are_there_and_no_machine(name: str) -> None:
    text = (DOCS / name).read_text()
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", text)
    assert pictures and all((DOCS / path).is_file() for path in pictures)
    for path in pictures:
        drawn = (DOCS / path).read_text()
        used = set(re.findall(r"var\((--[\w-]+)\)", drawn))
        assert ElementTree.fromstring(drawn) is not None and all(f"{one}:" in drawn for one in used)
    assert not re.search(r"(?<![\w.])/(tmp|home|work|root)/", text)
