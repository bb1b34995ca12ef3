"""The tables of a report: metrics and costs of all arms."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from components.data.lazy import np
from pipeline.report.tables import Table
from pipeline.study.evidence import PREPARATION, Evidence

CALIBRATION = "calibration_error"
COSTS = {
    "seconds": "s to prepare and train",
    PREPARATION: "s to prepare",
    "cpu_seconds": "CPU s of training",
    "steps": "steps",
    "trainable_parameters": "trainable parameters",
    "parameters": "parameters",
    "latency_ms": "ms per row",
    "memory_mib": "peak MiB of training",
}
"""Costs as in `Scores.total`, with the heads of their columns."""


def score_table(evidence: Evidence) -> Table:
    """Metrics on test rows: mean ± standard deviation over seeds."""
    largest, rows = evidence.largest, []
    for arm, (task, metric) in product(evidence.arms(), evidence.design.metrics.items()):
        by_size = [_spread(evidence.values(arm, f, task)) for f in evidence.fractions]
        gap = _spread(evidence.gaps(arm, largest, task).values())
        calibration = evidence.by_seed(arm, largest, task, metric=CALIBRATION).values()
        rows.append([_name(arm, evidence), task, metric, *by_size, gap, _spread(calibration)])
    sizes = [f"{evidence.rows[f]:,} rows" for f in evidence.fractions]
    header = ["arm", "task", "metric", *sizes, "gap train - test", "calibration error"]
    return Table(header, rows)


def cost_table(evidence: Evidence) -> Table:
    """Costs with all training rows: totals over the models of an arm, means over seeds."""
    rows = [
        [
            _name(arm, evidence),
            *(_short(evidence.cost(arm, evidence.largest, c)) for c in COSTS),
            *([_short(evidence.tuning.get(arm, 0.0))] * bool(evidence.tuning)),
        ]
        for arm in evidence.arms()
    ]
    return Table(["arm", *COSTS.values(), *(["s of tuning"] * bool(evidence.tuning))], rows)


def _name(arm: str, evidence: Evidence) -> str:
    controls = {a.name for a in evidence.design.arms if a.control_of}
    return f"{arm} (control)" if arm in controls else arm


def _short(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def _spread(values: Iterable[float]) -> str:
    known = np.array(list(values), np.float64)
    if not len(known):
        return ""
    if len(known) == 1:
        return f"{known[0]:.4f}"
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}"
