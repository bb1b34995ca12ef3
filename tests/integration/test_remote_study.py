"""Trials of a study in workers that share no disk with the machine that starts it."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.artifacts import SourceFiles
from components.errors import RootstockError
from components.experiments.baseline import Baseline, BaselineInputs
from components.experiments.trial_result import load_figures
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.splits import HashSplits
from models.inputs.numeric import NumericInput
from models.masked_url import MaskedUrl
from models.tasks.binary import BinaryTask
from pipeline.runner import Runner
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.study.elsewhere import moved
from pipeline.study.evidence import result_of
from pipeline.study.jobs import Cell, Job
from pipeline.study.workers import run_elsewhere, run_jobs
from tests.integration.test_remote_store import ELSEWHERE
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
STORE = "bucket://b/store"
ROWS = "id,x,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(200))
TASK = BinaryTask(name="y", label="y", positive=("yes",))


def jobs(store: Store) -> list[Job]:
    """Trials of two constant answers. Their examples are in the store."""
    reader = CsvReader(path=MaskedUrl("bucket://b/rows.csv"))
    splits = HashSplits(train=0.6, val=0.2, test=0.2)
    with Runner(store) as runner:
        files = SourceFiles.of(reader, store.root / "sources")
        stage = ExampleGen(sources=(reader,), splits=splits)
        examples = runner(stage, ExampleGenInputs((files,))).examples
    made = []
    for metric in ("accuracy", "log_loss"):
        stage_of_trial = Baseline(
            model="majority",
            inputs=(NumericInput(name="x", column="x"),),
            tasks=(TASK,),
            drawn_by=TASK,
            metrics={"y": metric},
        )
        inputs = BaselineInputs(examples)
        made.append(Job(Cell(metric, 1.0, 0), stage_of_trial, inputs, ("y",)))
    return made


def test_results_come_back_through_the_store(bucket: type[Bucket]) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    store = Store(local(STORE)).open()
    two = jobs(store)
    done = list(run_jobs(two, store, 1, ELSEWHERE))
    assert [(d.job.name, d.cached) for d in done] == [(j.name, False) for j in two]
    assert any("/Trial/.study-" in path for _, path in bucket.requests)
    assert not any("/Trial/.study-" in path for path in bucket.store)
    assert [d.cached for d in run_jobs(two, store, 1, ELSEWHERE)] == [True, True]


def test_a_study_that_fails_leaves_nothing_for_workers(bucket: type[Bucket]) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    store = Store(local(STORE)).open()
    good, job = jobs(store)
    assert isinstance(job.stage, Baseline)
    bad = replace(job, stage=replace(job.stage, tasks=(replace(TASK, label="absent"),)))
    with pytest.raises(Exception, match="absent"):
        list(run_jobs([good, bad], store, 1, ELSEWHERE))
    assert not any("/Trial/.study-" in path for path in bucket.store)


def test_a_worker_needs_nothing_of_the_disk_of_the_driver(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    job, _ = jobs(Store(local(STORE)).open())
    (packed,) = map(pickle.dumps, moved([job], Store(local(STORE))))
    (tmp_path / "cache").rename(tmp_path / "driver")
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "worker"))
    run_elsewhere(0, pickle.loads(packed))
    shutil.rmtree(tmp_path / "worker")
    (tmp_path / "driver").rename(tmp_path / "cache")
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "cache"))
    entry = Store(local(STORE)).open().find(job.identity)
    assert entry is not None
    figures = load_figures(result_of(entry))
    assert 0.5 < (figures.tasks["y"].test["accuracy"] or 0) < 0.9


def test_a_worker_with_other_code_says_so(bucket: type[Bucket]) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    store = Store(local(STORE)).open()
    first, second = jobs(store)
    (here,) = moved([first], store)
    with pytest.raises(RootstockError, match=r"would train another model .* the same version"):
        type(here)(second, here.identity, here.root, here.url).arrived()
