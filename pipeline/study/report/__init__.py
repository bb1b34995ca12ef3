"""The report of a study: HTML, Markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import to_json

from components.charts import HeatMap
from components.data.atomic import write_whole
from pipeline.study.findings import Findings
from pipeline.study.promises import promises
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


def data(findings: Findings) -> bytes:
    """JSON of the design, all metrics and all verdicts. NaN and infinity become null."""
    evidence = findings.evidence
    design = evidence.design
    content = {
        "name": design.spec.name,
        "reference": design.reference,
        "metrics": design.metrics,
        "notes": design.notes,
        "versions": evidence.versions,
        "rows": evidence.rows,
        "arms": {
            a.name: {
                "models": [m.tasks for m in a.models],
                "set": a.overrides,
                "control_of": a.control_of or None,
            }
            for a in design.arms
        },
        "recommendation": findings.recommendation,
        "withheld": findings.withheld or None,
        "comparisons": [
            {**vars(c), "promises": promises(c, evidence)} for c in findings.comparisons
        ],
        "tuning_seconds": evidence.tuning,
        "trials": [
            {
                **vars(cell),
                "tasks": {
                    t: {"train": f.train, "val": f.val, "test": f.test}
                    for t, f in scores.tasks.items()
                },
                "costs": [t.costs for t in scores.trials],
                "preparation_seconds": scores.preparation,
            }
            for cell, scores in evidence.cells.items()
        ],
    }
    return to_json(content, indent=1, inf_nan_mode="null")


__all__ = ["markdown", "write_report"]
