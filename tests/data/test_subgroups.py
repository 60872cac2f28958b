"""Columns for subgroups travel with the samples and change nothing else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.data import plan_splits, read
from frostline.data.subgroups import readable
from frostline.errors import DataError
from tests.data.pictures import picture, table


def made(root: Path) -> Path:
    rows = [
        (f"{i}.png", "ab"[i % 2], f"p{i}", "MF"[i // 2 % 2] if i else "", str(20 + 3 * i), f"s{i}", f"{i % 3}") for i in range(18)
    ]
    return table(root, ("path", "label", "patient", "Sex", "age", "scan", "grade"), rows)


def test_values_travel_and_numbers_are_cut_into_thirds(tmp_path: Path) -> None:
    samples = {one.path: dict(one.subgroups) for one in read(made(tmp_path), subgroups=("sex", "Age")).samples}
    assert samples["0.png"] == {"sex": "", "age": "lower third, up to 35"}
    assert samples["3.png"] == {"sex": "F", "age": "lower third, up to 35"}
    assert samples["6.png"]["age"] == "middle third, above 35 up to 53"
    assert samples["12.png"]["age"] == "upper third, above 53"


def test_few_different_numbers_stay_as_they_are(tmp_path: Path) -> None:
    found = {dict(one.subgroups)["grade"] for one in read(made(tmp_path), subgroups=("grade",)).samples}
    assert found == {"0", "1", "2"}


def test_fingerprint_and_splits_do_not_depend_on_subgroups(tmp_path: Path) -> None:
    plain, asked = read(made(tmp_path)), read(tmp_path, subgroups=("sex", "age"))
    assert plain.fingerprint == asked.fingerprint
    assert plan_splits(plain, 0) == plan_splits(asked, 0)
    assert all(one.subgroups == () for one in plain.samples)


def rows_of(cells: list[str], units: list[int] | None = None) -> list[str]:
    return readable(Path("index.csv"), "code", cells, units or list(range(len(cells))))


@pytest.mark.parametrize(
    "cells",
    [
        ["Anna", "Bert", "Carl"] * 4,  # four patients each
        [f"Dr {i % 11}" for i in range(40)],
        ["1001", "1002", "1003"] * 4,  # so few numbers are shown as they are
        [str(3_141_593 + 271_829 * i) for i in range(60)],
        [f"{3_141_593 + 271_829 * (i // 2)}.0" for i in range(60)],
    ],
)
def test_values_of_few_patients_are_refused_and_not_repeated(cells: list[str]) -> None:
    with pytest.raises(DataError, match="stand for fewer than 5 patients") as caught:
        rows_of(cells)
    assert not any(cell in str(caught.value) for cell in cells)


def test_patients_count_and_not_their_images() -> None:
    cells = ["x"] * 30 + ["y"] * 30
    assert rows_of(cells) == cells
    with pytest.raises(DataError, match="fewer than 5 patients"):
        rows_of(cells, [i // 10 for i in range(60)])


def test_one_rare_value_beside_common_ones_is_shown() -> None:
    cells = ["M"] * 20 + ["F"] * 20 + ["other"]
    assert rows_of(cells) == cells


@given(st.lists(st.integers(10_000, 999_999), min_size=30, max_size=60, unique=True))
def test_cuts_are_rounded_and_say_what_is_in_them(codes: list[int]) -> None:
    found = rows_of([str(code) for code in codes])
    for code, said in zip(codes, found, strict=True):
        ends = [float(end) for end in re.findall(r"(?:above|up to) ([0-9.]+)", said)]
        assert ("above" not in said or code > ends[0]) and ("up to" not in said or code <= ends[-1])
    counts = sorted(Counter(found).values())
    assert len(counts) == 3 and counts[0] >= 1


def test_no_code_is_shown() -> None:
    codes = [str(12_347 + 1_237 * i) for i in range(60)]
    said = " ".join(set(rows_of(codes)))
    assert said.count("third") == 3 and not any(code in said for code in codes)


def test_measured_numbers_keep_their_size() -> None:
    assert set(rows_of([str(0.0010137 * i) for i in range(90)])) == {
        "lower third, up to 0.029",
        "middle third, above 0.029 up to 0.06",
        "upper third, above 0.06",
    }


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("sx", "no column 'sx' for subgroups"),
        ("sx", "Nearest: sex"),
        ("patient", "names are not written down"),
        ("path", "names are not written down"),
        ("scan", "18 different values; subgroups need at most 12"),
    ],
)
def test_what_cannot_be_a_subgroup_is_refused(tmp_path: Path, column: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(made(tmp_path), subgroups=(column,))
    assert words in str(caught.value)
    assert "s1" not in str(caught.value).replace(str(tmp_path), ""), "values are not repeated: they may be names"


def test_the_column_of_groups_is_refused_under_any_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names are not written down"):
        read(made(tmp_path), group="sex", subgroups=("sex",))


def test_a_folder_without_a_table_has_no_columns(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match=r"no index\.csv, so there is no column 'sex'.*Leave --subgroup out"):
        read(tmp_path, subgroups=("sex",))
