"""Files of many depths and channels: nothing is cut to eight bits, to three channels or at white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from frostline.data.decoding import Geometry, channels_of, decode, look_at, short_side
from frostline.data.packing import decode_all
from frostline.data.reading import read
from frostline.errors import DataError
from frostline.terms.look import Scale
from tests.data.files import deep_png
from tests.data.pictures import noise

SIDE = 32
SQUARE = Geometry(SIDE, SIDE)


def dim(channels: int, seed: int = 0) -> np.ndarray:
    """(32, 32, channels) of 12 bits in 16: what keeps only the upper eight bits would be nearly black."""
    values = np.random.default_rng(seed).integers(0, 4096, (SIDE, SIDE, channels)).astype(np.uint16)
    values[0, 0], values[0, 1] = 0, 4095
    return values


def whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values / 4095 * 255).astype(int)


@pytest.mark.parametrize("kind", ["png", "tif", "tif-lzw", "tif-planar", "tif-big-endian"])
def test_deep_colour_keeps_its_depth_and_its_hues(tmp_path: Path, kind: str) -> None:
    values, path = dim(3), tmp_path / f"x.{kind[:3]}"
    if kind == "png":
        deep_png(path, values, 2)
    elif kind == "tif-planar":
        tifffile.imwrite(path, np.moveaxis(values, 2, 0), photometric="rgb", planarconfig="separate")
    else:
        order = ">" if kind == "tif-big-endian" else "<"
        tifffile.imwrite(path, values, photometric="rgb", byteorder=order, compression="lzw" if kind == "tif-lzw" else None)
    assert np.abs(decode(path, SQUARE) - whole(values)).max() <= 1
    look = look_at(path, SIDE)[1]
    assert (look.bits, look.channels, look.scale) == (16, 3, Scale.OWN_RANGE)


def test_deep_png_with_transparency_and_orientation(tmp_path: Path) -> None:
    values = dim(4)
    values[..., 3] = 65535
    values[:, 16:, 3] = 0
    shown = decode(deep_png(tmp_path / "x.png", values, 6), SQUARE)
    assert (shown[:, 16:] == 255).all() and np.abs(shown[:, :16] - whole(values)[:, :16, :3]).max() <= 1
    gray = np.stack([dim(1)[..., 0], np.full((SIDE, SIDE), 65535, np.uint16)], axis=-1)
    shown = decode(deep_png(tmp_path / "y.png", gray, 4, orientation=6), SQUARE)
    assert shown.shape == (SIDE, SIDE, 1)
    assert np.abs(shown[..., 0] - np.rot90(whole(gray[..., 0]), -1)).max() <= 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "int32", "uint32", "uint16"])
def test_gray_tiff_of_every_depth_is_stretched_by_its_own_range(tmp_path: Path, dtype: str) -> None:
    values = (dim(1)[..., 0].astype(np.float64) - (2000 if dtype[0] != "u" else 0)).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values)
    assert np.abs(decode(tmp_path / "x.tif", SQUARE)[..., 0] - whole(dim(1)[..., 0])).max() <= 1


def test_white_is_zero_is_turned_over(tmp_path: Path) -> None:
    for values in (dim(1)[..., 0], whole(dim(1)[..., 0]).astype(np.uint8)):
        tifffile.imwrite(tmp_path / "x.tif", values, photometric="miniswhite")
        assert np.abs(decode(tmp_path / "x.tif", SQUARE)[..., 0] - (255 - whole(dim(1)[..., 0]))).max() <= 1


def test_colour_of_floats(tmp_path: Path) -> None:
    values = dim(3).astype(np.float32) / 4095
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb")
    assert np.abs(decode(tmp_path / "x.tif", SQUARE) - whole(dim(3))).max() <= 1


def test_many_channels_are_all_kept(tmp_path: Path) -> None:
    values = dim(5)
    values[..., 4] //= 16
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", planarconfig="contig")
    shown = decode(tmp_path / "x.tif", SQUARE)
    assert shown.shape == (SIDE, SIDE, 5) and channels_of(tmp_path / "x.tif") == 5
    assert np.abs(shown[..., :4] - whole(values[..., :4])).max() <= 1
    assert shown[..., 4].max() == 255  # each channel by its own range
    bytes_ = np.asarray(noise(1, SIDE, SIDE, 3))
    tifffile.imwrite(
        tmp_path / "y.tif", np.concatenate([bytes_, bytes_[..., :1]], 2), photometric="rgb", extrasamples=["unspecified"]
    )
    assert decode(tmp_path / "y.tif", SQUARE).shape == (SIDE, SIDE, 4), "near infrared is no transparency"
    Image.fromarray(bytes_).convert("RGBA").save(tmp_path / "z.tif")
    assert decode(tmp_path / "z.tif", SQUARE).shape == (SIDE, SIDE, 3)


def test_a_store_of_many_channels_refuses_files_with_other_numbers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            path, values = tmp_path / "data" / name / f"{number}.tif", dim(5, seed=ord(name) + number)
            tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    data = read(tmp_path / "data")
    _, shape = decode_all(tmp_path / "pixels.npy", data, SQUARE, None, False)
    assert shape == (6, SIDE, SIDE, 5)
    Image.fromarray(noise(1)).save(tmp_path / "data" / "a" / "x.png")
    with pytest.raises(DataError, match=r"a/x\.png: it has 3 channels, where others have 5"):
        decode_all(tmp_path / "pixels.npy", read(tmp_path / "data"), SQUARE, None, False)


def test_first_frame_of_several_is_used_and_counted(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ((200, 10, 10), (10, 200, 10)))
    for suffix in ("gif", "png", "webp", "tif"):
        path = tmp_path / f"x.{suffix}"
        first.save(path, save_all=True, append_images=[second, first])
        look = look_at(path, 8)[1]
        assert look.frames == 3, suffix
        assert decode(path, SQUARE)[0, 0, 0] > 190
    damaged = (tmp_path / "x.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(damaged[: len(damaged) - 40])
    assert decode(tmp_path / "cut.gif", SQUARE)[0, 0, 0] > 190


def test_a_file_is_read_by_its_content_and_refused_by_what_it_looks_like(tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").rename(tmp_path / "x.png")
    assert look_at(tmp_path / "x.png", 8)[1].kind == "JPEG"
    for content, said in [
        (b"%PDF-1.7", "a PDF"), (b"\x80\x04\x95cos\nsystem", "a pickle"), (b"\0" * 300, "begins with zeros"),
        (b"%!PS-Adobe", "PostScript"), (b"<svg/>", "SVG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"), (b"hello", "no image that can be read"),
        (b"", "the file is empty"),
    ]:  # fmt: skip
        (tmp_path / "y.png").write_bytes(content)
        with pytest.raises(DataError, match=said) as caught:
            decode(tmp_path / "y.png", SQUARE)
        assert "\n" not in str(caught.value)


def test_a_few_extreme_pixels_that_set_the_range_are_seen(tmp_path: Path) -> None:
    values = dim(1)[..., 0] // 64
    values[5, 5] = 65535
    Image.fromarray(values.repeat(8, 0).repeat(8, 1)).save(tmp_path / "x.png")
    assert look_at(tmp_path / "x.png", SIDE)[1].narrow
    Image.fromarray(dim(1)[..., 0]).save(tmp_path / "y.png")
    assert not look_at(tmp_path / "y.png", SIDE)[1].narrow


def test_sizes_come_from_the_header_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((20, 30, 5), np.float32), photometric="minisblack", planarconfig="contig")
    assert short_side(tmp_path / "x.tif") == 20
    deep_png(tmp_path / "y.png", dim(3)[:10], 2)
    assert short_side(tmp_path / "y.png") == 10


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "endless.png"):
        with pytest.raises(DataError, match="no regular file"):
            decode(tmp_path / name, SQUARE)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match="no regular file"):
        decode(tmp_path / "folder.png", SQUARE)
