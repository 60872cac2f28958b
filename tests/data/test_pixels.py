from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frostline.data import packing, read
from frostline.data.decoding import Geometry
from frostline.data.images import load
from frostline.data.pixels import PixelStore, build_store
from frostline.errors import DataError, OptionError
from frostline.terms.activations import View
from frostline.terms.data import Dataset
from tests.data.pictures import folders, noise, picture

GEOMETRY = Geometry(32, 40)


@pytest.fixture
def colour(tmp_path: Path) -> Dataset:
    return read(folders(tmp_path / "data", {"a": 40, "b": 30}))


@pytest.fixture
def gray(tmp_path: Path) -> Dataset:
    return read(folders(tmp_path / "gray", {"a": 3, "b": 3}, channels=1))


def files(dataset: Dataset) -> list[Path]:
    return [Path(dataset.root) / sample.path for sample in dataset.samples]


def forbidden(done: int, total: int) -> None:
    raise AssertionError("decoded again")


def test_view_zero_is_what_prediction_sees(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    batch = store.batch(range(70))
    assert batch.dtype == torch.uint8 and batch.shape == (70, 3, 32, 32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, load(files(colour), GEOMETRY))
    assert torch.equal(store.batch(np.array([5, 2])), batch[[5, 2]])


def test_progress_ends_at_the_total_and_found_pixels_are_not_decoded_again(colour: Dataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    _, first = build_store(colour, GEOMETRY, tmp_path / "store", lambda done, total: told.append((done, total)))
    assert told[-1] == (70, 70) and [done for done, _ in told] == sorted(done for done, _ in told)
    _, second = build_store(colour, GEOMETRY, tmp_path / "store", forbidden)
    assert torch.equal(first.batch([3]), second.batch([3]))


def test_other_geometry_and_other_data_are_other_files(colour: Dataset, gray: Dataset, tmp_path: Path) -> None:
    found = {
        build_store(colour, GEOMETRY, tmp_path / "store")[1].path,
        build_store(colour, Geometry(32, 40, "bicubic"), tmp_path / "store")[1].path,
        build_store(colour, Geometry(32, 41), tmp_path / "store")[1].path,
        build_store(gray, GEOMETRY, tmp_path / "store")[1].path,
    }
    assert len(found) == 4


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def _zeroed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000:6000] = bytes(1000)
    path.write_bytes(bytes(content))


def _unexplained(path: Path) -> None:
    path.with_suffix(".json").unlink()


def _misexplained(path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps({"shape": "?"}))


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _zeroed, _unexplained, _misexplained, _emptied])
def test_damaged_store_is_written_again(colour: Dataset, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    expected = store.batch(range(70)).clone()
    damage(store.path)
    told: list[int] = []
    _, again = build_store(colour, GEOMETRY, tmp_path / "store", lambda done, total: told.append(done))
    assert told and torch.equal(again.batch(range(70)), expected)


def test_interrupted_build_leaves_nothing(colour: Dataset, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(colour, GEOMETRY, tmp_path / "store", interrupt)
    assert list((tmp_path / "store").iterdir()) == []


def test_full_disk_is_an_error_before_decoding(colour: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DataError, match="1,000 bytes free"):
        build_store(colour, GEOMETRY, tmp_path / "store", forbidden)


def test_all_unreadable_images_are_named_at_once(colour: Dataset, tmp_path: Path) -> None:
    for file in files(colour)[:12]:
        file.write_bytes(file.read_bytes()[:100])
    dataset = read(colour.root)
    with pytest.raises(DataError, match=r"12 images.*a/000\.png.*a/009\.png.*and 2 more.*--allow-unreadable"):
        build_store(dataset, GEOMETRY, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_unreadable_images_are_left_out_when_allowed(colour: Dataset, tmp_path: Path) -> None:
    broken = files(colour)[1]
    broken.write_bytes(broken.read_bytes()[:100])
    dataset = read(colour.root)
    for progress in (None, forbidden):  # decoded, then found
        readable, store = build_store(dataset, GEOMETRY, tmp_path / "store", progress, allow_unreadable=True)
        assert store.count == len(readable.samples) == 69
        assert "a/001.png" not in {sample.path for sample in readable.samples}
        assert readable.fingerprint != dataset.fingerprint
        assert any("1 images cannot be decoded" in note and "a/001.png" not in note for note in readable.notes)
        assert torch.equal(store.batch(range(69)), load(files(readable), GEOMETRY))
    with pytest.raises(DataError, match="cannot be decoded"):
        build_store(dataset, GEOMETRY, tmp_path / "store")


def test_leaving_out_never_empties_a_class(gray: Dataset, tmp_path: Path) -> None:
    for file in files(gray)[:2]:
        file.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"a \(1\)"):
        build_store(read(gray.root), GEOMETRY, tmp_path / "store", allow_unreadable=True)
    for file in files(gray):
        file.write_bytes(b"damaged" + file.name.encode())
    with pytest.raises(DataError, match="6 images"):
        build_store(read(gray.root), GEOMETRY, tmp_path / "store", allow_unreadable=True)


def test_gray_is_stored_once_and_shown_three_times(gray: Dataset, tmp_path: Path) -> None:
    _, store = build_store(gray, GEOMETRY, tmp_path / "store")
    assert store.channels == 1
    batch = store.batch([0, 1])
    assert batch.shape == (2, 3, 32, 32) and torch.equal(batch[:, 0], batch[:, 2])
    assert torch.equal(batch, load(files(gray)[:2], GEOMETRY))
    assert torch.equal(store.batch([0, 1], channels=1)[:, 0], batch[:, 0])


def test_gray_in_colour_files_is_stored_once_too(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"a": 2, "b": 2}, channels=1)
    for file in root.rglob("*.png"):
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        rgb.save(file)
    dataset = read(root)
    _, store = build_store(dataset, GEOMETRY, tmp_path / "store")
    assert store.channels == 1
    assert torch.equal(store.batch(range(4)), load(files(dataset), GEOMETRY))
    assert build_store(dataset, GEOMETRY, tmp_path / "store", forbidden)[1].channels == 1


def test_gray_among_colour(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"a": 2, "b": 2})
    picture(root / "a" / "gray.png", 7, channels=1)
    dataset = read(root)
    _, store = build_store(dataset, GEOMETRY, tmp_path / "store")
    assert store.channels == 3
    assert torch.equal(store.batch(range(5)), load(files(dataset), GEOMETRY))


def test_colour_for_a_gray_network_is_luminance(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    shown = store.batch([0], channels=1)[0, 0].numpy()
    expected = Image.fromarray(store.batch([0])[0].permute(1, 2, 0).numpy()).convert("L")
    assert np.array_equal(shown, np.asarray(expected))
    with pytest.raises(OptionError, match="images of 3 channels for a network that takes 4"):
        store.batch([0], channels=4)


@pytest.mark.parametrize("geometry", [GEOMETRY, Geometry(40, 40)])
def test_views_are_deterministic_and_differ(colour: Dataset, tmp_path: Path, geometry: Geometry) -> None:
    _, store = build_store(colour, geometry, tmp_path / "store")
    shown = [store.batch(range(10), View(number)) for number in range(6)]
    for number, batch in enumerate(shown):
        assert batch.shape == (10, 3, geometry.size, geometry.size)
        assert torch.equal(batch, store.batch(range(10), View(number)))
        assert torch.equal(batch[7:8], store.batch([7], View(number)))
    assert len({batch.numpy().tobytes() for batch in shown}) == 6


def test_a_view_is_placed_differently_in_every_image(tmp_path: Path) -> None:
    """Two equal images would otherwise show the same crop."""
    root = tmp_path / "data"
    for name in ("a/1", "a/2", "b/1", "b/2"):
        picture(root / f"{name}.png", 3)
    _, store = build_store(read(root), GEOMETRY, tmp_path / "store")
    assert len({store.batch([row], View(1)).numpy().tobytes() for row in range(4)}) > 1


def test_flip_mirrors(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    for number in (0, 2):
        mirrored = store.batch([0, 1], View(number, flip=True))
        assert torch.equal(mirrored.flip(3), store.batch([0, 1], View(number)))
        assert mirrored.is_contiguous(memory_format=torch.channels_last)


def test_smaller_size_comes_from_stored_pixels(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    for file in files(colour):
        file.unlink()
    small = store.batch(range(70), size=16)
    assert small.shape == (70, 3, 16, 16)
    seen = load_small(store)
    assert (small.int() - seen.int()).abs().float().mean() < 3
    before = store.at_size(16).path.stat().st_mtime_ns
    assert torch.equal(PixelStore(store.path, store.geometry, 70, 3).batch(range(70), size=16), small)
    assert store.at_size(16).path.stat().st_mtime_ns == before
    assert store.batch([0], View(1, flip=True), size=16).shape == (1, 3, 16, 16)
    with pytest.raises(OptionError, match="at most"):
        store.batch([0], size=64)


def load_small(store: PixelStore) -> torch.Tensor:
    whole = store.batch(range(store.count))
    return torch.nn.functional.interpolate(whole, size=(16, 16), mode="bilinear", antialias=True)


def test_damaged_smaller_copy_is_made_again(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    expected = store.batch(range(70), size=16).clone()
    _zeroed(store.at_size(16).path)
    fresh = PixelStore(store.path, store.geometry, store.count, store.channels)
    assert torch.equal(fresh.batch(range(70), size=16), expected)


def test_store_travels_as_a_name(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    store.batch([0])
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    assert torch.equal(pickle.loads(sent).batch([0]), store.batch([0]))


def test_nothing_asked_for_is_an_empty_batch(colour: Dataset, tmp_path: Path) -> None:
    _, store = build_store(colour, GEOMETRY, tmp_path / "store")
    assert store.batch([]).shape == (0, 3, 32, 32)
    assert load([], GEOMETRY).shape == (0, 3, 32, 32)


def test_noise_is_what_the_tests_think() -> None:
    assert noise(1).shape == (40, 50, 3) and not np.array_equal(noise(1), noise(2))
