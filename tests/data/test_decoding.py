from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageOps

from frostline.data.decoding import Geometry, decode, short_side, thumbnail
from frostline.data.images import load
from frostline.data.picture import resized
from frostline.errors import DataError
from frostline.terms.backbone import InputSpec
from tests.data.pictures import noise, picture

SQUARE = Geometry(32, 32)


def reference(path: Path, size: int, crop_pct: float, interpolation: str) -> torch.Tensor:
    """What timm's own evaluation transform gives, before the normalisation."""
    from timm.data.transforms_factory import create_transform

    transform = create_transform((3, size, size), crop_pct=crop_pct, interpolation=interpolation, normalize=False)
    return torch.as_tensor(np.asarray(transform(Image.open(path).convert("RGB"))))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop_pct", [1.0, 0.95, 0.9, 0.875])
@pytest.mark.parametrize(("height", "width"), [(301, 200), (200, 303), (97, 96), (28, 28), (60, 63), (250, 255)])
def test_same_pixels_as_timm(tmp_path: Path, interpolation: str, crop_pct: float, height: int, width: int) -> None:
    path = picture(tmp_path / "x.png", 1, height, width)
    spec = InputSpec(3, 96, 96, (0.5,) * 3, (0.5,) * 3, interpolation, crop_pct)
    ours = load([path], Geometry.of(spec))[0]
    difference = ours.int() - reference(path, 96, crop_pct, interpolation).int()
    assert difference.abs().max() == 0


def test_centre_of_the_square_is_the_centre_of_the_image_to_the_pixel(tmp_path: Path) -> None:
    """Rounding twice would be off by one for some lengths."""
    for extra in range(9):
        for size in (20, 21, 22, 23, 24):
            values = np.tile(np.arange(24 + extra, dtype=np.uint8), (24, 1))
            Image.fromarray(values).save(tmp_path / "x.png")
            first = int(load([tmp_path / "x.png"], Geometry(size, 24), channels=1)[0, 0, 0, 0])
            assert first == round((24 + extra - size) / 2)


def test_scaled_decoding_never_goes_below_the_needed_size(tmp_path: Path) -> None:
    values = noise(3, 900, 1300)
    for name, array in (("wide", values), ("tall", values.transpose(1, 0, 2))):
        Image.fromarray(array).save(tmp_path / f"{name}.jpg", quality=95)
        with Image.open(tmp_path / f"{name}.jpg") as image:
            image.load()
            image.save(tmp_path / f"{name}.png")
        for side in (57, 64, 112, 113, 224, 225, 450, 451, 900, 1000):
            scaled, whole = (decode(tmp_path / f"{name}{kind}", Geometry(side, side)) for kind in (".jpg", ".png"))
            assert np.abs(scaled.astype(int) - whole).mean() < 0.8, (name, side)
            with Image.open(tmp_path / f"{name}.jpg") as image:
                image.draft(None, resized(image.size, side))
                assert min(image.size) >= min(side, 900)


@pytest.mark.parametrize("turn", range(1, 9))
def test_scaled_decoding_and_orientation_together(tmp_path: Path, turn: int) -> None:
    """905 is no multiple of eight: the scaled picture ends inside its last pixel, on whichever side that comes to lie."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    Image.fromarray(noise(4, 905, 1301)).save(tmp_path / "x.jpg", quality=97, exif=exif)
    with Image.open(tmp_path / "x.jpg") as image:
        ImageOps.exif_transpose(image).save(tmp_path / "x.png")
    scaled, whole = (decode(tmp_path / name, Geometry(90, 100)).astype(int) for name in ("x.jpg", "x.png"))
    assert np.abs(scaled - whole).mean() < 0.5


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_is_applied(tmp_path: Path, suffix: str) -> None:
    values = np.zeros((40, 40, 3), dtype=np.uint8)
    values[:20] = 255  # white above; turned by 90 degrees clockwise it is on the right
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / f"x{suffix}", exif=exif)
    shown = decode(tmp_path / f"x{suffix}", SQUARE)
    assert shown[:, 20:].mean() > 230 and shown[:, :12].mean() < 25


def test_broken_orientation_tag_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.fromarray(noise(1)).save(tmp_path / "x.jpg", exif=exif)
    assert decode(tmp_path / "x.jpg", SQUARE).shape == (32, 32, 3)


def test_channels_of_every_mode(tmp_path: Path) -> None:
    colour, gray = Image.fromarray(noise(1)), Image.fromarray(noise(1, channels=1))
    for image, name, channels in [
        (colour, "rgb.png", 3), (colour.convert("P"), "palette.png", 3), (colour.convert("RGBA"), "alpha.png", 3),
        (colour.convert("CMYK"), "cmyk.jpg", 3), (colour, "x.gif", 3), (colour, "x.bmp", 3),
        (colour.convert("LAB"), "lab.tif", 3),
        (gray, "gray.png", 1), (gray.convert("LA"), "gray-alpha.png", 1), (gray.convert("1"), "bits.png", 1),
    ]:  # fmt: skip
        image.save(tmp_path / name)
        assert decode(tmp_path / name, SQUARE).shape == (32, 32, channels), name


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (200, 30, 40)).convert("CMYK").save(tmp_path / "x.jpg")
    assert np.allclose(decode(tmp_path / "x.jpg", SQUARE)[0, 0], (200, 30, 40), atol=8)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    values = np.zeros((40, 40, 4), dtype=np.uint8)
    values[:, 20:, 3] = 255
    Image.fromarray(values).save(tmp_path / "x.png")
    shown = decode(tmp_path / "x.png", SQUARE)
    assert shown[:, :12].min() > 250 and shown[:, 20:].max() < 5
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "y.png", transparency=0)
    assert decode(tmp_path / "y.png", SQUARE).min() == 255


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_stretched_and_never_clipped(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.linspace(1000, 5000, 32).astype(np.uint16), (32, 1))
    Image.fromarray(ramp).save(tmp_path / f"x{suffix}")
    shown = decode(tmp_path / f"x{suffix}", SQUARE)
    assert shown.shape == (32, 32, 1)
    assert shown.min() == 0 and shown.max() == 255
    assert np.abs(shown[0, :, 0] - np.linspace(0, 255, 32)).max() <= 1


def test_floats_with_holes_and_constant_images(tmp_path: Path) -> None:
    values = np.tile(np.linspace(-1, 1, 32, dtype=np.float32), (32, 1))
    values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert decode(tmp_path / "x.tif", SQUARE).max() == 255
    Image.fromarray(np.full((32, 32), 4000, dtype=np.uint16)).save(tmp_path / "y.png")
    assert decode(tmp_path / "y.png", SQUARE).max() == 0
    Image.fromarray(np.full((32, 32), np.nan, dtype=np.float32)).save(tmp_path / "z.tif")
    with pytest.raises(DataError, match=r"z\.tif.*finite"):
        decode(tmp_path / "z.tif", SQUARE)


def test_long_strips_do_not_fill_the_memory(tmp_path: Path) -> None:
    Image.new("L", (30_000, 1), 7).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", Geometry(224, 256)).shape == (256, 256, 1)


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    whole = picture(tmp_path / "whole.jpg", 1, 300, 300).read_bytes()
    png = picture(tmp_path / "whole.png", 1, 300, 300).read_bytes()
    for name, content in {
        "cut.jpg": whole[: len(whole) // 2], "cut.png": png[: len(png) // 2], "text.png": b"hello", "flipped.png": _flipped(png),
        "empty.png": b"",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            decode(tmp_path / name, SQUARE)
    with pytest.raises(DataError, match="not there"):
        decode(tmp_path / "gone.png", SQUARE)
    with pytest.raises(DataError, match="not there"):
        short_side(tmp_path / "gone.png")


def _flipped(png: bytes) -> bytes:
    place = png.index(b"IDAT") + 60
    return png[:place] + bytes([png[place] ^ 0xFF]) + png[place + 1 :]


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (60_000).to_bytes(4, "big")
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + size + b"\x08\x00\x00\x00\x00") + chunk(b"IDAT", zlib.compress(b""))
    (tmp_path / "bomb.png").write_bytes(bomb + chunk(b"IEND", b""))
    with pytest.raises(DataError, match=r"bomb\.png.*too large"):
        decode(tmp_path / "bomb.png", SQUARE)


def test_geometry_refuses_nonsense() -> None:
    with pytest.raises(DataError, match="Nearest: bicubic"):
        Geometry(32, 32, "bicubik")
    with pytest.raises(DataError, match="1 <= size"):
        Geometry(32, 31)


def test_a_thumbnail_shows_the_whole_picture_upright_in_gray(tmp_path: Path) -> None:
    image = Image.fromarray(noise(4, 120, 200))
    image.save(tmp_path / "plain.png")
    whole = np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(thumbnail(tmp_path / "plain.png", 16), whole)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=turned)
    assert np.array_equal(thumbnail(tmp_path / "turned.png", 16), whole)
    image.save(tmp_path / "scaled.jpg", quality=95)
    assert abs(thumbnail(tmp_path / "scaled.jpg", 16).astype(int) - whole).max() <= 8
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 200
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert thumbnail(tmp_path / "deep.png", 16).dtype == np.uint8
    with pytest.raises(DataError, match=r"gone\.png"):
        thumbnail(tmp_path / "gone.png", 16)
