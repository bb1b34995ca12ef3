from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.spans import by_span, resolved


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("day-1/v1/a.csv", "day-1/v2/a.csv", "day-1/v10/a.csv", "day-02/v1/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    (tmp_path / "day-x" / "v1").mkdir(parents=True)
    for day in ("1970-01-02", "2024-02-29"):
        (tmp_path / f"log-{day}.csv").write_text("x\n1\n")
    return tmp_path


def paths(root: Path, pattern: str, spans: object) -> dict[int | None, list[str]]:
    reader = CsvReader(path=f"{root}/{pattern}", spans=spans)  # type: ignore[arg-type]
    found = by_span([reader])
    return {n: [str(Path(s.path).relative_to(root)) for s in found[n]] for n in found}


def test_the_highest_version_of_each_span(root: Path) -> None:
    pattern = "day-{SPAN}/v{VERSION}/*.csv"
    assert paths(root, pattern, "all") == {1: ["day-1/v10/*.csv"], 2: ["day-02/v1/*.csv"]}
    assert paths(root, pattern, "latest") == {2: ["day-02/v1/*.csv"]}
    assert paths(root, pattern, "previous") == {1: ["day-1/v10/*.csv"]}
    assert paths(root, pattern, (0, 1)) == {1: ["day-1/v10/*.csv"]}


def test_dates_are_days(root: Path) -> None:
    pattern = "log-{YYYY}-{MM}-{DD}.csv"
    assert paths(root, pattern, "all") == {1: ["log-1970-01-02.csv"], 19782: ["log-2024-02-29.csv"]}


def test_sources_without_spans_come_first(root: Path) -> None:
    plain = CsvReader(path=str(root / "day-1" / "v1"))
    spanned = CsvReader(path=f"{root}/log-{{YYYY}}-{{MM}}-{{DD}}.csv")
    assert list(by_span([spanned, plain])) == [None, 19782]
    assert resolved([plain]) == (plain,)


def test_missing_spans_are_reported(root: Path) -> None:
    for pattern, spans, message in (
        ("week-{SPAN}/*", "all", r"no spans exist"),
        ("day-{SPAN}/*", (5, 9), r"no span from 5 to 9\. Existing spans: 1, 2\."),
        ("log-{YYYY}-02-29.csv", "all", r"expected .*, or all of \{YYYY\}, \{MM\} and \{DD\}"),
        ("log-2024-{SPAN}-29.csv", "previous", r"no span exists before 2"),
    ):
        with pytest.raises(RootstockError, match=message):
            paths(root, pattern, spans)


def test_two_paths_of_one_version_are_refused(root: Path) -> None:
    for name in ("part-1-a.csv", "part-1-b.csv"):
        (root / name).write_text("x\n1\n")
    with pytest.raises(RootstockError, match="two paths are version 0 of span 1"):
        paths(root, "part-{SPAN}-*.csv", "all")
