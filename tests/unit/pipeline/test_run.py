from __future__ import annotations

import gc
from pathlib import Path

from pipeline import run
from pipeline.spec.load import load_spec
from tests.planted import write_spec


def test_python_does_not_warn_of_a_sender_that_outlives_its_run(tmp_path: Path) -> None:
    """Warnings are errors here, also those of the garbage collection."""
    spec, _ = load_spec(write_spec(tmp_path, ("up",)))
    before = run._start_sync(tmp_path / "first", spec)
    before.wait()
    run._start_sync(tmp_path / "second", spec)
    gc.collect()
    assert before not in run._senders
    (sender,) = run._senders
    sender.wait()
