from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.errors import RootstockError
from components.stage import BeamOptions
from pipeline.orchestrators.compile import compilation, compile_spec
from tests.compiled import BUCKET, compiled, source


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
    (tmp_path / "scratch").mkdir()
    changes = "{model.trunk: scratch, data.sources.0.path: 'scratch/day-*.csv'}"
    own = source(tmp_path, f"ensemble=[{{set: {changes}}}, {{}}]")
    (first, _) = yaml.safe_load(compiled(own, "/").spec)["ensemble"]
    assert first["set"] == {
        "model.trunk": "scratch",
        "data.sources.0.path": f"{tmp_path}/scratch/day-*.csv",
    }
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
    address = "postgresql://me:opensesame@host/shop"
    with pytest.raises(RootstockError, match=r"--data .*: has a password") as e:
        compiled(source(tmp_path, *BUCKET, DATA=address))
    assert "opensesame" not in str(e.value)
    with pytest.raises(RootstockError, match=r"--beam: has a password"):
        compilation(source(tmp_path, *BUCKET), (), BeamOptions(options=(f"x={address}",)))
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
