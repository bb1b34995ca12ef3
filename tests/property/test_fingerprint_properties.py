"""Fingerprints: unequal parameters never collide, and order of mapping keys never matters."""

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.fingerprint import canonical

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def typed(value: object) -> object:
    """A value together with the types of all its parts, since 1 == True == 1.0 in Python."""
    if isinstance(value, tuple):
        return ("tuple", tuple(typed(v) for v in value))
    if isinstance(value, dict):
        return ("dict", tuple(sorted((k, repr(typed(v))) for k, v in value.items())))
    return (type(value).__name__, repr(value))


@given(values, values)
def test_canonical_forms_are_equal_exactly_when_values_are(a: object, b: object) -> None:
    same_form = json.dumps(canonical(a)) == json.dumps(canonical(b))
    assert same_form == (typed(a) == typed(b))


@given(st.dictionaries(st.text(), scalars, min_size=2, max_size=6))
def test_order_of_keys_does_not_matter(mapping: dict[str, object]) -> None:
    backwards = dict(reversed(list(mapping.items())))
    assert json.dumps(canonical(mapping)) == json.dumps(canonical(backwards))


def test_types_with_equal_fields_differ() -> None:
    @dataclass(frozen=True)
    class A:
        x: int = 1

    @dataclass(frozen=True)
    class B:
        x: int = 1

    assert canonical(A()) != canonical(B())
