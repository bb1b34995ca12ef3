"""Tasks of compiled pipelines, in their order: as an orchestrator starts them."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest

from components.stage import BeamOptions
from pipeline.orchestrators.compile import compilation, compile_spec
from pipeline.phases import ORDER
from pipeline.spec.load import SpecSource
from tests.command_line import call
from tests.planted import write_rows, write_spec
from tests.remote import Bucket, bucket

__all__ = ["bucket"]

SMALL = ("training.epochs=1", "data.sources.0.path=${DATA}/rows.csv", "model.experts=[linear]")


@pytest.fixture
def source(tmp_path: Path) -> SpecSource:
    write_rows(tmp_path, rows=300)
    path = write_spec(tmp_path, ("up", "side"))
    return SpecSource(path, SMALL, {"DATA": str(tmp_path)})


def test_each_task_runs_its_stages_and_finds_the_others(
    bucket: type[Bucket], source: SpecSource, tmp_path: Path
) -> None:
    source = replace(source, overrides=(*source.overrides, "store=bucket://b/store"))
    what = compilation(source, (str(tmp_path),), BeamOptions())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "spec.yaml").write_text(what.spec)
    done: list[str] = []
    for task in what.tasks[:-1]:
        arguments = ["--json", "--data", str(tmp_path), *task.arguments]
        code, out, err = call(elsewhere, "run", "spec.yaml", *arguments)
        assert code == 0, err
        found = json.loads(out.splitlines()[-1])
        assert [f["stage"] for f in found if f["cached"]] == done
        assert {f["stage"] for f in found if not f["cached"]} == set(task.stages)
        assert "recorded" not in err
        done = [f["stage"] for f in found]
    arguments = ["--json", "--data", str(tmp_path), *what.tasks[-1].arguments]
    code, out, err = call(elsewhere, "run", "spec.yaml", *arguments)
    assert code == 0, err
    outcome = json.loads(out.splitlines()[-1])
    assert outcome["pushed"]
    assert outcome["page"] == "bucket://b/store/pages/planted/run.html"
    assert b"planted" in bucket().cat_file(outcome["page"])
    in_turn = done[: done.index("Exporter") + 1]  # InfraValidator runs beside the Evaluator
    assert in_turn == sorted(in_turn, key=ORDER.index)
    code, out, err = call(source.path.parent, "run", "spec.yaml", *sets_of(source))
    assert code == 0, err
    assert out.count("cached") == len(done), out  # all but the Pusher, because of `--set`
    code, _, err = call(elsewhere, "run", "spec.yaml", "--until", "Trainr")
    assert (code, "--until Trainr: expected a stage" in err) == (2, True)


def sets_of(source: SpecSource) -> list[str]:
    pairs = [part for override in source.overrides for part in ("--set", override)]
    return [*pairs, "--data", source.variables["DATA"]]


def test_the_commands_of_a_dag_in_a_shell(source: SpecSource, tmp_path: Path) -> None:
    """What Airflow does with the file: Jinja for the environment, then bash."""
    dag = tmp_path / "dag.py"
    spans = ("data.sources.0.path=${DATA}/rows-{SPAN}.csv",)
    (tmp_path / "rows-3.csv").write_bytes((tmp_path / "rows.csv").read_bytes())
    (tmp_path / "rows-4.csv").write_text("no rows")
    with_spans = SpecSource(source.path, (*source.overrides, *spans), source.variables)
    compile_spec(with_spans, "airflow", dag, ("/",))
    values: dict[str, Any] = {}
    for node in ast.parse(dag.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = ast.literal_eval(node.value)
    program = tmp_path / "rootstock.sh"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pipeline.cli.main "$@"\n')
    program.chmod(0o755)
    root = str(Path(__file__).parents[2])
    given = {"spec": values["SPEC"], "overrides": ["data.key=[x0, 'x1']", "name=other"]}

    def run(task: int, **params: object) -> subprocess.CompletedProcess[str]:
        own = {
            name: jinja2.Template(text).render(params={**given, "data": None, **params})
            for name, text in values["ENVIRONMENT"].items()
        }
        _, arguments = values["TASKS"][task]
        script = jinja2.Template(values["SCRIPT"].replace("ARGUMENTS", arguments)).render()
        return subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, "PYTHONPATH": root, "ROOTSTOCK": str(program), **own},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(0, data=str(tmp_path), spans="[1, 3]")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(f["stage"], f["cached"]) for f in found] == [
        ("ExampleGen", False),
        ("SpanMerger", False),
    ]
    failed = run(0, data=str(tmp_path / "none"), spans=None)
    assert failed.returncode == 2
    assert "no spans exist" in failed.stderr
