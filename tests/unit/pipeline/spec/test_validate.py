"""Sources that workers without this machine's disk cannot read are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data import reads
from components.errors import RootstockError
from components.stage import BeamOptions
from pipeline.spec.load import load_spec
from pipeline.spec.validate import check, check_reach

SPEC = """\
name: reach
data:
  sources: [{source}]
inputs:
  x: {{kind: numeric}}
tasks:
  y: {{kind: binary, label: y, positive: "1"}}
push: {{destination: served}}
store: "{store}"
"""
PRISM = BeamOptions("PrismRunner")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{format: csv, path: rows.csv}", r"rows\.csv: is on this machine.*Copy them.*their URL"),
        (
            '{format: sql, path: "sqlite:///rows.db", query: "SELECT 1"}',
            r"rows\.db: is a file on this machine.*in the bucket of the store",
        ),
        ("{format: tfds, path: mnist}", r"mnist: data sets of TFDS are on this machine"),
    ],
)
def test_only_where_workers_may_be_elsewhere(
    source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MOST_SENT", 10)
    (tmp_path / "rows.csv").write_text("x,y\n1,1\n2,0\n3,1\n")
    file = tmp_path / "spec.yaml"
    for store, beam in (("store", PRISM), ("memory://store", BeamOptions())):
        file.write_text(SPEC.format(source=source, store=store))
        check_reach(load_spec(file, [], {})[0], beam)
    file.write_text(SPEC.format(source=source, store="memory://store"))
    spec, _ = load_spec(file, [], {})
    with pytest.raises(RootstockError, match=problem):
        check_reach(spec, PRISM)


def test_few_files_are_sent_and_validate_knows_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.csv").write_text("x,y\n1,1\n2,0\n3,1\n")
    file = tmp_path / "spec.yaml"
    source = "{format: csv, path: rows.csv}"
    file.write_text(SPEC.format(source=source, store="memory://store"))
    spec, _ = load_spec(file, [], {})
    assert check(spec, PRISM).problems == []
    monkeypatch.setattr(reads, "MOST_SENT", 10)
    (problem,) = check(spec, PRISM).problems
    assert "is on this machine" in problem
