"""Files made to harm: each is refused in one clear line, and nothing in it is run."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from frostline.backbones.weights import read_weights
from frostline.data.decoding import Geometry, decode, look_at
from frostline.data.reading import read
from frostline.data.splits import plan_splits
from frostline.errors import BackboneError, DataError, RunFolderError
from frostline.export.bundle import load
from frostline.planning.allot import Finals
from frostline.store.files import write_text
from frostline.store.records import splits_text
from frostline.store.results import ResultStore
from frostline.store.run_folder import RunFolder
from frostline.store.values import read_document
from tests.data.files import chunk
from tests.data.pictures import folders, picture
from tests.hostile.seeds import MODEL
from tests.store.values import SETTINGS, result

SQUARE = Geometry(24, 24)


def bombs(folder: Path) -> list[Path]:
    """A few bytes each that stand for thousands of millions of pixels."""
    side = struct.pack(">I", 60_000)
    png = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", side + side + b"\x10\x02\0\0\0") + chunk(b"IDAT", zlib.compress(b"\0" * 9_000_000))
    )
    (folder / "a.png").write_bytes(png + chunk(b"IEND", b""))
    Image.new("L", (8, 8)).save(folder / "b.gif")
    gif = bytearray((folder / "b.gif").read_bytes())
    gif[6:10] = b"\xff\xff\xff\xff"
    (folder / "b.gif").write_bytes(gif)
    Image.new("L", (8, 8)).save(folder / "c.bmp")
    bmp = bytearray((folder / "c.bmp").read_bytes())
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    (folder / "c.bmp").write_bytes(bmp)
    for name, dtype, channels in (("d.tif", np.uint16, 3), ("e.tif", np.float64, 1), ("f.tif", np.uint8, 9)):
        shape = (8, 8, channels) if channels > 1 else (8, 8)
        tifffile.imwrite(folder / name, np.zeros(shape, dtype), photometric="rgb" if channels == 3 else "minisblack",
                         planarconfig="contig" if channels > 1 else None)  # fmt: skip
        with tifffile.TiffFile(folder / name, mode="r+b") as file:
            for tag in ("ImageWidth", "ImageLength"):
                file.pages.first.tags[tag].overwrite(40_000)
    return sorted(folder.iterdir())


def test_bombs_are_refused_at_once(tmp_path: Path) -> None:
    for path in bombs(tmp_path):
        begun = time.process_time()
        with pytest.raises(DataError, match=r"too large|truncated|cannot be decoded") as caught:
            decode(path, SQUARE)
        assert time.process_time() - begun < 2 and "\n" not in str(caught.value), path.name


def test_what_grows_while_it_is_decoded_is_counted_as_it_grows(tmp_path: Path) -> None:
    """A byte a pixel in the file, four while its transparency is laid on white."""
    Image.new("P", (9_000, 9_000)).save(tmp_path / "x.png", transparency=3, compress_level=1)
    with pytest.raises(DataError, match="too large"):
        decode(tmp_path / "x.png", SQUARE)


def test_linked_folders_cannot_loop_and_broken_links_are_named(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"ill": 4, "well": 4})
    (root / "ill" / "again").symlink_to(root)
    (root / "well" / "self").symlink_to(root / "well" / "self")
    (root / "well" / "deep").symlink_to(root / "well")
    assert len(read(root).samples) == 8
    (root / "well" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"well/gone\.png: the file is not there"):
        read(root)


def test_names_of_any_kind(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"ill": 3, "well": 3})
    odd = [
        "new\nline.png",
        'quo"te,.png',
        "=1+1.png",
        "<b>.png",
        "ünï.png",
        " .png",
        "-rf.png",
        "a" * 240 + ".png",
        "\u202egnp.png",
    ]
    for number, name in enumerate(odd):
        picture(root / "ill" / name, 50 + number)
    data = read(root)
    assert len(data.samples) == 6 + len(odd)
    write_text(tmp_path / "splits.csv", splits_text(data, plan_splits(data, 0)))
    rows = list(csv.DictReader((tmp_path / "splits.csv").open(newline="", encoding="utf-8")))
    assert [row["path"] for row in rows] == [sample.path for sample in data.samples]


def test_a_name_that_is_no_text_is_refused_by_name_or_left_out(tmp_path: Path) -> None:
    root = folders(tmp_path, {"ill": 3, "well": 3})
    try:
        (root / "ill" / os.fsdecode(b"\xff\xfe.png")).write_bytes((root / "ill" / "000.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(DataError, match="no UTF-8 text"):
        read(root)
    data = read(root, allow_unreadable=True)
    assert len(data.samples) == 6 and any("cannot be read and were left out" in note for note in data.notes)


def test_classes_that_are_formulas_are_text_in_tables(tmp_path: Path) -> None:
    data = read(folders(tmp_path, {"=cmd|' calc'!A0": 6, "@well": 6}))
    rows = list(csv.DictReader(io.StringIO(splits_text(data, plan_splits(data, 0)))))
    assert {row["class"] for row in rows} == {"'=cmd|' calc'!A0", "'@well"}


@pytest.mark.slow
def test_a_hundred_thousand_files_in_one_folder(tmp_path: Path) -> None:
    root = folders(tmp_path, {"ill": 2, "well": 2})
    for number in range(100_000):
        os.link(root / "ill" / f"00{number % 2}.png", root / "ill" / f"x{number}.png")  # a file may have 65,000 names
    begun = time.process_time()
    assert len(read(root).samples) == 100_004
    assert time.process_time() - begun < 120


# Weights and runs of strangers ----------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {os.environ['FROSTLINE_EVIL']}",)


def test_pickles_are_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROSTLINE_EVIL", str(tmp_path / "evil"))
    torch.save({"a": Evil()}, tmp_path / "x.pt")
    (tmp_path / "y.pth").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "z.safetensors").write_bytes(pickle.dumps(Evil()))
    for name in ("x.pt", "y.pth", "z.safetensors"):
        with pytest.raises(BackboneError, match=name):
            read_weights(tmp_path / name)
    np.savez(tmp_path / "trial.npz", document=np.array([Evil()], dtype=object))
    store = ResultStore(tmp_path)
    assert store.load_all() == {} and "trial.npz is damaged" in store.notes[0]
    assert not (tmp_path / "evil").exists()


def safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**40]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}},
        {name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for name in "ab"},
        {"a": {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 16]}},
        {"a": 3}, [], None, "x",
    ],
    ids=range(11),
)  # fmt: skip
def test_safetensors_that_lie(tmp_path: Path, header: object) -> None:
    with pytest.raises(BackboneError, match=r"x\.safetensors"):
        read_weights(safetensors(tmp_path / "x.safetensors", header, bytes(16)))


def test_a_header_longer_than_its_file(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(BackboneError, match="not a readable safetensors file"):
        read_weights(tmp_path / "x.safetensors")


def test_a_few_bytes_that_say_to_be_many_tensors(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "x.pt")
    with pytest.raises(BackboneError, match="repeats itself"):
        read_weights(tmp_path / "x.pt")
    plain = tmp_path / "plain.pt"
    torch.save({"a": torch.zeros(2_000_000)}, plain)
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(tmp_path / "y.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for part in archive.infolist():
            packed.writestr(part.filename, archive.read(part))
    with pytest.raises(BackboneError, match="archive is compressed"):
        read_weights(tmp_path / "y.pt")
    tied = torch.arange(9.0)
    torch.save({"a": tied, "b": tied}, tmp_path / "z.pt")
    assert len(read_weights(tmp_path / "z.pt")) == 2


def test_a_run_folder_of_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    config = tmp_path / "run" / "config.yaml"
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" if n else "l0: &l0 [x]" for n in range(12))
    for content, said in [
        (laughs, "alias"), ("a: " + "[" * 5000, "cannot be read"), ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("settings: 3\nschema_version: 1", "wrong type"), ("[1, 2]", "not written by frostline"), ("x" * (5 * 2**20), "bytes"),
        ("settings: !!binary aGk=\nschema_version: 1", "wrong type"), ("\0", "cannot be read"),
    ]:  # fmt: skip
        config.write_text(content)
        with pytest.raises(RunFolderError, match=said) as caught:
            RunFolder.open(tmp_path / "run")
        assert "\n" not in str(caught.value)
    for content in ("[" * 100_000, '{"schema_version": 1e999}', "3", '{"a": NaN', "\ufeff{}"):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(RunFolderError, match=r"x\.json"):
            read_document(tmp_path / "x.json")


KERNELS = {
    "backbone": "timm/test_resnet", "size": 96, "device": "cpu", "threads": 2, "batch": 32, "forward_s": 0.01, "train_s": 0.03,
    "forward": {"dtype": "fp32"}, "train": {"dtype": "fp32"},
}  # fmt: skip


@pytest.mark.parametrize(
    "kernels",
    [
        5, "fast", {"a": 1}, [3], [{}], [{**KERNELS, "forward": "fp32"}], [{**KERNELS, "threads": 10**9}],
        [{**KERNELS, "threads": 0}], [{**KERNELS, "batch": -32}], [{**KERNELS, "device": "meta"}], [{**KERNELS, "size": 10**8}],
        [{**KERNELS, "train": {"dtype": "int4"}}], [{**KERNELS, "forward_s": float("nan")}], [{**KERNELS, "forward_s": None}],
        [{**KERNELS, "product_flops": 0.0}], [{**KERNELS, "heads": "int4"}],
        [{**KERNELS, "train_s": -1.0}], [{**KERNELS, "more": "x" * 10**5}], [{**KERNELS, "threads": True}],
    ],
    ids=repr,
)  # fmt: skip
def test_kernels_of_a_stranger_are_one_clear_error(tmp_path: Path, kernels: object) -> None:
    folder = RunFolder.create(tmp_path / "run", SETTINGS, "0")
    folder.write_section("kernels", kernels)  # with a checksum that fits, as whoever means harm would have it
    with pytest.raises(RunFolderError, match=r"config\.yaml holds kernels that frostline does not write") as caught:
        folder.kernels()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    folder.write_section("kernels", [KERNELS])
    assert folder.kernels()[0].threads == 2
    folder.close()


@pytest.mark.parametrize(
    "sizes", [3, {"finals": 3}, {"finals": {"epochs": "many", "scratch_epochs": 1}}, {"finals": {}}], ids=repr
)
def test_sizes_of_a_stranger_are_one_clear_error(tmp_path: Path, sizes: object) -> None:
    folder = RunFolder.create(tmp_path / "run", SETTINGS, "0")
    folder.write_section("sizes", sizes)
    with pytest.raises(RunFolderError, match="holds sizes that frostline does not write"):
        folder.sizes("finals", Finals)
    folder.close()


def test_results_that_are_compressed_are_not_unfolded(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", SETTINGS, "0").close()
    store = ResultStore(tmp_path / "run" / "results")
    path = store.save(result())
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **arrays)
    assert store.load_all() == {} and "compressed" in store.notes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backbone": "os:system"}, "stranger's code"),
        ({"backbone": "package.module:function"}, "stranger's code"),
        ({"backbone": "timm/local-dir:/etc"}, "no plain name"),
        ({"backbone": "timm/hf-hub:evil/model"}, "no plain name"),
        ({"backbone": "timm/test_resnet=/etc/passwd"}, "no plain name"),
        ({"backbone": 3}, "expected a name"),
        ({"classes": []}, "expected names of classes"),
        ({"classes": [1, 2]}, "expected names of classes"),
        ({"input": {**MODEL["input"], "height": 10**9}}, "expected a whole number from 1 to 4096"),
        ({"input": {**MODEL["input"], "mean": ["x"]}}, "expected numbers"),
        ({"input": []}, "expected an object"),
        ({"schema_version": "new"}, "expected a whole number"),
        ({"seed": -1}, "expected a whole number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_model_folder_of_a_stranger(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, **change}))
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises((RunFolderError, BackboneError, ValueError), match=said):
        load(tmp_path)


def test_code_in_a_model_folder_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("__init__.py", "model.py", "factory.py", "sitecustomize.py", "frostline.py", "timm.py"):
        (tmp_path / name).write_text("raise SystemExit('evil')")
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, "backbone": "factory:make"}))
    with pytest.raises(RunFolderError, match="stranger's code"):
        load(tmp_path)


def test_a_document_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", SETTINGS, "0").close()
    assert RunFolder.open(tmp_path / "run").settings == SETTINGS
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["settings"]["size"] == 96


def test_a_picture_that_would_take_long_is_bounded(tmp_path: Path) -> None:
    """A film of many frames: frames are counted, and only the first is decoded."""
    first = Image.new("RGB", (40, 40))
    first.save(
        tmp_path / "x.gif", save_all=True, append_images=[Image.new("RGB", (40, 40), (n % 256, n // 256, 9)) for n in range(600)]
    )
    begun = time.process_time()
    assert look_at(tmp_path / "x.gif", 16)[1].frames > 100
    assert time.process_time() - begun < 3
