"""The report of a study: one HTML page, markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from components.data.atomic import write_whole
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


__all__ = ["Affinities", "markdown", "write"]
