"""Tells MLflow about a study: a run with the report, and a child run for every arm, fraction and
seed. Telling it again changes nothing: runs are found by their tags.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.spec.trunk_lookup import tracking_uri
from pipeline.store.locks import locked
from pipeline.study.evidence import Evidence, Scores
from pipeline.study.findings import Findings
from pipeline.study.jobs import Cell
from pipeline.tracking.children import experiment, log
from pipeline.tracking.sync import QUIET

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


def record(found: Findings, directory: Path) -> None:
    """Record a study whose report lies in `directory`.

    Raises:
        Exception: MLflow's own, when it cannot be reached or refuses.
    """
    os.environ.update({k: os.environ.get(k, v) for k, v in QUIET.items()})
    import mlflow

    evidence = found.evidence
    spec, uri = evidence.design.spec, tracking_uri(evidence.design.spec)
    client = mlflow.MlflowClient(uri, uri)
    with locked(directory.parent / ".mlflow", wait=True):
        place = experiment(client, spec.tracking.experiment or spec.name, uri, spec.store)
        digest = _digest(evidence)
        runs = client.search_runs([place], f"tags.`{STUDY}` = '{digest}'", max_results=5000)
        known = {run.data.tags.get(CELL, ""): run for run in runs}
        if "" in known and known[""].info.status == "FINISHED":
            return
        parent = known.get("") or client.create_run(
            place, tags={STUDY: digest}, run_name=f"study {spec.name}"
        )
        parent_id = parent.info.run_id
        for cell, scores in evidence.cells.items():
            if (name := _name(cell)) not in known:
                tags = {STUDY: digest, CELL: name, "mlflow.parentRunId": parent_id}
                child = client.create_run(place, tags=tags, run_name=name)
                log(client, child.info.run_id, dict(_figures(scores)), _params(cell, evidence))
                client.set_terminated(child.info.run_id)
        log(client, parent_id, dict(_gains(found)), {"reference": evidence.design.reference})
        if found.recommendation is not None:
            client.set_tag(parent_id, "rootstock.recommended", found.recommendation.arm)
        client.log_artifacts(parent_id, str(directory))
        client.set_terminated(parent_id)


def _digest(evidence: Evidence) -> str:
    """Of the figures: the same study, run again, is the same."""
    told = {_name(cell): dict(_figures(scores)) for cell, scores in evidence.cells.items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _name(cell: Cell) -> str:
    return f"{cell.arm} {cell.fraction:g} seed {cell.seed}"


def _params(cell: Cell, evidence: Evidence) -> dict[str, Any]:
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


def _gains(found: Findings) -> Iterator[tuple[str, float]]:
    """Differences at the largest fraction, by what is compared."""
    for c in found.comparisons:
        if c.fraction == max(found.evidence.fractions):
            where = f"{c.claim.arm}_against_{c.claim.against}"
            if c.gain is not None:
                yield f"{where}.delta_m", c.gain
            for v in c.verdicts:
                yield f"{where}.{v.task}", v.mean
