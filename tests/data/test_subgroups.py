"""Columns for subgroups travel with the samples and change nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline.data import plan_splits, read
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
