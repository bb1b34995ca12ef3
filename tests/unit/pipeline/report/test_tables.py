"""Tables and prose on terminals of several widths."""

from __future__ import annotations

import sys

import pytest

from pipeline.report.tables import Table, as_markdown, as_text, prose

RESULTS = Table(
    ["task", "metric", "value", "95 % interval", "best constant answer"],
    [
        ["digit", "accuracy", "0.988", "0.9752 to 0.9951", "0.096"],
        ["even", "auc", "0.9979", "0.9837 to 0.9996", "0.5"],
    ],
)


def words(text: str) -> list[str]:
    return sorted(text.split())


@pytest.mark.parametrize("width", [200, 80, 60, 50, 44])
def test_a_table_fits_the_width_and_keeps_every_word(width: int) -> None:
    shown = RESULTS.text(piped=width)
    assert max(map(len, shown.splitlines())) <= width
    cells = [*RESULTS.header, *(cell for row in RESULTS.rows for cell in row)]
    assert words(shown) == words(" ".join(cells))


def test_a_table_is_wider_than_a_terminal_that_is_too_narrow() -> None:
    shown = RESULTS.text(piped=20)
    assert "0.9979" in shown
    assert "accuracy" in shown
    assert shown == RESULTS.text(piped=43), "only as wide as it must be"


def test_long_cells_give_way_before_narrow_ones() -> None:
    path = "/models/" + "long/" * 20
    table = Table(["stage", "result", "where"], [["ExampleValidator", "4bf9affd", path]])
    first, *lines = table.text(piped=60).splitlines()
    assert first.split() == ["stage", "result", "where"]
    assert lines[0].startswith("ExampleValidator  4bf9affd  /models/")
    assert "".join(line.split()[-1] for line in lines) == path


def test_paragraphs_and_tables_are_one_document() -> None:
    parts = ["# Title", "**Use `a`**: it is best.", Table(["task"], [["up"]])]
    assert (
        as_markdown(parts) == "# Title\n\n**Use `a`**: it is best.\n\n| task |\n| --- |\n| up |\n"
    )
    assert as_text(parts, piped=80) == "Title\n\nUse a: it is best.\n\ntask\nup\n"


def test_marks_of_markdown_take_no_place_in_a_table() -> None:
    table = Table(["", "next"], [["`a`", "1"], ["**bb**", "2"]])
    assert as_text([table], piped=80) == "    next\na   1\nbb  2\n"


def test_prose_is_broken_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Next:" + " collect more rows" * 6 + "\n  rootstock run " + "long/" * 20 + "best.yaml"
    assert prose(text) == text
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    *sentence, command = prose(text).splitlines()
    assert max(map(len, sentence)) <= 40
    assert words(" ".join([*sentence, command])) == words(text)
    assert command == text.splitlines()[1]
    under = prose("  note       " + "few labels, " * 9, indent=13).splitlines()
    assert [line[:13] for line in under] == ["  note       ", *[" " * 13] * (len(under) - 1)]
