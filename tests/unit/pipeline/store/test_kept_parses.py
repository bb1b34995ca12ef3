"""What was read from source files is kept for the next process, for that content only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import sources as reading
from pipeline.store.kept_parses import KeptParses
from pipeline.store.sources import Known, sources

NOTHING = Known(frozenset(), frozenset(), frozenset())


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two modules, and a folder for compiled modules."""
    monkeypatch.setattr(reading, "ROOT", tmp_path)
    (tmp_path / "pipeline/store/__pycache__").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.py").write_text("import models.b\n")
    (tmp_path / "models/b.py").write_text("class B(A): ...\n")
    reading.forget()
    yield tmp_path
    reading.forget()


def of_a() -> dict[str, str]:
    """The sources of `models.a`, read as a new process reads them."""
    reading.forget()
    return dict(sources(frozenset({"models.a"}), NOTHING))


def test_the_next_process_parses_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = of_a()
    assert set(first) == {"models.a", "models.b"}
    monkeypatch.delattr(reading, "_parsed")
    assert of_a() == first


def test_an_edited_file_is_parsed_again(tree: Path) -> None:
    first = of_a()
    (tree / "models/c.py").write_text("")
    (tree / "models/b.py").write_text("import models.c\n")
    second = of_a()
    assert set(second) == {"models.a", "models.b", "models.c"}
    assert second["models.b"] != first["models.b"]


@pytest.mark.parametrize("content", [None, b"", b'{"cut'], ids=["absent", "empty", "cut"])
def test_without_what_was_kept_files_are_parsed(tree: Path, content: bytes | None) -> None:
    first = of_a()
    (kept,) = (tree / "pipeline/store/__pycache__").iterdir()
    kept.unlink()
    if content is not None:
        kept.write_bytes(content)
    assert of_a() == first


def test_where_python_keeps_no_compiled_modules_nothing_is_kept(tree: Path) -> None:
    (tree / "pipeline/store/__pycache__").rmdir()
    assert set(of_a()) == {"models.a", "models.b"}
    assert not (tree / "pipeline/store/__pycache__").exists()


def test_many_entries_leave_those_that_were_used(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.store.kept_parses.LARGEST", 2)
    for keys in ("ab", "bc"):
        kept = KeptParses(tree / "pipeline/store/sources.py")
        for key in keys:
            if kept.get(key) is None:
                kept.add(key, [key])
        kept.save()
    kept = KeptParses(tree / "pipeline/store/sources.py")
    assert [kept.get(key) for key in "abc"] == [None, ["b"], ["c"]]
