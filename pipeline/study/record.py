"""A study in MLflow: a run with the report, and a child run for every arm, fraction and seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

from pipeline.operations.record_group import record_group
from pipeline.study.evidence import Evidence, Scores
from pipeline.study.findings import Findings
from pipeline.study.jobs import Cell
from pipeline.tracking.groups import Child, Group

STUDY, CELL = "rootstock.study", "rootstock.cell"
COSTS = (
    "seconds",
    "cpu_seconds",
    "steps",
    "parameters",
    "trainable_parameters",
    "latency_ms",
    "memory_mib",
)


def record(findings: Findings, report: Path) -> None:
    """Send a study to MLflow, with the directory of its report."""
    evidence = findings.evidence
    children = [
        Child(_name(cell), _name(cell), dict(_figures(scores)), _params(cell, evidence))
        for cell, scores in evidence.cells.items()
    ]
    recommended = findings.recommendation
    group = Group(
        tag=STUDY,
        key=_digest(evidence),
        name=f"study {evidence.design.spec.name}",
        child_tag=CELL,
        children=children,
        complete=True,
        metrics=dict(_gains(findings)),
        params={"reference": evidence.design.reference},
        tags={} if recommended is None else {"rootstock.recommended": recommended.arm},
    )
    record_group(evidence.design.spec, group, report)


def _digest(evidence: Evidence) -> str:
    """Of the figures, so that the same study, run again, is found again."""
    figures = {_name(cell): dict(_figures(scores)) for cell, scores in evidence.cells.items()}
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()[:16]


def _name(cell: Cell) -> str:
    return f"{cell.arm} {cell.fraction:g} seed {cell.seed}"


def _params(cell: Cell, evidence: Evidence) -> dict[str, object]:
    return {
        "arm": cell.arm,
        "fraction": cell.fraction,
        "rows": evidence.rows[cell.fraction],
        "seed": cell.seed,
    }


def _figures(scores: Scores) -> Iterator[tuple[str, float]]:
    for task, figures in scores.tasks.items():
        for split in ("train", "val", "test"):
            for metric, value in getattr(figures, split).items():
                if value is not None:
                    yield f"{split}.{task}.{metric}", value
    for cost in COSTS:
        if math.isfinite(total := scores.total(cost)):
            yield cost, total


def _gains(findings: Findings) -> Iterator[tuple[str, float]]:
    """Differences at the largest fraction, named by the two arms."""
    for c in findings.comparisons:
        if c.fraction == max(findings.evidence.fractions):
            where = f"{c.claim.arm}_against_{c.claim.against}"
            if c.gain is not None:
                yield f"{where}.delta_m", c.gain
            for v in c.verdicts:
                yield f"{where}.{v.task}", v.mean
