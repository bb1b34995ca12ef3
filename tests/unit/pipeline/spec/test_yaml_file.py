from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.spec.yaml_file import YamlFile, read_yaml


def read(tmp_path: Path, text: str, *overrides: str, **variables: str) -> YamlFile:
    (tmp_path / "s.yaml").write_text(text)
    return read_yaml(tmp_path / "s.yaml", overrides, variables)


def test_lines_variables_and_overrides(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        "a:\n  b: ${X}/c\n  d: ${Y:-none}\nm: equal\nl: [1, {k: 2}]\n",
        "a.new=[1, 2]",
        "m.weight=0.5",
        "l.1.k=7",
        X="x",
    )
    assert file.content == {
        "a": {"b": "x/c", "d": "none", "new": [1, 2]},
        "m": {"name": "equal", "weight": 0.5},
        "l": [1, {"k": 7}],
    }
    assert file.place(("a", "d")).endswith("s.yaml:3")
    assert file.place(("a", "d", "deeper")).endswith("s.yaml:3")


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", (), "s.yaml:3: key 'a' occurs twice; the first is in line 1"),
        ("a: [1", (), "not valid YAML"),
        ("- a\n", (), "expected a mapping"),
        ("a: ${NOWHERE_SET}\n", (), r"s.yaml:1: a uses \$\{NOWHERE_SET\}, which is not set"),
        ("a: ${DATA}\n", (), "Give --data DIR"),
        ("a: 1\n", ("a",), "expected key.path=value"),
        ("a: [1]\n", ("a.x.y=1",), "nothing called 'x' below a"),
        ("a: 1\n", ("a.b.c=1",), "nothing called 'b' below a"),
        ("a: [1]\n", ("a.4=1",), "a has no item '4'"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    overrides: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(RootstockError, match=message):
        read(tmp_path, text, *overrides)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match=r"nowhere\.yaml: no such file"):
        read_yaml(tmp_path / "nowhere.yaml", (), {})
