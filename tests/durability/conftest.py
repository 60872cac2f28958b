"""One uninterrupted search that everything else is compared with."""

from pathlib import Path

import pytest

from tests.durability.lives import RECIPES, Search, Whole, whole
from tests.session.conftest import backbone_name, textures

__all__ = ["backbone_name", "textures"]


@pytest.fixture(scope="session")
def search(textures: Path, backbone_name: str) -> Search:
    """A frozen trunk, which is chosen; random features, one that resumes from stored maps, training from scratch, and pixels.

    Recipes that train the trunk stop where their ranking has settled, on fewer folds than a control that leads here: the choice
    is among those that ran on the leader's folds, and without the frozen trunk there would be nothing to hand over.
    """
    return Search(textures, backbone_name, RECIPES)


@pytest.fixture(scope="session")
def reference(search: Search, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(search, tmp_path_factory.mktemp("reference") / "run")
