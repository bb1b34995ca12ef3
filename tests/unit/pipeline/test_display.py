"""The closing table and the live bars, on terminals of different width."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from pipeline import display
from pipeline.display import BarDisplay, LineDisplay, StageResult, WithoutLines, summary

FIGURES = (
    ("load_s", 16.02),
    ("max_difference", 7.451e-08),
    ("rest_ms", 1.965),
    ("grpc_ms", 1.942),
    ("memory_mb", 604.9),
    ("size_mb", 3.5),
)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_closing_table_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".rootstock" / "InfraValidator" / "8d332c6bc4d79884"
    results = [
        StageResult("InfraValidator", False, 123.4, FIGURES, path),
        StageResult("TaskStatisticsGen", True, 0.0, (("tasks", 3),), path),
    ]
    text = summary(results, tmp_path / ".rootstock")
    table, _, where = text.partition("\n\n")
    assert max(map(len, table.splitlines())) <= columns
    whole = " ".join(table.split())
    for part in ("123.4 s", "load_s 16.02", "and 1 more", "8d332c6b", "cached"):
        assert part in whole or columns == 60
    assert where == "Results: .rootstock/<stage>/<result>…"


def test_the_closing_table_without_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "8d332c6bc4d79884"
    text = summary([StageResult("InfraValidator", False, 1.0, FIGURES * 9, path)], tmp_path)
    assert max(len(line) for line in text.partition("\n\n")[0].splitlines()) <= display.PIPED
    assert "\x1b" not in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_bars_fit_and_lines_above_them_are_whole(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    out = Terminal()
    shown = BarDisplay(out)
    shown.progress("TaskStatisticsGen", 10, 1_000_000, "rows", "epoch 4/20, loss 0.123")
    long = "ExampleValidator: warning: " + "a long sentence " * 10
    shown.line(long)
    shown.progress("Trainer", 10, None, "steps", "epoch 4 of at most 20")
    assert shown._bars.tasks[-1].total is None, "the time left would be guessed"
    shown._bars.refresh()
    shown.close()
    codes = r"\x1b\[[0-9;?]*[A-Za-z]"
    lines = re.split(r"[\r\n]+", re.sub(codes, "", out.getvalue()))
    assert long in lines
    bars = [line for line in lines if line and line != long]
    assert bars
    assert all(len(line) <= 60 for line in bars), bars
    if no_color:
        colours = re.findall(r"\x1b\[([\d;]*)m", out.getvalue())
        assert not [c for c in colours if re.search(r"(^|;)(3[0-9]|4[0-7]|9[0-7])", c)]
    assert os.environ["TERM"] == "xterm"


def test_warnings_and_progress_of_many_runs_are_shown_without_the_lines_of_their_stages() -> None:
    out = io.StringIO()
    lines = LineDisplay(out)
    shown = WithoutLines(lines)
    for _ in range(2):
        shown.line("Transform: done in 1.0 s")
        shown.warning("  Transform: warning: text length")
        shown.progress("Embed", 0, 100, "rows", "")
        lines._last["Embed"] -= 60
        shown.progress("Embed", 50, 100, "rows", "")
        shown.finished("Embed")
    shown.alert("Embed: lost")
    warning, *progress, alert = out.getvalue().splitlines()
    assert warning == "  Transform: warning: text length"
    assert [p.split(" rows")[0] for p in progress] == ["  Embed: 50 of 100"] * 2
    assert alert == "Embed: lost"


def test_lines_become_fewer_while_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    out, clock = io.StringIO(), iter(range(1000))
    monkeypatch.setattr(display.time, "monotonic", lambda: float(next(clock)))
    lines = LineDisplay(out)
    for _ in range(150):
        lines.progress("Embed", 0, 4, "shards", "")
    assert len(out.getvalue().splitlines()) == 4, "after 5, 15, 35 and 75 seconds without progress"
    for done in range(1, 31):
        lines.progress("Embed", done, 40, "shards", "")
    assert len(out.getvalue().splitlines()) >= 9, "each 5 seconds again"
