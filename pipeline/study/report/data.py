"""The report as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from pipeline.study.findings import Findings
from pipeline.study.promises import promises


def data(findings: Findings) -> str:
    """JSON of the design, all metrics and all verdicts."""
    evidence = findings.evidence
    design = evidence.design
    content: dict[str, Any] = {
        "name": design.spec.name,
        "reference": design.reference,
        "metrics": dict(design.metrics),
        "notes": list(design.notes),
        "versions": dict(evidence.versions),
        "rows": {str(f): n for f, n in evidence.rows.items()},
        "arms": {
            a.name: {
                "models": [m.tasks for m in a.models],
                "set": list(a.overrides),
                "control_of": a.control_of or None,
            }
            for a in design.arms
        },
        "recommendation": findings.recommendation and asdict(findings.recommendation),
        "comparisons": [
            asdict(c) | {"promises": [asdict(p) for p in promises(c, evidence)]}
            for c in findings.comparisons
        ],
        "trials": [
            {
                **asdict(cell),
                "tasks": {
                    t: {"train": f.train, "val": f.val, "test": f.test}
                    for t, f in scores.tasks.items()
                },
                "costs": [asdict(t.costs) for t in scores.trials],
            }
            for cell, scores in evidence.cells.items()
        ],
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN; they become null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
