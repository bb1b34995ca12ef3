from __future__ import annotations

import sys
from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.orchestrators.compile import compile_spec
from tests.compiled import BUCKET, source


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
