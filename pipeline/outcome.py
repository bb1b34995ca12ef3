"""What a run came to, in a form for scripts and notebooks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.display import StageResult
from pipeline.flow import PipelineResult


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    pushed: whether the model is at `path`, as `version`. reasons: why it was not pushed.
    served: the version of another model that was served before; 0 if there was none.
    split, rows: on what the metrics were measured. metrics: by task and name.
    """

    model: str
    pushed: bool
    version: int
    path: str
    label: str | None
    served: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    split: str
    rows: int
    metrics: Mapping[str, Mapping[str, float]]
    evaluation: str
    """The file with intervals, slices and curves."""
    page: str
    """Path or URL of the page of the run; empty if it could not be written."""


def outcome(result: PipelineResult) -> Outcome:
    record, file = result.pushed.load(), result.evaluation.path / "evaluation.json"
    evaluation = json.loads(file.read_text(encoding="utf-8"))
    return Outcome(
        model=record.model,
        pushed=record.pushed,
        version=record.version,
        path=record.path,
        label=record.label,
        served=record.served,
        reasons=record.reasons,
        warnings=record.warnings,
        split=evaluation["split"],
        rows=evaluation["rows"],
        metrics={task: of["values"] for task, of in evaluation["tasks"].items()},
        evaluation=str(file),
        page=result.page,
    )


def stages_as_json(results: Sequence[StageResult]) -> list[dict[str, object]]:
    """What a run came to that ended early: its stages, in the order in which they were done."""
    return [
        {"stage": r.stage, "cached": r.cached, "seconds": r.seconds, "result": str(r.path)}
        for r in results
    ]
