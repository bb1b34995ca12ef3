"""The report of a study: one HTML page, markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from pipeline.study.findings import Findings
from pipeline.study.report.data import data
from pipeline.study.report.markdown import markdown
from pipeline.study.report.page import Affinities, page


def write(
    found: Findings, spec_text: str, directory: Path, affinities: Affinities | None = None
) -> None:
    """Write `report.html`, `report.md` and `study.json`, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "report.html": page(found, spec_text, affinities),
        "report.md": markdown(found),
        "study.json": data(found),
    }
    for name, text in files.items():
        write_whole(directory / name, text)


def write_whole(file: Path, text: str) -> None:
    """Replace a file in one step."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


__all__ = ["Affinities", "markdown", "write", "write_whole"]
