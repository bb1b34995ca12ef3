"""Duplicates, drift and skew: from a spec to the message for the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store.store import Store

SPEC = """
name: shop
data:
  sources: [{format: csv, path: now.csv}]
  previous: [{format: csv, path: before.csv}]
  serving: [{format: jsonl, path: asked.jsonl}]
  duplicates: {columns: [words]}
  key: [id]
inputs:
  kind: {kind: categorical}
  words: {kind: text}
tasks:
  sold: {kind: binary, label: sold, positive: "1"}
"""
CURATED = """
feature { name: "id" type: INT }
feature { name: "kind" type: BYTES drift_comparator { infinity_norm { threshold: 0.2 } } }
feature { name: "words" type: BYTES }
feature { name: "sold" type: INT }
"""


def table(rows: range, kind: str) -> str:
    lines = [f"{i},{kind if i % 3 else 'c'},words of {i % 150},{i % 2}\n" for i in rows]
    return "id,kind,words,sold\n" + "".join(lines)


def test_shifts_warn_and_curated_thresholds_stop(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "now.csv").write_text(table(range(200), "a"))
    (tmp_path / "before.csv").write_text(table(range(100), "b"))
    asked = [json.dumps({"kind": "a" if i % 3 else "c", "words": "few"}) for i in range(50)]
    (tmp_path / "asked.jsonl").write_text("\n".join(asked))
    file = tmp_path / "shop.yaml"
    file.write_text(SPEC)

    spec, _ = load_spec(file)
    with Runner(Store(Path(spec.store)).open()) as runner:
        prepared = prepare(spec, runner)
    output = capfd.readouterr().err
    assert sum(prepared.examples.num_rows(s) for s in prepared.examples.splits()) == 150
    assert "column 'kind' drifts from the previous span: " in output
    assert "column 'words' skews from serving: mean words 3, against 1" in output
    assert "column 'kind' skews" not in output

    (tmp_path / "schema.pbtxt").write_text(CURATED)
    spec, _ = load_spec(file, ["data.schema_file=schema.pbtxt"])
    with (
        Runner(Store(Path(spec.store)).open()) as runner,
        pytest.raises(RootstockError, match=r"column 'kind' drifts .* Expected at most 0\.2\."),
    ):
        prepare(spec, runner)
