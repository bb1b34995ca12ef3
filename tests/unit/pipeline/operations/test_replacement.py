"""What a run says about the model that it replaces, or leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.artifacts import Evaluation, PushRecord
from pipeline.operations.replacement import moved_from, planned, replaced
from pipeline.spec.load import load_spec
from pipeline.store.entry import Entry, to_json
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from serving.versions.directory import Directory

SPEC = """\
name: little
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {size: numeric}
tasks: {ripe: {kind: binary, label: ripe}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_text("graph")
    Directory(tmp_path / ".rootstock" / "serving").push("little", tmp_path / "saved", "old")
    return tmp_path / "spec.yaml"


@pytest.mark.parametrize(
    ("overrides", "may"),
    [
        ([], True),
        (["training.epochs=1"], False),
        (["store=elsewhere"], False),
        (["tracking.backend=none"], True),
        (["training.epochs=1", "push.label=canary"], True),
    ],
)
def test_values_beside_the_file_replace_nothing_unless_they_are_about_push(
    spec: Path, overrides: list[str], may: bool
) -> None:
    assert load_spec(spec, overrides)[1].may_replace is may


def test_validate_says_what_a_run_would_do(spec: Path) -> None:
    (said,) = planned(*load_spec(spec))
    assert "it replaces version 1, which is served now" in said
    (said,) = planned(*load_spec(spec, ["training.epochs=1"]))
    assert "a run with --set does not replace it. `rootstock push` with the same" in said
    (said,) = planned(*load_spec(spec, ["store=elsewhere"]))
    assert said == moved_from(*load_spec(spec, ["store=elsewhere"]))
    assert f"Models go to {spec.parent / 'elsewhere/serving/little'}" in said
    assert f"push: {{destination: {spec.parent / '.rootstock/serving'}}}" in said
    assert not list(planned(*load_spec(spec, ["push.destination=new"]))), "it is stated"


def evaluation(tmp_path: Path, name: str, auc: float, loss: float, **more: Any) -> Evaluation:
    """The evaluation of a model, as a result in a store."""
    place = tmp_path / "store" / "Evaluator" / name
    (place / "evaluation").mkdir(parents=True)
    task = {"values": {"auc": auc, "log_loss": loss, "f1": None}, "changes": {}}
    content = {"split": "test", "rows": 40, "champion": None, "tasks": {"ripe": task}, **more}
    (place / "evaluation" / "evaluation.json").write_text(json.dumps(content))
    inputs = {"model": f"ExportedModel:{name}", "examples": "Examples:e"}
    entry = Entry(Identity("Evaluator", "{}", inputs, {}), {}, {}, {}, 1.0, 1.0, {}, place)
    (place / "artifact.json").write_text(to_json(entry))
    return Evaluation(place / "evaluation")


def test_a_replaced_model_is_compared_metric_by_metric(spec: Path, tmp_path: Path) -> None:
    evaluation(tmp_path, "old", auc=0.9, loss=0.5)
    new = evaluation(tmp_path, "new", auc=0.8, loss=0.25)
    record = PushRecord("little", "new", 2, "there", served=1, served_digest="old")
    lines = replaced(load_spec(spec)[0], record, new, Store(tmp_path / "store"))
    assert lines[:3] == [
        "REPLACED: version 1, which was served until now. On the same 40 test rows:",
        "  ripe is WORSE: auc 0.9000 to 0.8000",
        "  ripe is better: log_loss 0.5000 to 0.2500",
    ]
    assert "rootstock rollback" in lines[3]
    changes = {"ripe": {"values": {"auc": 0.8}, "changes": {"auc": {"champion": 0.7}}}}
    compared = evaluation(tmp_path, "third", 0.8, 0.2, champion="foreign", tasks=changes)
    foreign = PushRecord("little", "third", 3, "there", served=2, served_digest="foreign")
    lines = replaced(load_spec(spec)[0], foreign, compared, Store(tmp_path / "store"))
    assert lines[1] == "  ripe is better: auc 0.7000 to 0.8000", "as thresholds compared it"
    lines = replaced(load_spec(spec)[0], foreign, new, Store(tmp_path / "store"))
    assert "Its metrics on these rows are not known" in lines[0]
