"""Functions that stand for commands pass on what they get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rootstock as rs


def test_a_report_shows_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"recommendation": None}))
    (tmp_path / "report.html").write_text('<p class="a">"x" < y</p>')
    (tmp_path / "spec.yaml").write_text(
        "{name: a, data: {sources: [{format: csv, path: a.csv}]}, inputs: {x: numeric},"
        " tasks: {y: {kind: binary, label: y}}}"
    )
    got: dict[str, Any] = {}

    def study(path: Path, overrides: Any, variables: Any, **options: Any) -> Path:
        got.update(options, path=path, overrides=overrides)
        return tmp_path

    monkeypatch.setattr("pipeline.study.run.study", study)
    report = rs.study(
        rs.Spec.load(tmp_path / "spec.yaml", values={"seed": 3}), minutes=2, verbosity="quiet"
    )
    assert got == {
        "path": tmp_path / "spec.yaml",
        "overrides": ("seed=3",),
        "minutes": 2,
        "workers": 1,
        "verbosity": "quiet",
    }
    assert report.data == {"recommendation": None}
    assert "&lt;p class=&quot;a&quot;&gt;" in report._repr_html_()
    with pytest.raises(rs.RootstockError, match="no such file"):
        rs.run("nowhere.yaml")
