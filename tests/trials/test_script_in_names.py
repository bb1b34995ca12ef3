"""A script as the name of a column, as a class and as the value of a slice, from data to MLflow."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import yaml

from tests.command_line import call

pytestmark = pytest.mark.nightly

SCRIPT = "<script>alert(1)</script>"
PLAIN = ("spec.yaml", "MLmodel")
"""Files that browsers get as plain text: the user's spec, and MLflow's own description."""


def test_nothing_that_a_browser_opens_contains_a_script(tmp_path: Path) -> None:
    rows = [f"{i % 17},{SCRIPT}{'ab'[i % 2]},{SCRIPT if i % 17 > 8 else 'no'}" for i in range(400)]
    (tmp_path / "rows.csv").write_text(f"size,{SCRIPT},label {SCRIPT}\n" + "\n".join(rows) + "\n")
    label, sliced = {"kind": "multiclass", "label": f"label {SCRIPT}"}, {"columns": [SCRIPT]}
    spec = {
        "name": "hostile",
        "data": {"sources": [{"format": "csv", "path": "rows.csv"}]},
        "inputs": {"size": {"kind": "numeric"}, "words": {"kind": "text", "column": SCRIPT}},
        "tasks": {"label": label},
        "training": {"epochs": 1},
        "evaluation": {"slices": [sliced], "min_slice_rows": 5},
        "push": {"destination": "served"},
        "store": "store",
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    code, out, err = call(tmp_path, "run", "spec.yaml")
    assert code == 0, out + err
    logged = [f for f in (tmp_path / "store/mlartifacts").rglob("*") if f.is_file()]
    pages = list((tmp_path / "store").rglob("*.html"))
    assert len(logged) > 20
    assert len([f for f in pages if "mlartifacts" not in f.parts]) >= 4
    for file in (*logged, *pages):
        binary = file.suffix in (".png", ".pb") or "saved_model" in file.parts
        if file.name not in PLAIN and not binary:
            assert b"<script" not in file.read_bytes().lower(), file
    for page in pages:
        assert "Content-Security-Policy" in page.read_text()
    with sqlite3.connect(tmp_path / "store/mlflow.db") as database:
        for table, column in (("metrics", "key"), ("params", "key"), ("tags", "key")):
            keys = [key for (key,) in database.execute(f"select {column} from {table}")]
            assert keys
            assert not any("<" in key for key in keys)
        assert not any("<" in s for (s,) in database.execute("select dataset_schema from datasets"))
    database.close()
