"""Images in tar shards, as WebDataset writes them: read by place, never extracted."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline import data
from frostline.data.preflight import check
from frostline.data.source import content, exists, size_of
from frostline.data.survey import surveyed
from frostline.data.tar import index_of
from frostline.errors import DataError

Members = list[tuple[str, bytes]]


def picture(seed: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def shard(file: Path, members: Members, form: int = tarfile.PAX_FORMAT) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=form) as tar:
        for name, inside in members:
            info = tarfile.TarInfo(name)
            info.size = len(inside)
            tar.addfile(info, io.BytesIO(inside))
    return file


def labelled(start: int, count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(start, start + count):
        yield f"{number:06d}.png", picture(number)
        yield f"{number:06d}.cls", str(number % 2).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty images of two classes in four shards."""
    for number in range(4):
        shard(tmp_path / f"shard-{number:04d}.tar", list(labelled(10 * number, 10)))
    return tmp_path


def unpacked(folder: Path, to: Path) -> Path:
    """The same images as a folder per class."""
    for number in range(40):
        (to / str(number % 2)).mkdir(parents=True, exist_ok=True)
        (to / str(number % 2) / f"{number:06d}.png").write_bytes(picture(number))
    return to


def test_shards_are_read_as_the_files_in_them_would_be(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = data.read(unpacked(folder, tmp_path_factory.mktemp("files")))
    before = sorted(path.name for path in folder.iterdir())
    found = data.read(folder)
    assert found.classes == ("0", "1") and len(found.samples) == 40
    assert sorted(sample.digest for sample in found.samples) == sorted(sample.digest for sample in files.samples)
    assert found.samples[0].path == "shard-0000.tar::000000.png"
    assert sorted(path.name for path in folder.iterdir()) == before  # nothing was unpacked


def test_pixels_are_those_of_the_files(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    geometry = data.Geometry(32, 32)
    found, store = data.build_store(data.read(folder), geometry, tmp_path_factory.mktemp("a"))
    other = data.read(unpacked(folder, tmp_path_factory.mktemp("files")))
    files, plain = data.build_store(other, geometry, tmp_path_factory.mktemp("b"))
    by_digest = {sample.digest: index for index, sample in enumerate(files.samples)}
    rows = np.array([by_digest[sample.digest] for sample in found.samples])
    assert (store.batch(np.arange(40)) == plain.batch(rows)).all()


def test_splits_and_preflight_take_shards(folder: Path) -> None:
    shard(folder / "shard-0009.tar", [("again.png", picture(3)), ("again.cls", b"0")])
    found = check(folder)
    assert found.dataset is not None and any(one.kind == "equal files, different labels" for one in found.findings)
    plan = data.plan_splits(data.read(folder), 0)
    assert sum(len(split.validation) for split in plan.splits if split.repeat == 0) == 41


def test_one_shard_alone_is_a_data_set(folder: Path) -> None:
    assert len(data.read(folder / "shard-0002.tar").samples) == 10


@pytest.mark.parametrize(
    ("suffix", "label_of"),
    [
        (
            ".json",
            lambda number: json.dumps({"label": "ab"[number % 2], "patient": f"p{number // 3}", "deep": {"a": 1}}).encode(),
        ),
        (".txt", lambda number: b"ab"[number % 2 : number % 2 + 1] + b"\n"),
        (".cls", lambda number: b"ab"[number % 2 : number % 2 + 1]),
    ],
)
def test_labels_come_from_the_members_beside(tmp_path: Path, suffix: str, label_of: Callable[[int], bytes]) -> None:
    members = [pair for n in range(12) for pair in ((f"./x/{n}.jpg", picture(n, "JPEG")), (f"./x/{n}{suffix}", label_of(n)))]
    found = data.read(shard(tmp_path / "one.tar", members).parent)
    assert found.classes == ("a", "b") and found.grouped == (suffix == ".json")
    assert found.samples[0].path == "one.tar::x/0.jpg"


def test_a_field_of_the_json_members_may_be_named(tmp_path: Path) -> None:
    members = [
        pair
        for n in range(12)
        for pair in ((f"{n}.jpg", picture(n, "JPEG")), (f"{n}.json", json.dumps({"label": 0, "kind": "ab"[n % 2]}).encode()))
    ]
    assert data.read(shard(tmp_path / "one.tar", members).parent, label="kind").classes == ("a", "b")


def test_parts_are_said_by_names_of_shards_or_of_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("train-0.tar", "val-0.tar", "test-0.tar")):
        shard(tmp_path / "names" / name, list(labelled(10 * number, 10)))
        part = name.partition("-")[0]
        shard(tmp_path / "folders" / part / "0.tar", list(labelled(10 * number, 10)))
    for layout in ("names", "folders"):
        parts = [sample.part for sample in data.read(tmp_path / layout).samples]
        assert {part: parts.count(part) for part in ("train", "val", "test")} == dict.fromkeys(("train", "val", "test"), 10)


def test_a_table_may_name_members(folder: Path) -> None:
    rows = [f"shard-000{n // 10}.tar::{n:06d}.png,{'xy'[n % 2]}" for n in range(40)]
    (folder / "index.csv").write_text("\n".join(["path,label", *rows]))
    assert data.read(folder).classes == ("x", "y")
    (folder / "index.csv").write_text("\n".join(["path,label", *rows, "shard-0000.tar::elsewhere.png,x"]))
    with pytest.raises(DataError, match="1 files that are not there"):
        data.read(folder)


def test_an_archive_beside_class_folders_is_no_data(tmp_path: Path) -> None:
    shard(unpacked(tmp_path, tmp_path) / "downloaded.tar", list(labelled(100, 4)))
    (tmp_path / "downloaded.tar.gz").write_bytes(b"")
    found = data.read(tmp_path)
    assert len(found.samples) == 40 and not any("tar" in sample.path for sample in found.samples)


@pytest.mark.parametrize("archive", ["images.tar", "images.tar.gz", "train/images.tar"])
@pytest.mark.parametrize("parts", [False, True])
def test_class_folders_go_before_any_archive_and_a_note_says_so(tmp_path: Path, archive: str, parts: bool) -> None:
    """Also where other folders than theirs have tars, and none of the images."""
    if "/" in archive and not parts:
        pytest.skip("there is no train")
    unpacked(tmp_path, tmp_path / "train" if parts else tmp_path)
    shard(tmp_path / archive, list(labelled(100, 4)))
    found = data.read(tmp_path)
    assert len(found.samples) == 40 and any(f"left out: {Path(archive).name}" in note for note in found.notes)
    assert surveyed(tmp_path) is None and data.count_images(tmp_path) == 40


def test_folders_without_images_beside_shards_do_not_matter(folder: Path) -> None:
    (folder / "logs").mkdir()
    (folder / "logs" / "made.txt").write_text("yesterday")
    assert len(data.read(folder).samples) == 40


def test_an_archive_beside_an_image_folder_is_no_data(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *(f"{n}.png,{'ab'[n % 2]}" for n in range(20))]))
    shard(tmp_path / "images.tar", list(labelled(100, 4)))
    assert len(data.read(tmp_path).samples) == 20


def test_long_names_and_old_forms_are_read(tmp_path: Path) -> None:
    long = "x" * 180
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = shard(tmp_path / f"{form}.tar", [(f"{long}.png", picture(1)), ("b.png", b"12345")], form)
        assert list(index_of(file)) == [f"{long}.png", "b.png"]
        assert content(f"{file}::b.png") == b"12345" and size_of(f"{file}::b.png") == 5
        assert exists(f"{file}::b.png") and not exists(f"{file}::c.png")


def test_a_shard_written_again_is_indexed_again(tmp_path: Path) -> None:
    file = shard(tmp_path / "a.tar", [("a.png", b"one")])
    assert content(f"{file}::a.png") == b"one"
    shard(file, [("b.png", b"three")])
    assert content(f"{file}::b.png") == b"three" and not exists(f"{file}::a.png")


# Hostile -------------------------------------------------------------------------------------------------------------


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("../../etc/x.png", tarfile.REGTYPE),
        member("/etc/x.png", tarfile.REGTYPE),
        member("a/../../x.png", tarfile.REGTYPE),
        member("a\\..\\x.png", tarfile.REGTYPE),
        member("x.png", tarfile.SYMTYPE, "/etc/passwd"),
        member("x.png", tarfile.LNKTYPE, "../secret"),
        member("x.png", tarfile.CHRTYPE),
        member("x.png", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name} of type {info.type.decode()}",
)
def test_tars_that_no_set_of_images_is_are_refused(folder: Path, info: tarfile.TarInfo) -> None:
    with tarfile.open(folder / "shard-0002.tar", "a") as tar:
        tar.addfile(info)
    with pytest.raises(DataError, match=r"shard-0002\.tar is not used"):
        data.read(folder)


def test_a_name_twice_is_refused(folder: Path) -> None:
    shard(folder / "shard-0000.tar", [*labelled(0, 2), ("000000.png", picture(9))])
    with pytest.raises(DataError, match="twice"):
        data.read(folder)


def test_damage_is_refused_in_one_sentence(folder: Path) -> None:
    whole = (folder / "shard-0001.tar").read_bytes()
    header = whole.index(b"000013.png")
    for damaged in (
        whole[:3000],
        b"\x1f\x8b" + whole,
        b"not a tar" * 500,
        whole[:header] + b"\xff" * 512 + whole[header + 512 :],
    ):
        (folder / "shard-0001.tar").write_bytes(damaged)
        with pytest.raises(DataError, match=r"shard-0001\.tar"):
            data.read(folder)


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    """Of an extended header the whole would be read at once."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 2 * 2**30
    file = tmp_path / "bomb.tar"
    with file.open("wb") as out:
        out.write(info.tobuf(tarfile.USTAR_FORMAT))
        out.truncate(3 * 2**30)  # a hole
    with pytest.raises(DataError, match="asks for"):
        index_of(file)


def base256(number: int) -> bytes:
    return bytes([0x80 if number > 0 else 0xFF]) + (number % 256**11).to_bytes(11, "big")


def header(name: str, size: bytes) -> bytes:
    """Of a regular member, with the field of its size as given."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136], block[148:156] = size, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(("name", "bytes_"), [(".x", -512), (".x", -1024), ("b.jpg", -1), ("b.jpg", -512), (".x", 2**70)])
def test_a_size_that_leads_back_or_beyond_the_end_is_refused(tmp_path: Path, name: str, bytes_: int) -> None:
    """The parser would read one header over and over: in a process of its own, so that it could be ended."""
    (tmp_path / "a.tar").write_bytes(header("a.jpg", b"00000000000\0") + header(name, base256(bytes_)) + bytes(4096))
    program = f"from pathlib import Path; from frostline.data.tar import index_of; index_of(Path({str(tmp_path / 'a.tar')!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "DataError: the shard" in done.stderr.splitlines()[-1]


def test_headers_inside_headers_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "a.tar").write_bytes((info.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")) * 600 + bytes(1024))
    with pytest.raises(DataError, match=r"a\.tar is not used"):
        index_of(tmp_path / "a.tar")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    """It would unfold to any size."""
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x.png", "GNU.sparse.realsize": str(2**40)}
    for map_and_data in (b"1\n0\n512\n" + b"\0" * 504 + b"a" * 512, b"999999999\n"):
        info = tarfile.TarInfo("x.png")
        info.size, info.pax_headers = len(map_and_data), pax
        with tarfile.open(tmp_path / "holes.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info, io.BytesIO(map_and_data))
        with pytest.raises(DataError, match=r"holes\.tar is not used"):
            index_of(tmp_path / "holes.tar")


def test_compressed_shards_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(DataError, match="decompress"):
        data.read(tmp_path)


def test_shards_without_labels_are_refused(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("a.png", picture(0)), ("b.png", picture(1))])
    with pytest.raises(DataError, match="have no labels"):
        data.read(tmp_path)


def test_an_unreadable_member_is_named(folder: Path) -> None:
    shard(folder / "shard-0008.tar", [("bad.png", b"no picture"), ("bad.cls", b"0")])
    found = data.read(folder)
    with pytest.raises(DataError, match=r"shard-0008\.tar::bad\.png"):
        data.build_store(found, data.Geometry(32, 32), folder / "cache")
