"""The parser that reads JSON as TF Serving does; `tests/trials` has its error messages."""

import json
import math
import random
from typing import Any

import pytest

from serving.server.api.rapidjson import ParseError, Repeated, object_of, parse


def document(generator: random.Random, depth: int) -> Any:
    kind = generator.randrange(9 if depth else 7)
    if kind == 7:
        return [document(generator, depth - 1) for _ in range(generator.randrange(4))]
    if kind == 8:
        return {str(i): document(generator, depth - 1) for i in range(generator.randrange(4))}
    scale = 10.0 ** generator.randrange(-20, 20)
    values = (None, True, False, generator.randrange(-(2**63), 2**64), scale * 7, -0.0)
    return (*values, 't\n"é😀\\'[: generator.randrange(7)])[kind]


def test_documents_are_read_as_python_reads_them() -> None:
    generator = random.Random(0)
    for position in range(2000):
        expected = document(generator, 4)
        text = json.dumps(expected, ensure_ascii=bool(position % 2), indent=position % 3 or None)
        assert parse(text) == expected, text
        assert parse(f" {text} and more") == expected


def test_what_only_rapidjson_reads() -> None:
    assert parse("[Inf, -Infinity]") == [math.inf, -math.inf]
    assert math.isnan(parse("-NaN"))
    assert parse("18446744073709551616") == 2.0**64
    nested = parse("[" * 100_000 + "]" * 100_000)
    assert len(nested) == 1


def test_repeated_names_keep_all_values_and_show_the_first() -> None:
    value = parse('{"a": 1, "b": 2, "a": 3}')
    assert isinstance(value, Repeated)
    assert value == {"a": 1, "b": 2}
    assert value.pairs == [("a", 1), ("b", 2), ("a", 3)]
    assert type(object_of([("a", 1)])) is dict


@pytest.mark.parametrize(
    "text", ["", "]", "[1", '{"a":', "Infi", '"\\ud800"', "1e999", "-", "[1,]"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)
