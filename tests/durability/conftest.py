"""One uninterrupted search that everything else is compared with."""

from pathlib import Path

import pytest

from tests.durability.lives import RECIPES, Search, Whole, whole
from tests.session.conftest import backbone_name, textures

__all__ = ["backbone_name", "textures"]


@pytest.fixture(scope="session")
def search(textures: Path, backbone_name: str) -> Search:
    """A recipe that resumes from stored feature maps, which is chosen; random features, training from scratch, and pixels."""
    return Search(textures, backbone_name, RECIPES)


@pytest.fixture(scope="session")
def reference(search: Search, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(search, tmp_path_factory.mktemp("reference") / "run")
