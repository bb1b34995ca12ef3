"""A trial in the worker: whatever happens, it has a result."""

from __future__ import annotations

from pathlib import Path
from typing import Never

import pytest

from models.lazy import tf
from pipeline.auto.attempt import _attempted
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec

SPEC = """\
name: small
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {x: {kind: numeric}}
tasks: {y: {kind: binary, label: y}}
store: store
"""


@pytest.mark.parametrize("said", [True, False])
def test_a_trial_that_needs_too_much_memory_says_so(tmp_path: Path, said: bool) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)

    def trained(spec: Spec, run: Runner) -> Never:
        if said:
            tf.zeros([2**30, 2**12])  # 16 TiB
        raise MemoryError

    found = _attempted(trained, lambda: load_spec(tmp_path / "spec.yaml")[0])
    assert found.scores is None
    assert found.reason.startswith("memory ran out: ")
    assert len(found.reason.splitlines()) == 1
