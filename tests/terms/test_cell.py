"""Cells of tables: no formula for a spreadsheet, and the same text again for whoever reads them back."""

import csv
from pathlib import Path

import pytest

from frostline.store.splits import read_rows
from frostline.terms.cell import cell, content


@pytest.mark.parametrize("text", ["=1+1", "+", "-", "@well", "\tx", "-1", "+.5e3", "plain", "'quoted'", "", "a=b"])
def test_what_was_written_is_read_again(text: str) -> None:
    assert content(cell(text)) == text
    assert cell(text) == text or cell(text) == f"'{text}"


def test_only_what_a_spreadsheet_would_calculate_is_quoted() -> None:
    quoted = [text for text in ("=1", "+a", "-", "@a", "-1.5", "1", None, "a-b") if cell(text).startswith("'")]
    assert quoted == ["=1", "+a", "-", "@a"]


def test_classes_of_splits_that_begin_like_formulas_come_back(tmp_path: Path) -> None:
    with (tmp_path / "splits.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "class"], [cell("-a/1.png"), cell("-")], ["b/1.png", cell("+")]])
    assert [(row["path"], row["class"]) for row in read_rows(tmp_path / "splits.csv")] == [("-a/1.png", "-"), ("b/1.png", "+")]
