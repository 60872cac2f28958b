"""Threads of linear algebra are one while a head is fitted, and as many as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from frostline.compute.features import Sample
from frostline.compute.logistic import logistic_path
from frostline.compute.machine import one_thread, torch_threads


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with torch_threads(2):
        yield


def test_every_library_has_its_threads_back() -> None:
    before = torch.__config__.parallel_info()
    with one_thread():
        within = torch.__config__.parallel_info()
        with torch_threads(2), one_thread():
            assert torch.__config__.parallel_info() == within
    assert torch.get_num_threads() == 2
    assert torch.__config__.parallel_info() == before != within


def test_a_fit_leaves_the_threads_as_they_were() -> None:
    before = torch.__config__.parallel_info()
    generator = np.random.default_rng(0)
    sample = Sample.of(generator.normal(size=(40, 90)).astype(np.float32))  # more channels than images: axes of its own
    logistic_path(sample, generator.integers(0, 2, 40), 2, (1.0, 0.1))
    assert torch.__config__.parallel_info() == before
