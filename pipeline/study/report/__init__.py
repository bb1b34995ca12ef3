"""The report of a study: HTML, Markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from components.data.atomic import write_whole
from pipeline.study.findings import Findings
from pipeline.study.report.data import data
from pipeline.study.report.markdown import markdown
from pipeline.study.report.page import AffinityMatrix, page


def write_report(
    findings: Findings, spec_text: str, directory: Path, affinities: AffinityMatrix | None = None
) -> None:
    """Write `report.html`, `report.md` and `study.json`, each atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "report.html": page(findings, spec_text, affinities),
        "report.md": markdown(findings),
        "study.json": data(findings),
    }
    for name, text in files.items():
        write_whole(directory / name, text)


__all__ = ["AffinityMatrix", "markdown", "write_report"]
