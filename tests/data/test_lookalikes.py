from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from frostline.data import lookalikes, read
from frostline.data.assemble import subset
from frostline.data.lookalikes import Lookalikes, compare, describe_pictures, find_lookalikes, lookalike_notes
from frostline.store.records import write_splits
from frostline.terms.data import Sample, SplitPlan
from tests.data.pictures import folders, noise


def photograph(seed: int, side: int = 160) -> Image.Image:
    """Random pixels with detail of every size, the coarse the stronger, as in photographs."""
    generator = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(generator.normal(0, 255 / cells, (cells, cells)).astype("f4")).resize((side, side)))
        for cells in (4, 8, 16, 32, side)
    ]
    return Image.fromarray(np.clip(np.sum(layers, axis=0) + 128, 0, 255).astype(np.uint8)).convert("RGB")


def saved(root: Path, pictures: dict[str, Image.Image], **options: int) -> list[Sample]:
    for name, picture in pictures.items():
        picture.save(root / name, **options)
    return [Sample(name, 0, digest=name) for name in sorted(pictures)]


@pytest.mark.parametrize("quality", [90, 30])
@pytest.mark.parametrize("size", [160, 80, 320])
@pytest.mark.parametrize("change", ["none", "brighter", "contrast", "gray"])
def test_a_copy_is_found_among_other_pictures(tmp_path: Path, quality: int, size: int, change: str) -> None:
    copy = photograph(3).resize((size, size))
    if change == "brighter":
        copy = ImageEnhance.Brightness(copy).enhance(1.15)
    if change == "contrast":
        copy = ImageEnhance.Contrast(copy).enhance(0.8)
    if change == "gray":
        copy = copy.convert("L")
    samples = saved(tmp_path, {f"{seed}.png": photograph(seed) for seed in range(9)})
    samples += saved(tmp_path, {"copy.jpg": copy}, quality=quality)
    assert find_lookalikes(tmp_path, samples) == Lookalikes(((3, 9),))


@pytest.mark.parametrize("size", [(160, 160), (80, 160), (300, 200)])
def test_a_copy_of_another_shape_is_found(tmp_path: Path, size: tuple[int, int]) -> None:
    samples = saved(tmp_path, {f"{seed}.png": photograph(seed).crop((0, 0, 160, 110)) for seed in range(5)})
    samples += saved(tmp_path, {"copy.png": photograph(2).crop((0, 0, 160, 110)).resize(size)})
    assert find_lookalikes(tmp_path, samples) == Lookalikes(((2, 5),))


def test_one_texture_in_other_places_and_with_other_noise_is_no_copy(tmp_path: Path) -> None:
    wave = np.sin(np.arange(96) / 3) * 60 + 120
    pictures = {
        f"{seed:02d}.png": Image.fromarray((wave + np.random.default_rng(seed).normal(0, 40, (96, 96))).clip(0, 255).astype("u1"))
        for seed in range(12)
    }
    assert find_lookalikes(tmp_path, saved(tmp_path, pictures)) == Lookalikes()


def test_blank_pictures_damaged_files_and_equal_bytes_are_no_pairs(tmp_path: Path) -> None:
    flat = {f"flat{value}.png": Image.new("L", (50, 50), value) for value in (0, 1, 90, 255)}
    samples = saved(tmp_path, {**flat, "a.png": photograph(1), "b.png": photograph(1)})
    samples = [Sample(sample.path, 0, digest=sample.digest if "flat" in sample.path else "same") for sample in samples]
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    samples += [Sample("broken.png", 0, digest="x"), Sample("text.png", 0, digest="y"), Sample("gone.png", 0, digest="z")]
    assert find_lookalikes(tmp_path, samples) == Lookalikes()


def test_pictures_under_a_fixed_camera_are_a_series_and_not_copies(tmp_path: Path) -> None:
    scene = np.asarray(photograph(5).convert("L"), float)
    pictures = {
        f"{seed:02d}.png": Image.fromarray(
            (scene + np.random.default_rng(seed).normal(0, 3, scene.shape)).clip(0, 255).astype("u1")
        )
        for seed in range(15)
    }
    found = find_lookalikes(tmp_path, saved(tmp_path, pictures))
    assert found == Lookalikes((), 15)
    (note,) = lookalike_notes([], [], found)
    assert "15 images each look like more than 5% of all" in note and "--group" in note


def test_progress_ends_at_the_total_and_may_stop(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    samples = saved(tmp_path, {f"{seed}.png": photograph(seed, 40) for seed in range(5)})
    find_lookalikes(tmp_path, samples, lambda done, total: told.append((done, total)))
    assert told[-1] == (5, 5) and {total for _, total in told} == {5}

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_lookalikes(tmp_path, samples, stop)


def pictures_with_copies(generator: np.random.Generator, count: int) -> np.ndarray:
    """(count, 64, 64) of which several are others with a little noise."""
    pictures = generator.integers(0, 256, (count, 64, 64))
    copied = generator.integers(0, count, count // 3)
    noisy = pictures[copied] + generator.normal(0, 4, (len(copied), 64, 64))
    pictures[generator.permutation(count)[: len(copied)]] = noisy.clip(0, 255).astype(int)
    return pictures.astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 100), st.integers(1, 3000))
def test_blocks_find_what_all_products_show(count: int, seed: int, numbers: int) -> None:
    described = describe_pictures(pictures_with_copies(np.random.default_rng(seed), count))
    products = described.astype(np.int64) @ described.astype(np.int64).T
    alike = np.tril(products >= lookalikes.LEAST * 4000**2, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookalikes, "_NUMBERS", numbers)
        pairs, resembled = compare(described)
    later, earlier = np.nonzero(alike)
    assert set(pairs) == set(zip(earlier.tolist(), later.tolist(), strict=True))
    assert resembled.tolist() == (alike + alike.T).sum(axis=1).tolist()
    strengths = [products[pair] for pair in pairs]
    assert strengths == sorted(strengths, reverse=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_bound_is_never_below_the_product_and_products_are_exact(seed: int) -> None:
    described = describe_pictures(pictures_with_copies(np.random.default_rng(seed), 12))
    exact = described.astype(np.int64) @ described.astype(np.int64).T
    bounding = lookalikes._bounding(described)
    assert ((bounding @ bounding.T) >= exact).all()
    assert (described @ described.T == exact).all()


def test_many_copies_are_linked_by_few_pairs() -> None:
    generator = np.random.default_rng(0)
    copies = generator.integers(0, 256, (64, 64)) + generator.normal(0, 3, (40, 64, 64))
    pairs, resembled = compare(describe_pictures(copies.clip(0, 255).astype(np.uint8)))
    assert len(pairs) <= 40 * lookalikes.MOST_EACH and (resembled == 39).all()
    assert {later for _, later in pairs} == set(range(1, 40))


def test_reading_tells_near_duplicates_where_they_cross_and_where_labels_differ(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"train/cat": 6, "train/dog": 6, "test/cat": 2, "test/dog": 2})
    Image.fromarray(noise(900)).save(root / "train/cat/first.png")
    Image.fromarray(noise(900)).save(root / "test/dog/again.jpg", quality=70)
    data = read(root)
    paths = [tuple(data.samples[index].path for index in pair) for pair in data.lookalikes]
    assert paths == [("test/dog/again.jpg", "train/cat/first.png")]
    notes = " ".join(data.notes)
    assert "first" not in notes, "names of files may be names of patients"
    assert "2 images are near-duplicates (such as rows 6 and 13 of splits.csv)" in notes
    assert "1 pairs of near-duplicates are in two of train, val and test" in notes
    assert "different labels (in splits.csv row 6: dog ~ row 13: cat)" in notes


def test_notes_name_the_rows_in_which_the_files_stand(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"cat": 6, "dog": 6})
    Image.fromarray(noise(900)).save(root / "dog/first.png")
    Image.fromarray(noise(900)).save(root / "dog/second.jpg", quality=70)
    whole = read(root)
    for data in (whole, subset(whole, range(3, len(whole.samples)), "Three left out.")):
        write_splits(tmp_path / "splits.csv", data, SplitPlan("folds", (), (), "none", 0))
        (one, other) = re.findall(r"rows (\d+) and (\d+) of splits.csv", " ".join(data.notes))[0]
        lines = (tmp_path / "splits.csv").read_text().splitlines()
        assert lines[int(one) - 1].startswith("dog/first.png,") and lines[int(other) - 1].startswith("dog/second.jpg,")
        assert sum(f"{len(data.samples)} images in 2 classes" in note for note in data.notes) == 1
