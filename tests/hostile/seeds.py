"""Small valid files of every kind that is read, to be damaged."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import yaml
from PIL import Image

from tests.data.files import deep_png, dicom_file
from tests.data.pictures import noise

SMALL_DICOM = (
    "CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_rle.dcm", "emri_small_jpeg_2k_lossless.dcm", "vlut_04.dcm",
    "ExplVR_BigEnd.dcm", "SC_rgb_jls_lossy_line.dcm", "no_meta.dcm", "rtplan.dcm", "examples_palette.dcm", "JPGExtended.dcm",
)  # fmt: skip


def pictures(folder: Path) -> list[Path]:
    """One of each format and kind."""
    folder.mkdir(parents=True, exist_ok=True)
    colour, gray = Image.fromarray(noise(1, 24, 30)), Image.fromarray(noise(2, 24, 30, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "colour.jpg", quality=80, exif=exif)
    colour.save(folder / "progressive.jpg", progressive=True)
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    gray.save(folder / "gray.jpg")
    colour.save(folder / "colour.png", exif=exif)
    colour.convert("P").save(folder / "palette.png", transparency=3)
    colour.convert("RGBA").save(folder / "alpha.png")
    gray.convert("1").save(folder / "bits.png")
    colour.save(folder / "film.png", save_all=True, append_images=[colour.rotate(90)])
    Image.fromarray(np.asarray(gray).astype(np.uint16) * 99).save(folder / "deep.png")
    deep = np.random.default_rng(0).integers(0, 4096, (16, 16, 4)).astype(np.uint16)
    deep_png(folder / "deep-colour.png", deep[..., :3], 2)
    deep_png(folder / "deep-alpha.png", deep, 6)
    for name, options in {"x.webp": {}, "lossless.webp": {"lossless": True}}.items():
        colour.save(folder / name, **options)
    colour.save(folder / "film.webp", save_all=True, append_images=[colour.rotate(90)])
    colour.save(folder / "film.gif", save_all=True, append_images=[colour.rotate(90)])
    colour.save(folder / "colour.bmp")
    colour.convert("P").save(folder / "palette.bmp")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        colour.save(folder / f"{compression}.tif", compression=compression)
    gray.convert("1").save(folder / "group4.tif", compression="group4")
    tifffile.imwrite(folder / "deep.tif", deep[..., :3], photometric="rgb", compression="lzw")
    tifffile.imwrite(
        folder / "tiles.tif", deep[..., :3].repeat(2, 0).repeat(2, 1), photometric="rgb", tile=(16, 16), compression="zlib"
    )
    tifffile.imwrite(folder / "many.tif", deep, photometric="minisblack", planarconfig="contig", compression="deflate")
    tifffile.imwrite(folder / "floats.tif", deep[..., 0].astype(np.float32))
    tifffile.imwrite(folder / "doubles.tif", deep[..., :3].astype(np.float64), photometric="rgb", compression="zstd")
    tifffile.imwrite(folder / "pages.tif", np.zeros((3, 16, 16), np.uint16), photometric="minisblack", bigtiff=True)
    return sorted(folder.iterdir())


def dicoms(folder: Path) -> list[Path]:
    """Made ones, and small real ones of many transfer syntaxes."""
    from pydicom.data import get_testdata_file

    folder.mkdir(parents=True, exist_ok=True)
    ramp = np.tile(np.arange(16, dtype=np.uint16) * 200, (16, 1))
    dicom_file(folder / "window.dcm", ramp, WindowCenter=1000, WindowWidth=500, RescaleSlope=1, RescaleIntercept=-1024)
    dicom_file(folder / "colour.dcm", np.asarray(noise(1, 16, 16)))
    for name in SMALL_DICOM:
        found = get_testdata_file(name)
        if found and Path(str(found)).stat().st_size < 300_000:
            (folder / name).write_bytes(Path(str(found)).read_bytes())
    return sorted(folder.iterdir())


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Bytes flipped, set to extremes, taken out, doubled, put in, cut off, or glued to themselves; mostly near the beginning."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        if not data:
            break
        near = min(len(data), 400) if random.random() < 0.6 else len(data)
        place, kind = int(random.integers(0, near)), int(random.integers(0, 8))
        length = int(random.integers(1, 9))
        if kind == 0:
            data[place] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            data[place : place + length] = bytes([int(random.choice([0, 1, 127, 128, 255]))]) * length
        elif kind == 2:
            data[place : place + length] = random.bytes(length)
        elif kind == 3:
            del data[place : place + int(random.integers(1, 200))]
        elif kind == 4:
            data[place:place] = data[place : place + int(random.integers(1, 200))]
        elif kind == 5:
            data[place:place] = random.bytes(length)
        elif kind == 6:
            del data[place:]
        else:
            data[place : place + 4] = int(random.choice([0, 2**31 - 1, 2**31, 2**32 - 1, 65535, 65536])).to_bytes(
                4, "big" if random.random() < 0.5 else "little"
            )
    return bytes(data)


def twisted(name: str, content: bytes, random: np.random.Generator) -> bytes:
    """A JSON or YAML document in which some values are of another kind; damaged bytes for everything else, and at times here."""
    if not name.endswith((".json", ".yaml")) or random.random() < 0.4:
        return damaged(content, random)
    document = yaml.safe_load(content)
    document.pop("checksum", None)  # a stranger can write one that fits
    for _ in range(int(random.integers(1, 4))):
        _twist(document, random)
    text = json.dumps(document) if name.endswith(".json") else yaml.safe_dump(document)
    return text.replace('"DEEP"', "[" * 100_000).replace("DEEP", "[" * 3000).encode()


def _twist(node: Any, random: np.random.Generator) -> None:
    """Put something odd somewhere below."""
    while isinstance(node, (dict, list)) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[int(random.integers(0, len(keys)))]
        if not isinstance(node[key], (dict, list)) or not node[key] or random.random() < 0.3:
            node[key] = copy.deepcopy(ODD[int(random.integers(0, len(ODD)))])
            return
        node = node[key]


ODD: list[Any] = [
    None, True, -1, 0, 2**70, 1e308, -0.5, "", "x" * 5000, "../../etc/passwd", "timm/local-dir:/etc", "os:system", "<script>",
    [], {}, [[]], [None], ["a"], [1e9] * 3, {"a": 1}, "\ud800", "\0", "DEEP",
]  # fmt: skip


def weights(folder: Path) -> list[Path]:
    """The same small tensors in the forms that are read."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {"conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "bn.bias": torch.zeros(2, dtype=torch.float16)}
    save_file(state, folder / "x.safetensors")
    torch.save(state, folder / "x.pt")
    torch.save({"state_dict": state, "epoch": 3}, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    return sorted(folder.iterdir())


def documents(folder: Path) -> list[Path]:
    """What lies in a run, in a model and beside weights, and a table."""
    from frostline.store.records import write_verdict
    from frostline.store.results import ResultStore
    from frostline.store.run_folder import RunFolder
    from tests.store.values import SETTINGS, result, verdict

    folder.mkdir(parents=True, exist_ok=True)
    RunFolder.create(folder, SETTINGS, "0").close()
    write_verdict(folder / "verdict.json", verdict())
    ResultStore(folder / "results").save(result()).rename(folder / "trial.npz")
    cfg = {"architecture": "resnet18", "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 64, 64]}}
    (folder / "config.json").write_text(json.dumps({**cfg, "crop_pct": 0.9, "interpolation": "bicubic"}))
    (folder / "model.json").write_text(json.dumps(MODEL, indent=1))
    (folder / "index.csv").write_text(
        'path,label,patient,split\na.png,ill,p1,train\nb.png,well,p2,train\n"c,d.png",ill,,train\ne.png,well,,test\n'
    )
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


MODEL = {
    "schema_version": 2, "frostline": "0", "backbone": "timm/test_resnet", "size": 64, "cuts": ["stem"], "seed": 0,
    "recipe": "all: freeze | head: linear", "classes": ["ill", "well"],
    "input": {"channels": 3, "height": 64, "width": 64, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear",
              "crop_pct": 1.0, "fixed_size": False},
}  # fmt: skip
