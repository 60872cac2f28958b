from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.data.assemble import subset
from frostline.data.units import FOLDS, left_apart, units_of
from frostline.session.work import truth_of
from frostline.terms.data import Dataset
from tests.data.pictures import dataset


@st.composite
def resembling(draw: st.DrawFn) -> Dataset:
    """Data sets with lookalikes, some with groups and copies too."""
    count = draw(st.integers(6, 60))
    labels = [i if i < 2 else draw(st.integers(0, 1)) for i in range(count)]
    groups = [draw(st.one_of(st.none(), st.integers(0, count).map(str))) for _ in range(count)] if draw(st.booleans()) else None
    digests = [f"d{draw(st.integers(0, 4 * count))}" for _ in range(count)]
    index = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(index, index).filter(lambda pair: pair[0] < pair[1]), max_size=40))
    return replace(dataset(labels, groups, digests=digests), lookalikes=tuple(pairs))


@settings(max_examples=80, deadline=None)
@given(resembling())
def test_groups_and_copies_are_never_parted_and_lookalikes_only_at_the_bound(data: Dataset) -> None:
    units = units_of(data)
    for one, sample in enumerate(data.samples):
        for other, earlier in enumerate(data.samples[:one]):
            same = sample.digest == earlier.digest or (sample.group is not None and sample.group == earlier.group)
            assert not same or units[one] == units[other]
    plain = Counter(units_of(replace(data, lookalikes=())).tolist())
    classes = Counter(sample.label for sample in data.samples)
    for unit, size in Counter(units.tolist()).items():
        members = [index for index in range(len(units)) if units[index] == unit]
        held = Counter(data.samples[index].label for index in members)
        grown = size not in (plain[before] for before in units_of(replace(data, lookalikes=()))[members].tolist())
        assert not grown or all(count <= max(2, classes[label] // FOLDS) for label, count in held.items())
    together = [pair for pair in data.lookalikes if units[pair[0]] == units[pair[1]]]
    assert {*together, *left_apart(data, units)} == set(data.lookalikes)


def test_a_chain_that_would_swallow_a_class_is_cut_at_its_weakest_links() -> None:
    chain = tuple((index, index + 1) for index in range(49))
    data = replace(dataset([0] * 50 + [1] * 50), lookalikes=chain)
    units = units_of(data)
    sizes = Counter(units[:50].tolist())
    assert max(sizes.values()) == 10 and len(sizes) == FOLDS
    assert left_apart(data, units) == [(9, 10), (19, 20), (29, 30), (39, 40)]


def test_sealed_images_do_not_raise_the_bound_of_those_that_are_split() -> None:
    """Forty train images of class 0 and sixty sealed ones: a unit holds at most a fifth of the forty."""
    chain = tuple((index, index + 1) for index in range(99))
    data = replace(dataset([0] * 100 + [1] * 40, parts=["train"] * 40 + ["test"] * 60 + ["train"] * 40), lookalikes=chain)
    units = units_of(data)
    assert max(Counter(units[:40].tolist()).values()) == 8 and len(set(units[:40].tolist())) == FOLDS
    assert set(units[40:100].tolist()) == {units[39]}


def test_one_sealed_image_of_a_class_is_known_for_a_copy() -> None:
    data = replace(dataset([0] * 11 + [1] * 10, parts=["train"] * 10 + ["test"] + ["train"] * 10), lookalikes=((0, 10),))
    assert units_of(data)[0] == units_of(data)[10]


def test_the_most_alike_are_joined_first() -> None:
    data = replace(dataset([0, 0, 0, 1, 1, 1]), lookalikes=((1, 2), (0, 1)))
    assert units_of(data).tolist() == [0, 1, 1, 2, 3, 4]


def test_two_images_of_a_class_are_left_to_both_sides() -> None:
    data = replace(dataset([0, 0] + [1] * 10), lookalikes=((0, 1), (2, 3)))
    assert units_of(data).tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_lookalikes_of_two_patients_join_them() -> None:
    groups = [f"p{index // 2}" for index in range(40)]
    data = replace(dataset([index % 2 for index in range(40)], groups), lookalikes=((1, 2),))
    assert units_of(data)[:6].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_smaller_data_set_keeps_the_pairs_that_are_left() -> None:
    data = replace(dataset([0, 0, 0, 1, 1, 1]), lookalikes=((0, 4), (2, 3), (1, 2)))
    assert subset(data, [0, 2, 3, 4, 5]).lookalikes == ((0, 3), (1, 2))


def test_the_fingerprint_is_that_of_the_files() -> None:
    data = dataset([0, 0, 1, 1])
    assert replace(data, lookalikes=((0, 1),)).fingerprint == data.fingerprint


def test_what_is_dealt_together_is_drawn_together() -> None:
    data = replace(dataset([0] * 6 + [1] * 6, digests=[*"aabcdefghijk"]), lookalikes=((2, 3),))
    groups = truth_of(data).groups
    assert groups[0] == groups[1] and groups[2] == groups[3] and len(set(groups.tolist())) == 10


def test_a_pair_of_like_images_is_no_patient() -> None:
    data = replace(dataset([0] * 6 + [1] * 6), lookalikes=((2, 3),))
    known, everything = truth_of(data), np.arange(12)
    assert known.patients is None
    assert (known.unit(everything), known.unit(everything[4:])) == ("set of like images", "image")


def test_patients_stay_apart_where_like_images_join_them() -> None:
    groups = [None, None, *(f"p{index // 2}" for index in range(2, 40))]
    known = truth_of(replace(dataset([index % 2 for index in range(40)], groups), lookalikes=((3, 4),)))
    assert known.patients is not None and known.patients[:8].tolist() == [0, 1, 2, 2, 3, 3, 4, 4]
    assert known.groups[:8].tolist() == [0, 1, 2, 2, 2, 2, 3, 3]
    assert known.unit(np.arange(40)) == "group"
