from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from components.errors import RootstockError
from pipeline.orchestrators.compile import compile_spec
from pipeline.spec.load import SpecSource
from tests.compiled import ASKED, BUCKET, source
from tests.planted import write_spec


def test_kubeflow_gets_tasks_in_a_row_without_its_cache(tmp_path: Path) -> None:
    pytest.importorskip("kfp", reason="needs the extra kfp")
    from google.protobuf import json_format
    from kfp import components
    from kfp.pipeline_spec import pipeline_spec_pb2

    asked = (
        ASKED,
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
