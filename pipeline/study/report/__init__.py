"""The report of a study: markdown, JSON and one HTML page."""

from __future__ import annotations

from pathlib import Path

from pipeline.study.findings import Findings
from pipeline.study.report.markdown import markdown


def write(found: Findings, directory: Path) -> None:
    """Write `report.md`, each file whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in {"report.md": markdown(found)}.items():
        new = directory / f".{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(directory / name)


__all__ = ["markdown", "write"]
