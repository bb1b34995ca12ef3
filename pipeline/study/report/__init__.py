"""The report of a study: HTML, Markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from components.data.atomic import write_whole
from pipeline.report.charts import HeatMap
from pipeline.study.findings import Findings
from pipeline.study.report.data import data
from pipeline.study.report.markdown import markdown
from pipeline.study.report.page import page


def write_report(
    findings: Findings, spec_text: str, directory: Path, affinities: HeatMap | None = None
) -> None:
    """Write `report.html`, `report.md` and `study.json`, each atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / "report.html", page(findings, spec_text, affinities))
    write_whole(directory / "report.md", markdown(findings))
    write_whole(directory / "study.json", data(findings))


__all__ = ["markdown", "write_report"]
