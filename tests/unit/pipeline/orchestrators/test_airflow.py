from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.stage import BeamOptions
from pipeline.orchestrators.compile import compilation, compile_spec
from pipeline.spec.load import SpecSource
from tests.compiled import ASKED, BUCKET, IMAGE, source
from tests.planted import write_spec

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*/*.yaml"))


def test_dags_of_examples_are_python_that_ruff_likes(tmp_path: Path) -> None:
    for number, path in enumerate(EXAMPLES[::3]):
        what = SpecSource(path, (IMAGE,) if number % 2 else (), {"DATA": "/data"})
        first, second = (tmp_path / f"{i}-{number}.py" for i in range(2))
        assert "Pusher" in compile_spec(what, "airflow", first, ("/",))
        if number == 0:
            compile_spec(what, "airflow", second, ("/",))
            assert first.read_bytes() == second.read_bytes()
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", tmp_path]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_dag_asks_kubernetes_for_what_the_spec_asks_for(tmp_path: Path) -> None:
    asked = (ASKED, "orchestration.schedule=0 6 * * *", "orchestration.retries=2")
    said = compile_spec(source(tmp_path, *BUCKET, *asked), "airflow", tmp_path / "dag.py")
    assert "4 CPUs, 16Gi, 1 nvidia.com/gpu" in said
    values = constants((tmp_path / "dag.py").read_text())
    (train,) = [rest for name, *rest in values["TASKS"] if name == "train"]
    limits = {"memory": "16Gi", "nvidia.com/gpu": "1"}
    assert train == ["--until Trainer", {"requests": {**limits, "cpu": "4"}, "limits": limits}]
    text = (tmp_path / "dag.py").read_text()
    assert 'schedule="0 6 * * *"' in text
    assert 'default_args={"retries": 2}' in text
    bare = SpecSource(write_spec(tmp_path, ("up",)), (*BUCKET, ASKED))
    assert "nothing limits a worker's process" in compile_spec(bare, "airflow", tmp_path / "d.py")


def test_options_of_the_beam_runner_are_those_of_every_task(tmp_path: Path) -> None:
    beam = BeamOptions("DaskRunner", ("a={{ 1 }}",))
    what = compilation(source(tmp_path, *BUCKET), (), beam)
    assert what.tasks[-1].arguments == ("--runner", "DaskRunner", "--beam", "a={{ 1 }}")
    compile_spec(source(tmp_path, *BUCKET), "airflow", tmp_path / "dag.py", (), beam)
    tasks = constants((tmp_path / "dag.py").read_text())["TASKS"]
    assert tasks[-1][1] == "--runner DaskRunner --beam 'a={{ '{' }}{{ '{' }} 1 }}'"


def constants(dag: str) -> dict[str, Any]:
    """The values of the constants of a DAG file."""
    names = [node for node in ast.parse(dag).body if isinstance(node, ast.Assign)]
    found: dict[str, Any] = {}
    for node in names:
        assert isinstance(node.targets[0], ast.Name)
        found[node.targets[0].id] = ast.literal_eval(node.value)
    return found
