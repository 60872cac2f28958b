"""Small networks, loaded once, and one thread: faster for networks this small."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from frostline.backbones import LoadedBackbone, load

REAL_WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def random_backbone(name: str, size: int | None = 64) -> LoadedBackbone:
    """A backbone with random weights, the same object for every test: it never changes."""
    return load(name, pretrained=False, size=size)


@pytest.fixture
def resnet18() -> LoadedBackbone:
    return random_backbone("timm/resnet18")


@pytest.fixture
def real_weights() -> Path:
    if not REAL_WEIGHTS.is_dir():
        pytest.skip("needs the real weights beside the project")
    return REAL_WEIGHTS
