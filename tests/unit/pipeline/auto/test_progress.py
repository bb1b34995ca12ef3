"""Progress: plain lines in a log, one table on a terminal."""

from __future__ import annotations

import io
import time

import pytest

from pipeline.auto.progress import Lines, LiveTable, Progress, Step, progress_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def search(progress: Progress) -> None:
    end = time.monotonic() + 100.4
    progress.line("2 candidates: default, [larger]")
    progress.began(Step("default", "900 rows", None, end))
    progress.ended("y auc 0.8; 5 s", "Best so far: default")
    progress.began(Step("[larger]", "900 rows", 5.0, end))


def test_a_log_has_a_line_for_each_event() -> None:
    out = io.StringIO()
    progress = progress_for(out, "normal")
    assert isinstance(progress, Lines)
    search(progress)
    progress.close()
    assert out.getvalue().splitlines() == [
        "2 candidates: default, [larger]",
        "default: 900 rows (100 s left in all)",
        "  y auc 0.8; 5 s",
        "[larger]: 900 rows, about 5 s (100 s left in all)",
    ]


def test_quiet_is_quiet() -> None:
    out = io.StringIO()
    progress = progress_for(out, "quiet")
    search(progress)
    progress.alert("damaged")
    assert out.getvalue() == "damaged\n"


def test_a_terminal_has_a_table_of_trials_the_best_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    progress = progress_for(out, "normal")
    assert isinstance(progress, LiveTable)
    search(progress)
    table = progress.table()
    assert str(table.title) == "100 s left. Best so far: default"
    assert [list(map(str, c.cells)) for c in table.columns] == [
        ["default", "[larger]"],
        ["900 rows", "900 rows"],
        ["y auc 0.8; 5 s", "running, 0 of about 5 s"],
    ]
    progress.close()
    assert "2 candidates: default, [larger]" in out.getvalue()
    assert [len(list(c.cells)) for c in progress.table().columns] == [1, 1, 1]
