"""Names of layers that TensorFlow accepts."""

from __future__ import annotations

import pytest

from models.layer_names import scope_of
from models.lazy import tf


@pytest.mark.parametrize("name", ["hours", "capital-gain", "größe", "身長", "नाम", "a_b"])
def test_the_name_of_an_input_becomes_a_scope(name: str) -> None:
    scope = scope_of(name)
    assert (scope == name) == name.isascii()
    with tf.Graph().as_default(), tf.name_scope(scope):
        assert tf.constant(1, name="one").name == f"{scope}/one:0"


def test_names_in_other_alphabets_stay_different() -> None:
    names = ["身長", "体重", "größe", "große"]
    assert len({scope_of(name) for name in names}) == len(names)
