from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from frostline.data import build_store, default_size, normalise, pixel_features, read, suggest_flip
from frostline.data.decoding import Geometry
from frostline.terms.backbone import InputSpec
from tests.data.pictures import dataset, folders, picture

SPEC = InputSpec(3, 224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", 0.875)


def test_normalise_is_exact() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, -1, -1).contiguous()
    values = np.arange(256) / 255
    for channel in range(3):
        expected = (values - SPEC.mean[channel]) / SPEC.std[channel]
        shown = normalise(images, SPEC, torch.float64)[1, channel].flatten().numpy()
        assert np.allclose(shown, expected, rtol=0, atol=1e-12)
        assert np.allclose(normalise(images, SPEC)[0, channel].flatten().numpy(), expected, rtol=0, atol=1e-6)
    assert normalise(images, SPEC, torch.bfloat16).dtype == torch.bfloat16


def test_normalise_keeps_the_memory_format_and_its_input() -> None:
    images = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert normalise(images, SPEC).is_contiguous(memory_format=torch.channels_last)
    assert images.unique().tolist() == [200]


def test_normalised_values_do_not_depend_on_the_memory_format() -> None:
    images = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    across, alike = normalise(images, SPEC), normalise(images.contiguous(memory_format=torch.channels_last), SPEC)
    assert across.is_contiguous() and torch.equal(across, alike)


@pytest.mark.parametrize(("short", "expected"), [(28, 96), (96, 96), (97, 128), (160, 160), (161, 192), (300, 224)])
def test_default_size(tmp_path: Path, short: int, expected: int) -> None:
    data = read(folders(tmp_path, {"a": 2, "b": 2}, height=short, width=short + 30))
    assert default_size(data, SPEC) == expected


def test_default_size_keeps_a_fixed_one_and_survives_damage(tmp_path: Path) -> None:
    data = read(folders(tmp_path, {"a": 2, "b": 2}))
    assert default_size(data, InputSpec(3, 518, 518, (0.5,), (0.5,), fixed_size=True)) == 518
    assert default_size(data, InputSpec(3, 64, 64, (0.5,), (0.5,))) == 64
    for sample in data.samples:
        (tmp_path / sample.path).write_bytes(b"?")
    assert default_size(data, SPEC) == 224


def test_pixel_features(tmp_path: Path) -> None:
    data = read(folders(tmp_path / "data", {"a": 3, "b": 3}, channels=1))
    data, store = build_store(data, Geometry(96, 109), tmp_path / "store")
    features = pixel_features(store, [0, 4])
    assert features.shape == (2, 28 * 28) and features.dtype == np.float32
    assert 0 <= features.min() < features.max() <= 1
    assert np.array_equal(pixel_features(store, [4])[0], features[1])
    picture(tmp_path / "data" / "a" / "colour.png", 5)
    data, store = build_store(read(tmp_path / "data"), Geometry(96, 109), tmp_path / "store")
    assert pixel_features(store, [0], side=7).shape == (1, 7 * 7 * 3)


def test_flip_is_never_suggested_and_says_so() -> None:
    allowed, reason = suggest_flip(dataset([0, 1]))
    assert not allowed and "--flip on" in reason
