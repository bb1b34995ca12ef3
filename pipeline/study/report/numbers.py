"""The tables of a report: metrics and costs of all arms."""

from __future__ import annotations

from collections.abc import Iterable

from components.data.arrow import np
from pipeline.report.tables import Table
from pipeline.study.findings import Findings

CALIBRATION = "calibration_error"


def score_table(findings: Findings) -> Table:
    """Metrics on test rows: mean ± standard deviation over seeds."""
    evidence, largest = findings.evidence, max(findings.evidence.fractions)
    rows = [
        [
            _name(arm, findings),
            task,
            metric,
            *(_spread(evidence.values(arm, f, task)) for f in evidence.fractions),
            _spread(evidence.gaps(arm, largest, task).values()),
            _spread(evidence.by_seed(arm, largest, task, metric=CALIBRATION).values()),
        ]
        for arm in evidence.arms()
        for task, metric in evidence.design.metrics.items()
    ]
    sizes = [f"{evidence.rows[f]:,} rows" for f in evidence.fractions]
    header = ["arm", "task", "metric", *sizes, "gap train - test", "calibration error"]
    return Table(header, rows)


def cost_table(findings: Findings) -> Table:
    """Costs with all training rows: totals over the models of an arm, means over seeds."""
    evidence, largest = findings.evidence, max(findings.evidence.fractions)
    columns = {
        "seconds": "training s",
        "cpu_seconds": "CPU s",
        "steps": "steps",
        "trainable_parameters": "trainable parameters",
        "parameters": "parameters",
        "latency_ms": "ms per row",
        "memory_mib": "peak MiB of training",
    }
    rows = [
        [_name(arm, findings), *(_short(evidence.cost(arm, largest, c)) for c in columns)]
        for arm in evidence.arms()
    ]
    return Table(["arm", *columns.values()], rows)


def _name(arm: str, findings: Findings) -> str:
    """An arm's name, marked if it is a control."""
    controls = {a.name for a in findings.evidence.design.arms if a.control_of}
    return f"{arm} (control)" if arm in controls else arm


def _short(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def _spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation."""
    known = np.array(list(values), np.float64)
    if not len(known):
        return ""
    if len(known) == 1:
        return f"{known[0]:.4f}"
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}"
