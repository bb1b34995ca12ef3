"""Metrics and answers as DataFrames, from the files of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rootstock as rs
from components import artifacts
from pipeline.flow import PipelineResult


def test_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ripe = {
        "rows": 5,
        "values": {"auc": 0.9, "f1": 0.5},
        "intervals": {"auc": {"low": 0.8, "high": 1}},
    }
    content = {
        "split": "test",
        "rows": 5,
        "tasks": {"ripe": ripe},
        "slices": {"colour=red": {"tasks": {"ripe": {**ripe, "rows": 2}}}},
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    record = {
        "model": "fruit",
        "digest": "a",
        "reasons": ["<auc> is 0.9"],
        "warnings": ["few rows"],
    }
    (tmp_path / "pushed.json").write_text(json.dumps(record))
    (tmp_path / "history.json").write_text(json.dumps({"epochs": [{"loss": 2.0}, {"loss": 1.0}]}))
    spec = rs.Spec(
        name="fruit",
        data=[{"format": "csv", "path": "a.csv"}],
        inputs={"size": "numeric"},
        tasks={"ripe": {"kind": "binary", "label": "ripe"}},
    )
    examples = artifacts.Examples(tmp_path / "examples", "a")
    (tmp_path / "examples").mkdir()
    result = rs.Result(
        spec,
        PipelineResult(
            examples,
            artifacts.TrainedModel(tmp_path, "b"),
            artifacts.ExportedModel(tmp_path, "c"),
            artifacts.Evaluation(tmp_path, "d"),
            (),
            artifacts.Pushed(tmp_path, "e"),
        ),
    )
    rows = result.metrics.set_index(["slice", "metric"])
    assert rows.loc[("all", "auc"), ["value", "low", "high", "rows"]].tolist() == [0.9, 0.8, 1, 5]
    assert np.isnan(rows.loc[("all", "f1"), "low"])
    assert rows.loc[("colour=red", "auc"), "rows"] == 2
    assert list(result.history["loss"]) == [2.0, 1.0]
    page = result._repr_html_()
    assert "&lt;auc&gt; is 0.9" in page
    assert "few rows" in page
    assert "colour=red" not in page
    with pytest.raises(rs.RootstockError, match=r"a\.png: expected a name that ends with \.keras"):
        result.save("a.png")
    with pytest.raises(rs.RootstockError, match="val: no rows"):
        result.examples("val")
    with pytest.raises(rs.RootstockError, match="expected a directory with a pushed model"):
        rs.serve(result).__enter__()
