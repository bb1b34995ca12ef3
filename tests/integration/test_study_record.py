"""A study that is sent to MLflow twice is recorded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from pipeline.spec.sections import Tracking
from pipeline.spec.trunk_lookup import tracking_uri
from pipeline.study.findings import draw_conclusions
from pipeline.study.record import record
from pipeline.study.report import write_report
from tests.unit.pipeline.study.figures import evidence

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's
]


def test_a_study_is_one_mlflow_run_with_a_child_run_per_trial(tmp_path: Path) -> None:
    nothing = {"up": 0.0, "side": 0.0}
    figures = evidence(tmp_path, {"single": nothing, "multitask": nothing}, seeds=2)
    spec = figures.design.spec.model_copy(update={"tracking": Tracking(backend="mlflow")})
    spans = {c: replace(s, span=(1000.0 + c.seed, 1009.5)) for c, s in figures.cells.items()}
    design = replace(figures.design, spec=spec)
    found = draw_conclusions(replace(figures, design=design, cells=spans))
    directory = tmp_path / "report"
    write_report(found, "name: planted", directory)
    for _ in range(2):
        record(found, directory)
    uri = tracking_uri(found.evidence.design.spec)
    client = mlflow.MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("planted")
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 2 * 3 * 2 == len(runs) - 1
    names = {a.path for a in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "report.md", "study.json"} <= names
    child = next(r for r in children if r.data.tags["rootstock.cell"] == "single 1 seed 0")
    assert child.data.params["rows"] == "450"
    assert child.info.run_name == "single 1 seed 1", "the terminal counts seeds from 1"
    assert child.data.params["seed"] == "1"
    assert (child.info.start_time, child.info.end_time) == (1_000_000, 1_009_500)
    assert (parent.info.start_time, parent.info.end_time) == (1_000_000, 1_009_500)
    assert 0.8 < child.data.metrics["test.up.auc"] < 1
