from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.data import first_part, inner_split, plan_splits, within
from frostline.data.units import left_apart, units_of
from frostline.errors import DataError
from frostline.terms.data import Dataset, SplitPlan
from tests.data.pictures import dataset


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    classes = draw(st.integers(2, 4))
    count = draw(st.integers(classes * 8, 150))
    labels = [i if i < classes else draw(st.integers(0, classes - 1)) for i in range(count)]
    grouped = draw(st.booleans())
    groups = [draw(st.one_of(st.none(), st.integers(0, count // 2).map(str))) for _ in range(count)] if grouped else None
    digests = [f"d{draw(st.integers(0, 3 * count))}" for _ in range(count)]
    index = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(index, index).filter(lambda pair: pair[0] < pair[1]), max_size=20))
    return replace(dataset(labels, groups, digests=digests), lookalikes=tuple(pairs))


def check(plan: SplitPlan, data: Dataset) -> None:
    """Disjoint, covering, no unit broken, every class on both sides."""
    units = units_of(data)
    together = set(data.lookalikes) - set(left_apart(data, units))
    sealed = set(plan.sealed)
    everything = set(range(len(data.samples)))
    assert {units[i] for i in sealed}.isdisjoint(units[i] for i in everything - sealed)
    for split in plan.splits:
        train, validation = set(split.train), set(split.validation)
        assert not train & validation
        assert train | validation | sealed == everything and not (train | validation) & sealed
        assert {units[i] for i in train}.isdisjoint(units[i] for i in validation)
        assert all((one in side) == (other in side) for one, other in together for side in (train, validation, sealed))
        for side in (train, validation):
            assert {data.samples[i].label for i in side} == set(range(len(data.classes)))
    for repeat in {split.repeat for split in plan.splits}:
        validated = Counter(i for split in plan.splits if split.repeat == repeat for i in split.validation)
        assert plan.kind == "hold-outs" or (set(validated) == everything - sealed and set(validated.values()) == {1})


@settings(max_examples=40, deadline=None)
@given(data_sets(), st.integers(0, 3))
def test_splits_are_disjoint_cover_and_break_no_group(data: Dataset, seed: int) -> None:
    try:
        plan = plan_splits(data, seed)
    except DataError as error:
        assert "group" in str(error)
        return
    check(plan, data)
    assert plan == plan_splits(data, seed)
    assert len({split.name for split in plan.splits}) == len(plan.splits)


def test_seed_moves_the_folds_and_never_the_seal() -> None:
    data = dataset([i % 2 for i in range(600)])
    first, second = plan_splits(data, 0), plan_splits(data, 1)
    assert first.sealed == second.sealed and len(first.sealed) == 120 and first.sealed_by == "rule"
    assert first.splits[0].validation != second.splits[0].validation
    check(first, data)
    assert first.kind == "repeated-folds" and len(first.splits) == 15


def test_seal_is_stratified_and_needs_a_hundred_of_the_rarest() -> None:
    enough = dataset([0] * 500 + [1] * 125)
    plan = plan_splits(enough, 0)
    assert Counter(enough.samples[i].label for i in plan.sealed) == {0: 100, 1: 25}
    few = plan_splits(dataset([0] * 500 + [1] * 124), 0)
    assert few.sealed == () and few.sealed_by == "none"
    assert any("No test set was sealed" in note for note in few.notes)


def test_five_folds_in_the_middle() -> None:
    data = dataset([i % 3 for i in range(900)])
    plan = plan_splits(data, 0)
    assert plan.kind == "folds"
    assert [split.name for split in plan.splits] == ["r0f0", "r0f1", "r0f2", "r0f3", "r0f4"]
    check(plan, data)


def test_hold_outs_where_a_fold_would_be_large() -> None:
    data = dataset([i % 2 for i in range(12_500)])
    plan = plan_splits(data, 0)
    assert plan.kind == "hold-outs" and [split.name for split in plan.splits] == ["h0", "h1", "h2"]
    assert {len(split.validation) for split in plan.splits} == {2_000}
    assert len({split.validation for split in plan.splits}) == len({split.seed for split in plan.splits}) == 3
    check(plan, data)


def test_many_groups_are_dealt_evenly() -> None:
    count = 40_000
    data = dataset([i // 4 % 2 for i in range(count)], [str(i // 3) for i in range(count)])
    plan = plan_splits(data, 0)
    units = units_of(data)
    assert abs(len(plan.sealed) / count - 0.2) < 0.01
    for split in plan.splits:
        assert not set(units[list(split.train)]) & set(units[list(split.validation)])
        assert abs(len(split.validation) / count - 0.16) < 0.01


@pytest.mark.parametrize("grouped", [False, True])
def test_the_first_part_has_the_classes_in_proportion_and_breaks_no_group(grouped: bool) -> None:
    count = 6_000
    labels = [0 if i // 4 % 5 else 1 for i in range(count)]
    data = dataset(labels, [str(i // 4) for i in range(count)] if grouped else None)
    plan, units = plan_splits(data, 0), units_of(data)
    part = first_part(data, plan, 0.1)
    assert part == first_part(data, plan, 0.1) == tuple(sorted(set(part))) and set(part) <= set(plan.pool)
    assert len(part) == pytest.approx(0.1 * len(plan.pool), rel=0.05)
    assert sum(labels[i] for i in part) == pytest.approx(0.2 * len(part), rel=0.05)
    assert {units[i] for i in part}.isdisjoint(units[i] for i in set(plan.pool) - set(part))
    for split in plan.splits:
        own = within(split, part)
        assert (own.name, own.seed) == (split.name, split.seed)
        assert sorted((*own.train, *own.validation)) == list(part)
        assert set(own.train) <= set(split.train) and set(own.validation) <= set(split.validation)


def test_no_first_part_by_which_a_class_could_not_be_judged() -> None:
    labels = [0] * 3_000 + [1] * 120
    data = dataset(labels)
    plan = plan_splits(data, 0)
    assert first_part(data, plan, 0.1) == () and first_part(data, plan, 0.5)


def test_fewer_folds_for_a_small_class() -> None:
    data = dataset([0] * 40 + [1] * 3)
    plan = plan_splits(data, 0)
    assert {split.fold for split in plan.splits} == {0, 1, 2}
    assert any("Fewer than 5" in note for note in plan.notes)
    check(plan, data)


def test_class_from_one_patient_cannot_be_validated() -> None:
    groups = [f"p{i}" for i in range(30)] + ["q"] * 10
    with pytest.raises(DataError, match=r"class1 \(1\)"):
        plan_splits(dataset([0] * 30 + [1] * 10, groups), 0)


def test_large_data_that_are_one_unit_are_refused_in_words() -> None:
    data = dataset([0, 1] * 300, ["one"] * 600)
    with pytest.raises(DataError, match="No split has every class on both sides"):
        plan_splits(data, 0)


def test_copies_count_as_one_unit() -> None:
    digests = [f"d{i}" for i in range(30)] + ["same"] * 10
    with pytest.raises(DataError, match=r"equal files or near-duplicates\) a class: class1 \(1\)"):
        plan_splits(dataset([0] * 30 + [1] * 10, digests=digests), 0)


def test_near_duplicates_stay_on_one_side_and_those_that_cannot_are_said() -> None:
    data = replace(dataset([i % 2 for i in range(600)]), lookalikes=((3, 500), (10, 20), (20, 30)))
    plan = plan_splits(data, 0)
    check(plan, data)
    assert not any("near-duplicates" in note for note in plan.notes)
    chain = replace(dataset([0] * 50 + [1] * 50), lookalikes=tuple((i, i + 1) for i in range(49)))
    (note,) = [note for note in plan_splits(chain, 0).notes if "near-duplicates" in note]
    assert "4 pairs" in note and "rows 11 and 12 of splits.csv" in note and "--group" in note
    inner = inner_split(data, plan.splits[0])
    assert all((one in inner.train) == (other in inner.train) for one, other in data.lookalikes if one in plan.splits[0].train)


def test_chains_of_groups_and_copies_are_one_unit() -> None:
    data = dataset([0, 0, 1, 1, 0], ["p", "p", "q", None, None], digests=["a", "b", "b", "c", "c"])
    assert units_of(data).tolist() == [0, 0, 0, 1, 1]


def own(train: int, val: int, test: int, **other: list[str]) -> Dataset:
    parts = ["train"] * train + ["val"] * val + ["test"] * test
    return dataset([i % 2 for i in range(len(parts))], parts=parts, **other)  # type: ignore[arg-type]


def test_own_parts_are_kept() -> None:
    plan = plan_splits(own(400, 100, 50), 0)
    assert (plan.kind, plan.sealed_by, len(plan.splits)) == ("own-validation", "user", 1)
    assert plan.splits[0].name == "val"
    assert plan.splits[0].train == tuple(range(400)) and plan.splits[0].validation == tuple(range(400, 500))
    assert plan.sealed == tuple(range(500, 550))


def test_own_val_without_test_seals_nothing() -> None:
    plan = plan_splits(own(1000, 100, 0), 0)
    assert plan.sealed == () and any("beside your own val" in note for note in plan.notes)


def test_pooled_val_is_drawn_from() -> None:
    data = own(600, 100, 50)
    plan = plan_splits(data, 0, pool_val=True)
    assert plan.kind == "folds" and plan.sealed == tuple(range(700, 750)) and plan.pool == tuple(range(700))
    check(plan, data)
    assert plan_splits(own(600, 100, 0), 0, pool_val=True).sealed_by == "rule"


def test_own_test_without_val() -> None:
    plan = plan_splits(own(600, 0, 50), 0)
    assert plan.kind == "folds" and plan.sealed == tuple(range(600, 650))


@pytest.mark.parametrize("pool_val", [False, True])
def test_leaks_into_the_own_parts_are_noted(pool_val: bool) -> None:
    digests = [f"d{i}" for i in range(550)]
    digests[520] = digests[3]
    notes = plan_splits(own(400, 100, 50, digests=digests), 0, pool_val).notes
    assert any("1 training images" in note and "own test" in note for note in notes)


def test_screening_is_judged_inside_the_training_part_and_breaks_no_group() -> None:
    labels = [i % 2 for i in range(400)]
    data = dataset(labels, [f"patient{i // 2}" for i in range(400)])
    split = plan_splits(data, 0).splits[0]
    inner = inner_split(data, split)
    assert not set(inner.validation) & set(inner.train) and {*inner.validation, *inner.train} == set(split.train)
    assert 0.15 < len(inner.validation) / len(split.train) < 0.25
    groups = [{data.samples[i].group for i in part} for part in (inner.train, inner.validation)]
    assert not groups[0] & groups[1]
    assert inner == inner_split(data, split)


def test_a_training_part_too_small_to_be_split_is_judged_by_its_own_fold() -> None:
    data = dataset([0, 0, 1, 1])
    split = plan_splits(data, 0).splits[0]
    assert inner_split(data, split) == split
