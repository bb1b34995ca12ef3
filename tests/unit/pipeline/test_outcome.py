"""What a run came to, from its artifacts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from components import artifacts
from components.artifacts import PushRecord
from pipeline.flow import PipelineResult
from pipeline.outcome import outcome


def test_outcome(tmp_path: Path) -> None:
    task = {"values": {"auc": 0.9}}
    content = {"split": "test", "rows": 5, "tasks": {"ripe": task}}
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    record = PushRecord("fruit", "abc", reasons=("auc is 0.9",))
    (tmp_path / "pushed.json").write_text(json.dumps(asdict(record)))
    result = PipelineResult(
        artifacts.Examples(tmp_path, "e"),
        artifacts.TrainedModel(tmp_path, "a"),
        artifacts.ExportedModel(tmp_path, "b"),
        artifacts.Evaluation(tmp_path, "c"),
        (),
        artifacts.Pushed(tmp_path, "d"),
        page="run.html",
    )
    found = outcome(result)
    assert (found.pushed, found.reasons) == (False, ("auc is 0.9",))
    assert (found.split, found.rows, found.metrics) == ("test", 5, {"ripe": {"auc": 0.9}})
    assert json.loads(Path(found.evaluation).read_text()) == content
    assert json.loads(json.dumps(asdict(found)))["page"] == "run.html"
