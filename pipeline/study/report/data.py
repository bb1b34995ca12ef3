"""The report as JSON."""

from __future__ import annotations

from pydantic_core import to_json

from pipeline.study.findings import Findings
from pipeline.study.promises import promises


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
        "comparisons": [
            {**vars(c), "promises": promises(c, evidence)} for c in findings.comparisons
        ],
        "trials": [
            {
                **vars(cell),
                "tasks": {
                    t: {"train": f.train, "val": f.val, "test": f.test}
                    for t, f in scores.tasks.items()
                },
                "costs": [t.costs for t in scores.trials],
            }
            for cell, scores in evidence.cells.items()
        ],
    }
    return to_json(content, indent=1, inf_nan_mode="null")
