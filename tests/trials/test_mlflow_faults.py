"""`sync` killed at any time of its first seconds, and a full disk: MLflow gets the run later."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.masked_url import MaskedUrl
from pipeline.tracking.client import connect
from pipeline.tracking.database import is_incomplete
from pipeline.tracking.events import RunFinished, RunStarted, StageMetrics, StageStarted
from pipeline.tracking.journal import JournalTracker, new_run
from pipeline.tracking.sync import DONE, INCOMPLETE, TRACKING_URI, send_journal
from tests.small_disk import enlarge, small_disk

# MLflow 3.17 asks SQLAlchemy 2.1 for what that deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run that MLflow does not have."""
    tracker = JournalTracker(new_run(tmp_path / "store"), pytest.fail)
    tracker.record(
        RunStarted(
            run_id=tracker.run.name,
            name="n",
            experiment="fruit",
            spec_text="x: 1",
            params={},
            tags={},
        )
    )
    tracker.record(StageStarted(stage="Trainer", fingerprint="f"))
    for step in range(3):
        tracker.record(StageMetrics(stage="Trainer", step=step, values={"loss": 1.0 - step / 4}))
    tracker.record(RunFinished(status="finished"))
    return tracker.run


def start_sync(run: Path, uri: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline.tracking.sync", str(run)]
    return subprocess.Popen(command, env={**os.environ, TRACKING_URI: uri})


def assert_sent_once(run: Path, uri: str) -> None:
    client = connect(uri)
    found = client.get_experiment_by_name("fruit")
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    assert len(runs) == 2
    trainer = next(r for r in runs if "loss" in r.data.metrics)
    assert [m.value for m in client.get_metric_history(trainer.info.run_id, "loss")] == [
        1.0,
        0.75,
        0.5,
    ]


@pytest.mark.nightly
def test_a_sync_that_is_killed_while_it_makes_the_database(run: Path, tmp_path: Path) -> None:
    """Killed when the new database has a size that it has half-way through."""
    for size in (1, 50_000, 200_000, 400_000):
        store = tmp_path / str(size)
        store.mkdir()
        own = shutil.copytree(run, store / "runs" / run.name)
        uri = f"sqlite:///{store / 'mlflow.db'}"
        with start_sync(own, uri) as process:
            while process.poll() is None and _largest(store) < size:
                time.sleep(0.002)
            process.kill()
        assert send_journal(own, MaskedUrl(uri)) == DONE, (own / "sync.log").read_text()
        assert_sent_once(own, uri)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_sync_that_is_killed_every_100_ms(run: Path, tmp_path: Path) -> None:
    killed = 0
    for tenths in range(51):
        store = tmp_path / str(tenths)
        store.mkdir()
        own = shutil.copytree(run, store / "runs" / run.name)
        uri = f"sqlite:///{store / 'mlflow.db'}"
        with start_sync(own, uri) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(tenths / 10)
            killed += process.poll() is None
            process.kill()
        assert send_journal(own, MaskedUrl(uri)) == DONE, (own / "sync.log").read_text()
        assert_sent_once(own, uri)
        assert not is_incomplete(store / "mlflow.db")
    print(f"{killed} of 51 were killed before their end")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "64k", "256k", "512k"])
def test_a_disk_that_is_full_when_the_database_is_made(
    run: Path, tmp_path: Path, size: str
) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        uri = f"sqlite:///{disk / 'mlflow.db'}"
        assert send_journal(run, MaskedUrl(uri), patience_s=0.0) == INCOMPLETE
        assert "cannot be made" in (run / "sync.log").read_text()
        assert not (disk / "mlflow.db").exists()
        enlarge(disk)
        assert send_journal(run, MaskedUrl(uri)) == DONE, (run / "sync.log").read_text()
        assert_sent_once(run, uri)


def _largest(store: Path) -> int:
    sizes = [0]
    for file in store.glob("*mlflow.db*"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    for file in store.glob(".mlflow.db*"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return max(sizes)
