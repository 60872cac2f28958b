"""Identities: equal values, equal ids; no id for what cannot be hashed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.terms.identity import canonical, digest
from frostline.terms.trial import Trial
from tests.store.values import trial

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(), scalars), st.randoms())
def test_the_order_of_fields_does_not_matter(fields: dict[str, Any], random: Any) -> None:
    items = list(fields.items())
    random.shuffle(items)
    assert digest(dict(items)) == digest(fields)


def test_a_trials_id_is_independent_of_the_order_of_its_fields() -> None:
    first = trial()
    fields = [(field.name, field.type, field) for field in dataclasses.fields(Trial)]
    assert len(fields) > 5
    backwards: Any = dataclasses.make_dataclass("Backwards", [(name, Any) for name, _, _ in reversed(fields)], frozen=True)
    assert digest(backwards(**{name: getattr(first, name) for name, _, _ in fields})) == first.id


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Trial)])
def test_every_field_of_a_trial_is_part_of_its_id(field: str) -> None:
    first = trial()
    others: dict[str, Any] = {
        "recipe": dataclasses.replace(first.recipe, train=()),
        "budget": dataclasses.replace(first.budget, epochs=9),
        "options": (("lr", "0.1"),),
        "configurations": ("l2=7",),
        "seed": 99,
    }
    assert dataclasses.replace(first, **{field: others.get(field, "another")}).id != first.id


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, lambda: 0, Trial])
def test_what_cannot_be_hashed_is_an_error_never_a_random_key(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be part of an identity"):
        digest({"deep": [value]})


def test_nan_has_no_identity() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))


def test_canonical_keeps_plain_values() -> None:
    assert canonical({"a": (1, None, "x")}) == {"a": [1, None, "x"]}
