from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from frostline.api import check
from frostline.report.checkup import checkup_table, findings_text, write_sheet
from tests.data.pictures import folders, picture

EVIL = "<img src=x onerror=alert(1)>"


def test_the_page_holds_every_finding_with_its_images_and_needs_nothing_else(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"ill": 6, "well": 40})
    Image.new("L", (40, 40)).save(root / "ill" / "black.png")
    (root / "ill" / "broken.png").write_bytes(b"no image")
    found = check(root, sheet=tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    for finding in found.findings:
        assert finding.kind in page
    assert "ill/black.png" in page and "cannot be decoded" in page
    assert page.count("data:image/png;base64,") == 1 + 7 + 20  # the black one twice; every second of the 40
    assert "and 20 more" in page
    assert not re.search(r'(src|href)="(?!data:)', page) and "<script" not in page


def test_names_of_files_and_classes_are_escaped(tmp_path: Path) -> None:
    folders(tmp_path / "data", {EVIL[:-1]: 3, "well": 3})
    picture(tmp_path / "data" / "well" / f"{EVIL.replace('/', '')}.png", 99, 8, 8)
    found = check(tmp_path / "data", sheet=tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert "<img src=x" not in page and "&lt;img src=x" in page
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(checkup_table(found), findings_text(found))
    assert "<img src=x onerror=alert(1)" in console.export_text()


def test_markup_in_names_is_no_markup_on_the_terminal(tmp_path: Path) -> None:
    folders(tmp_path / "data", {"[red]ill": 3, "[bold]": 3})
    found = check(tmp_path / "data")
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(checkup_table(found), findings_text(found))
    assert {"[red]ill", "[bold]"} <= set(console.export_text().split())


def test_a_page_can_be_written_where_data_are_refused(tmp_path: Path) -> None:
    root = folders(tmp_path / "data", {"ill": 3})
    found = check(root)
    write_sheet(tmp_path / "sheet.html", found, "data")
    assert "one class only" in (tmp_path / "sheet.html").read_text() and found.kinds == ()


def test_many_channels_are_shown_by_their_first_three(tmp_path: Path) -> None:
    import tifffile

    for number in range(6):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 4000, (20, 20, 5)).astype(np.uint16)
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    found = check(tmp_path / "data", sheet=tmp_path / "sheet.html")
    assert {kind.channels for kind in found.kinds} == {(5,)}
    assert (tmp_path / "sheet.html").read_text().count("data:image/png") == 6
