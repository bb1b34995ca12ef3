"""A study in MLflow: a run with the report, and a child run for every arm, fraction and seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

from pipeline.operations.record_group import record_group
from pipeline.study.evidence import Scores
from pipeline.study.findings import Findings
from pipeline.study.report.numbers import COSTS
from pipeline.tracking.groups import Child, Group


def record(findings: Findings, report: Path) -> None:
    """Send a study to MLflow, with the directory of its report.

    Seeds are shown as everywhere else: the first one is 1. Keys of children count from 0, so that
    studies which MLflow has are found again.
    """
    evidence, recommended = findings.evidence, findings.recommendation
    children = []
    for cell, scores in evidence.cells.items():
        key, name = (f"{cell.arm} {cell.fraction:g} seed {cell.seed + i}" for i in (0, 1))
        params = {**vars(cell), "seed": cell.seed + 1, "rows": evidence.rows[cell.fraction]}
        metrics = dict(_figures(scores))
        children.append(Child(key, name, metrics, params, span=scores.span))
    figures = json.dumps({child.key: child.metrics for child in children}, sort_keys=True)
    group = Group(
        tag="rootstock.study",
        key=hashlib.sha256(figures.encode()).hexdigest()[:16],  # finds the study if it runs again
        name=f"study {evidence.design.spec.name}",
        child_tag="rootstock.cell",
        children=children,
        complete=True,
        metrics=dict(_gains(findings)),
        params={"reference": evidence.design.reference},
        tags={} if recommended is None else {"rootstock.recommended": recommended.arm},
    )
    record_group(evidence.design.spec, group, report)


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
        if c.fraction == findings.evidence.largest:
            where = f"{c.claim.arm}_against_{c.claim.against}"
            if c.gain is not None:
                yield f"{where}.delta_m", c.gain
            for v in c.verdicts:
                yield f"{where}.{v.task}", v.mean
