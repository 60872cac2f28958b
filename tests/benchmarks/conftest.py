"""A weights file of the real architecture, random from a seed, and a few images on disk."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2

from benchmarks.data import Rows, from_seed
from tests.pictures import make_folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "mobilenet_v2.safetensors"
    save_file(mobilenet_v2(weights=None).state_dict(), file)
    return file


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of stripes, in train and val folders."""
    root = tmp_path_factory.mktemp("images")
    make_folder(root / "train", {"across": 32, "along": 33})
    make_folder(root / "val", {"across": 9, "along": 7})
    return root


@pytest.fixture(scope="session")
def rows(images: Path) -> Rows:
    return from_seed(images)
