from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import RootstockError
from components.stage import BeamOptions
from pipeline.orchestrators.base import Compilation
from pipeline.orchestrators.compile import compilation, compile_spec
from pipeline.spec.load import SpecSource
from tests.planted import write_spec

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*/*.yaml"))
IMAGE = "orchestration.image=here/rootstock:1"
BUCKET = ("store=s3://bucket/store", "data.sources.0.path=s3://bucket/rows.csv")


def source(directory: Path, *overrides: str, **variables: str) -> SpecSource:
    path = write_spec(directory, ("up",))
    return SpecSource(path, (*overrides, IMAGE), variables)


def compiled(what: SpecSource, *shared: str) -> Compilation:
    return compilation(what, shared, BeamOptions())


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


def test_paths_that_other_machines_do_not_see_are_named(tmp_path: Path) -> None:
    with pytest.raises(RootstockError) as e:
        compiled(source(tmp_path, "data.schema_file=schema.pbtxt", BUCKET[0]))
    assert f"data.sources.0.path: {tmp_path}/rows.csv" in str(e.value)
    assert f"data.schema_file: {tmp_path}/schema.pbtxt" in str(e.value)
    assert "store" not in str(e.value).partition("Use URLs")[0].replace("Rootstock", "")
    assert "--shared" in str(e.value)
    local = ("tracking={backend: mlflow, uri: 'sqlite:////mine/runs.db'}", *BUCKET)
    with pytest.raises(RootstockError, match=r"tracking.uri: sqlite:////mine/runs.db"):
        compiled(source(tmp_path, *local))
    assert compiled(source(tmp_path, *local), "/mine")
    assert compiled(source(tmp_path, *BUCKET))


def test_shared_paths_are_written_as_absolute_ones(tmp_path: Path) -> None:
    spec = yaml.safe_load(compiled(source(tmp_path), str(tmp_path)).spec)
    assert spec["data"]["sources"][0]["path"] == f"{tmp_path}/rows.csv"
    assert spec["store"] == f"{tmp_path}/store"
    (tmp_path / "own.py").touch()
    own = "{kind: layer, module: own.py, layer: Own}"
    members = source(tmp_path, f"ensemble=[{{set: {{inputs.x0: {own}}}}}, {{}}]")
    (first, _) = yaml.safe_load(compiled(members, "/").spec)["ensemble"]
    assert first["set"]["inputs.x0"]["module"] == f"{tmp_path}/own.py"
    with pytest.raises(RootstockError, match=r"set 1: inputs.x0.module: /"):
        compiled(source(tmp_path, *members.overrides[:1], *BUCKET))


def test_variables_stay_and_data_is_a_parameter(tmp_path: Path) -> None:
    path = "data.sources.0.path=${DATA}/day-{SPAN}.csv"
    what = compiled(source(tmp_path, path, BUCKET[0], DATA="s3://bucket"))
    assert (what.data, what.spans) == ("s3://bucket", ("data.sources.0.spans",))
    assert yaml.safe_load(what.spec)["data"]["sources"][0]["path"] == "${DATA}/day-{SPAN}.csv"
    inside = compiled(source(tmp_path, path, BUCKET[0], DATA="/data"), "/data")
    assert inside.spec == what.spec
    with pytest.raises(RootstockError, match=r"data.sources.0.path: /data/day"):
        compiled(source(tmp_path, path, BUCKET[0], DATA="/data"), "/dat")


def test_passwords_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "data.sources.0={{format: sql, path: 'postgresql://me:{}@host/shop', query: SELECT 1}}"
    with pytest.raises(RootstockError, match=r"data.sources.0.path: has a password") as e:
        compiled(source(tmp_path, BUCKET[0], sql.format("opensesame")))
    assert "opensesame" not in str(e.value)
    monkeypatch.setenv("SHOP_PASSWORD", "opensesame")
    secret = "orchestration.secrets={SHOP_PASSWORD: shop/password}"
    what = source(tmp_path, BUCKET[0], sql.format("${SHOP_PASSWORD}"), secret)
    said = compile_spec(what, "airflow", tmp_path / "dag.py")
    text = (tmp_path / "dag.py").read_text()
    assert "opensesame" not in text + said
    assert 'Secret("env", "SHOP_PASSWORD", "shop", "password")' in text
    assert "SHOP_PASSWORD" not in said  # the secret gives it
    unnamed = source(tmp_path, BUCKET[0], sql.format("${SHOP_PASSWORD}"))
    assert "environment variable SHOP_PASSWORD" in compile_spec(unnamed, "airflow", tmp_path / "b")


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = source(tmp_path, *BUCKET)
    with pytest.raises(RootstockError, match=r"--to airflw: expected one of .*Did you mean.*airfl"):
        compile_spec(what, "airflw")
    monkeypatch.setitem(sys.modules, "kfp", None)  # as if it were not installed
    with pytest.raises(RootstockError, match=r"pip install -c constraints.lock '.\[kfp\]'"):
        compile_spec(what, "kfp", tmp_path / "kfp.yaml")
    wrong = source(tmp_path, *BUCKET, "orchestration.resources={pretrain: {gpus: 1}}")
    with pytest.raises(RootstockError, match=r"resources.pretrain: this spec has no such task"):
        compile_spec(wrong, "airflow", tmp_path / "dag.py")
    with pytest.raises(RootstockError, match=r"orchestration.schedule"):
        compile_spec(source(tmp_path, *BUCKET, "orchestration.schedule=daily"), "airflow")
    with pytest.raises(RootstockError, match=r"dag.py: cannot be written"):
        compile_spec(what, "airflow", tmp_path / "none" / "dag.py")
    mlflow = source(tmp_path, *BUCKET, "tracking={}")
    assert "records would stay in the container" in compile_spec(mlflow, "airflow", tmp_path / "d")


def test_a_dag_asks_kubernetes_for_what_the_spec_asks_for(tmp_path: Path) -> None:
    asked = (
        "orchestration.resources={train: {cpu: 4, memory: 16Gi, gpus: 1}}",
        "orchestration.schedule=0 6 * * *",
        "orchestration.retries=2",
    )
    said = compile_spec(source(tmp_path, *BUCKET, *asked), "airflow", tmp_path / "dag.py")
    assert "4 CPUs, 16Gi, 1 nvidia.com/gpu" in said
    values = constants((tmp_path / "dag.py").read_text())
    (train,) = [rest for name, *rest in values["TASKS"] if name == "train"]
    limits = {"memory": "16Gi", "nvidia.com/gpu": "1"}
    assert train == ["--until Trainer", {"requests": {**limits, "cpu": "4"}, "limits": limits}]
    text = (tmp_path / "dag.py").read_text()
    assert 'schedule="0 6 * * *"' in text
    assert 'default_args={"retries": 2}' in text
    bare = SpecSource(write_spec(tmp_path, ("up",)), (*BUCKET, asked[0]))
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


def test_kubeflow_gets_tasks_in_a_row_without_its_cache(tmp_path: Path) -> None:
    pytest.importorskip("kfp", reason="needs the extra kfp")
    from google.protobuf import json_format
    from kfp import components
    from kfp.pipeline_spec import pipeline_spec_pb2

    asked = (
        "orchestration.resources={train: {cpu: 4, memory: 16Gi, gpus: 1}}",
        "orchestration.secrets={PASSWORD: shop/password}",
        "orchestration.schedule=0 6 * * *",
    )
    spans = "data.sources.0.path=s3://bucket/day-{SPAN}.csv"
    file = tmp_path / "pipeline.yaml"
    said = compile_spec(source(tmp_path, *BUCKET, spans, *asked), "kfp", file)
    assert 'create --cron-expression "0 0 6 * * *"' in said
    content = file.read_bytes()
    compile_spec(source(tmp_path, *BUCKET, spans, *asked), "kfp", file)
    assert file.read_bytes() == content
    pipeline = components.load_component_from_file(str(file))
    assert set(pipeline.component_spec.inputs) == {"spec", "overrides", "spans"}
    whole, platform = yaml.safe_load_all(file.read_text())
    parsed = json_format.ParseDict(whole, pipeline_spec_pb2.PipelineSpec())
    tasks = parsed.root.dag.tasks
    order = ["ingest", "check", "transform", "train", "export", "evaluate", "push"]
    assert sorted(tasks) == sorted(order)
    for before, name in pairwise(order):
        assert list(tasks[name].dependent_tasks) == [before]
        assert not tasks[name].caching_options.enable_cache
    executors = whole["deploymentSpec"]["executors"]
    resources = executors["exec-train"]["container"]["resources"]
    assert resources["resourceMemoryRequest"] == resources["resourceMemoryLimit"] == "16Gi"
    assert resources["accelerator"]["resourceCount"] == "1"
    assert executors["exec-train"]["container"]["image"] == "here/rootstock:1"
    secrets = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert secrets["secretAsEnv"][0]["secretName"] == "shop"
    with pytest.raises(RootstockError, match=r"orchestration.image: expected the container image"):
        compile_spec(SpecSource(write_spec(tmp_path, ("up",)), BUCKET), "kfp", file)
