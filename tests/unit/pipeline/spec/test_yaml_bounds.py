from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.spec.yaml_bounds import parse, read_text

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 10)
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"x:6: has more than 100,000 values, with its aliases written out"),
        (MERGES, r"x:\d: has more than 100,000 values"),
        ("a: &a\n  b: [*a]\n", r"x:1: contains an alias of itself"),
        ("a: &a {b: &b [*a, *b]}\n", r"contains an alias of itself"),
        ("[" * 5000, r"x:1: has lists or mappings inside of each other on more than 100 levels"),
        ("a: 2024-13-01\n", r"x: is not valid YAML: month must be in"),
        (f"a: {'9' * 5000}\n", r"x: is not valid YAML"),
        ("a: [1", r"x: is not valid YAML"),
    ],
)
def test_yaml_that_is_too_much(text: str, message: str) -> None:
    with pytest.raises(RootstockError, match=message):
        parse(text, "x")


def test_aliases_are_allowed() -> None:
    root, value = parse("a: &a {b: 1}\nc: *a\nd:\n  <<: *a\n  e: 2\n", "x")
    assert root is not None
    assert value == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}
    assert parse("", "x") == (None, None)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match=r"/dev/zero: has more than 1,048,576 characters"):
        read_text(Path("/dev/zero"))
    with pytest.raises(RootstockError, match="no such file"):
        read_text(tmp_path / "x")
