"""Nested parts of a fold's training images: no group is broken, and the validation images stay out."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings

from frostline.data import draws_at, nested_parts, plan_splits
from frostline.data.splits import units_of
from frostline.errors import DataError
from frostline.terms.data import Dataset, Split
from tests.data.pictures import dataset
from tests.data.test_splits import data_sets

DIVISORS, DRAWS = (8, 4, 2, 1), 3


def by_draw(parts: tuple[Split, ...]) -> dict[int, list[Split]]:
    return {draw: [part for part in parts if part.repeat == draw] for draw in sorted({part.repeat for part in parts})}


@settings(max_examples=40, deadline=None)
@given(data_sets())
def test_parts_are_nested_break_no_group_and_see_no_validation_image(data: Dataset) -> None:
    try:
        split = plan_splits(data, 0).splits[0]
    except DataError:
        return
    parts, units = nested_parts(data, split, DIVISORS, DRAWS), units_of(data)
    assert parts == nested_parts(data, split, DIVISORS, DRAWS)
    for own in by_draw(parts).values():
        assert own[-1].train == split.train
        for smaller, larger in itertools.pairwise(own):
            assert set(smaller.train) <= set(larger.train)
        for part in own:
            assert part.validation == split.validation and not set(part.train) & set(split.validation)
            outside = set(split.train) - set(part.train)
            assert {units[i] for i in part.train}.isdisjoint(units[i] for i in outside)
            assert min(Counter(data.samples[i].label for i in part.train).values()) >= 2
            assert {data.samples[i].label for i in part.train} == set(range(len(data.classes)))


def test_parts_have_their_share_of_each_class_and_draws_differ() -> None:
    data = dataset([i % 4 == 0 for i in range(800)])
    split = plan_splits(data, 0).splits[0]
    whole = Counter(data.samples[i].label for i in split.train)
    parts = nested_parts(data, split, DIVISORS, DRAWS)
    assert len(parts) == 12 and len({part.name for part in parts}) == 12
    assert len({part.seed for part in parts}) == DRAWS
    for part in parts:
        found = Counter(data.samples[i].label for i in part.train)
        divisor = int(part.name.rpartition("-")[2])
        assert all(abs(found[label] - whole[label] / divisor) <= 1 for label in whole)
    eighths = [part.train for part in parts if part.name.endswith("-8")]
    assert len(set(eighths)) == DRAWS


def test_a_class_that_is_too_small_for_a_part_leaves_that_part_out() -> None:
    data = dataset([0] * 200 + [1] * 12)
    split = plan_splits(data, 0).splits[0]
    names = {part.name.rpartition("-")[2] for part in nested_parts(data, split, DIVISORS, 1)}
    assert names == {"4", "2", "1"}


@pytest.mark.parametrize("images", [120, 499, 500, 1200, 9_999, 10_000])
def test_what_is_said_of_a_pool_before_there_is_one_is_what_is_done(images: int) -> None:
    plan = plan_splits(dataset([0] * (images - 90) + [1] * 90), 0)  # too few of one class for a sealed test set
    assert not plan.sealed
    assert (plan.kind, len({split.repeat for split in plan.splits})) == draws_at(images)[:2]
