"""Real MLflow on SQLite: what a run's record holds, and that replaying it duplicates nothing."""

import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.artifacts import Examples, ExportedModel
from components.data.slices import Slice
from components.evaluation.evaluator import Evaluator, EvaluatorInputs
from components.evaluation.thresholds import Threshold
from components.export.pusher import Pusher, PusherInputs
from components.stage import Context, Stage
from models.masked_url import MaskedUrl
from pipeline.runner import Runner
from pipeline.store.store import Store
from pipeline.tracking import registry
from pipeline.tracking import state as states
from pipeline.tracking.events import (
    RunFinished,
    RunStarted,
    StageFailed,
    StageMetrics,
    StageStarted,
    SystemSample,
)
from pipeline.tracking.journal import FILE, RUN_PAGE, JournalTracker, new_run, read
from pipeline.tracking.mlflow import MlflowTracker
from pipeline.tracking.sync import BUSY, DONE, INCOMPLETE, TRACKING_URI, send_journal
from tests.small_model import TASKS, answers, write_examples, write_model

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{reason}")
    for reason in (
        # MLflow 3.17 asks SQLAlchemy 2.1 for what that deprecates.
        "The ``noload`` loader strategy is deprecated:DeprecationWarning",
        # Importing mlflow.pyfunc warns about its own type hints.
        ".*Any type hint is inferred:UserWarning",
    )
]
EPOCHS, KEPT = 3, 1


@dataclass(frozen=True)
class Nothing:
    """No inputs."""


@dataclass(frozen=True)
class MadeExamples:
    examples: Examples


@dataclass(frozen=True)
class ExampleGen(Stage[Nothing, MadeExamples]):
    """Writes known examples, under the name of the stage that does so."""

    rows: int = 60

    def run(self, inputs: Nothing, context: Context) -> MadeExamples:
        write_examples(context.output / "examples", {"train": 20, "test": self.rows})
        context.observer.figure("rows", 20 + self.rows)
        return MadeExamples(Examples(context.output / "examples"))


@dataclass(frozen=True)
class MadeModel:
    model: ExportedModel


@dataclass(frozen=True)
class Trainer(Stage[MadeExamples, MadeModel]):
    """Writes a known model, under the name of the stage that trains."""

    slope: float = 1.0

    def run(self, inputs: MadeExamples, context: Context) -> MadeModel:
        write_model(context.output / "model", self.slope)
        epochs = [{"loss": 1.0 / (e + 1), "val_income_auc": 0.5 + e / 10} for e in range(EPOCHS)]
        for epoch, values in enumerate(epochs):
            context.observer.metrics(epoch, values)
        timed = [{**values, "seconds": 0.1} for values in epochs]
        told = json.dumps({"epochs": timed, "kept_epoch": KEPT})
        (context.output / "model" / "history.json").write_text(told)
        context.observer.figure("parameters", 1)
        context.observer.figure("val_income_auc", epochs[KEPT]["val_income_auc"])
        return MadeModel(ExportedModel(context.output / "model"))


def started(tracker: JournalTracker, spec_text: str = "") -> None:
    """Record the beginning of a run."""
    tracker.record(
        RunStarted(
            run_id=tracker.run.name,
            name="people",
            experiment="people",
            spec_text=spec_text,
            params={"seed": 7},
            tags={"mlflow.user": "me"},
        )
    )


def run_pipeline(store: Path, slope: float = 1.0, least_auc: float = 0.0) -> Path:
    """A run with four stages; gives its directory, its journal written to the end."""
    tracker = JournalTracker(new_run(store), pytest.fail)
    started(tracker, "name: people\n")
    with Runner(Store(store), tracker) as run:
        examples = run(ExampleGen(), Nothing()).examples
        tracker.record(SystemSample(values={"cpu_utilization_percentage": 12.5}))
        model = run(Trainer(slope), MadeExamples(examples)).model
        threshold = Threshold(task="income", metric="auc", min=least_auc)
        slices = (Slice(columns=("job",)),)
        evaluator = Evaluator(tasks=TASKS, thresholds=(threshold,), slices=slices, min_slice_rows=5)
        blessing = run(evaluator, EvaluatorInputs(model, examples)).blessing
        pusher = Pusher(model="people", destination=str(store / "serving"))
        run(pusher, PusherInputs(model, (blessing,)))
    (tracker.run / RUN_PAGE).write_text("<p>What came out</p>")
    tracker.record(RunFinished(status="finished"))
    return tracker.run


def start_sync(run: Path, uri: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline.tracking.sync", str(run)]
    return subprocess.Popen(command, env={**os.environ, TRACKING_URI: uri})


def client(uri: str):
    import mlflow

    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(uri, uri)


@dataclass(frozen=True)
class Recorded:
    """A store with a first run, and a second one that was wholly cached; both are in MLflow."""

    store: Path
    uri: str
    runs: tuple[Path, Path]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """MLflow's tables without a row: making them takes longer than recording a run."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    client(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def uri(tmp_path, empty_database) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Recorded:
    store = tmp_path_factory.mktemp("recorded") / "store"
    uri = f"sqlite:///{store / 'mlflow.db'}"
    runs = (run_pipeline(store), run_pipeline(store))
    for run in runs:
        assert send_journal(run, MaskedUrl(uri)) == DONE, (run / "sync.log").read_text()
    return Recorded(store, uri, runs)


def runs_by_stage(uri: str, run: Path):
    c = client(uri)
    experiment = c.get_experiment_by_name("people")
    found = c.search_runs(
        [experiment.experiment_id], f"tags.`rootstock.run_id` = '{run.name}'", max_results=100
    )
    by_stage = {r.data.tags["rootstock.stage"]: c.get_run(r.info.run_id) for r in found}
    assert len(by_stage) == len(found), "a stage was recorded twice"
    return by_stage


def test_a_parent_run_and_a_child_for_each_stage(recorded):
    runs = runs_by_stage(recorded.uri, recorded.runs[0])
    assert set(runs) == {"pipeline", "ExampleGen", "Trainer", "Evaluator", "Pusher"}
    parent = runs.pop("pipeline")
    assert parent.info.status == "FINISHED"
    assert parent.data.params["seed"] == "7"
    assert parent.data.tags["mlflow.user"] == "me"
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["rootstock.cached"] == "false"
    assert runs["Trainer"].data.params["slope"] == "1.0"
    assert runs["Evaluator"].data.params["tasks.income.positive"] == "yes"
    ours, theirs = runs["Evaluator"].data.metrics, parent.data.metrics
    assert 1 >= ours["income.auc.high"] > ours["income.auc"] > ours["income.auc.low"] > 0
    assert ours["income.auc"] > 0.5
    assert ours["slice/job_cook/income.auc"] != ours["income.auc"]
    assert all(theirs[f"Evaluator/{n}"] == v for n, v in ours.items() if n != "seconds")
    experiment = client(recorded.uri).get_experiment_by_name("people")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_cached_stages_are_recorded_as_such(recorded):
    runs = runs_by_stage(recorded.uri, recorded.runs[1])
    assert set(runs) == {"pipeline", "ExampleGen", "Trainer", "Evaluator", "Pusher"}
    cached = [r.data.tags.get("rootstock.cached") for s, r in runs.items() if s != "pipeline"]
    assert cached == ["true"] * 4


def test_metrics_have_their_steps_and_system_metrics_mlflows_names(recorded):
    runs = runs_by_stage(recorded.uri, recorded.runs[0])
    c = client(recorded.uri)
    history = c.get_metric_history(runs["Trainer"].info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    system = c.get_metric_history(runs["pipeline"].info.run_id, "system/cpu_utilization_percentage")
    assert [m.value for m in system] == [12.5]


def test_a_curve_has_one_point_per_epoch(recorded):
    c = client(recorded.uri)
    trained, cached = (runs_by_stage(recorded.uri, run) for run in recorded.runs)
    points = [
        [(m.step, m.value) for m in c.get_metric_history(runs["Trainer"].info.run_id, name)]
        for runs in (trained, cached)
        for name in ("val_income_auc", "parameters")
    ]
    curve = [(epoch, 0.5 + epoch / 10) for epoch in range(EPOCHS)]
    assert points == [curve, [(0, 1.0)], [curve[KEPT]], [(0, 1.0)]]
    for runs in (trained, cached):
        (seconds,) = c.get_metric_history(runs["Trainer"].info.run_id, "seconds")
        assert seconds.step == 0, "of the stage, not of an epoch"
        assert runs["pipeline"].data.metrics["Trainer/val_income_auc"] == curve[KEPT][1]


def test_data_sets_are_inputs_with_digests(recorded):
    runs = runs_by_stage(recorded.uri, recorded.runs[0])
    told = {
        stage: [
            (d.dataset.name, d.dataset.digest, d.tags[0].value) for d in run.inputs.dataset_inputs
        ]
        for stage, run in runs.items()
    }
    digest = runs["ExampleGen"].data.tags["rootstock.output.examples"].partition(":")[2][:36]
    assert told["pipeline"] == [("people.examples", digest, "processing")]
    assert told["Trainer"] == [("people.examples", digest, "training")]
    assert told["Evaluator"] == [("people.examples", digest, "evaluation")]
    assert told["Pusher"] == []
    (given,) = runs["pipeline"].inputs.dataset_inputs
    profile = json.loads(given.dataset.profile)
    assert (profile["num_rows"], profile["train"], profile["test"]) == (80, 20, 60)
    columns = [c["name"] for c in json.loads(given.dataset.schema)["mlflow_colspec"]]
    assert columns == ["hours", "job", "rich", "class", "age"]


def test_spec_reports_and_plots_are_artifacts(recorded):
    runs = runs_by_stage(recorded.uri, recorded.runs[0])
    c = client(recorded.uri)

    def files(stage: str, path: str | None = None) -> set[str]:
        return {f.path for f in c.list_artifacts(runs[stage].info.run_id, path)}

    assert files("pipeline") == {"spec.yaml", RUN_PAGE, "plots", "tables"}
    assert files("pipeline", "plots") == files("Trainer", "plots") | files("Evaluator", "plots")
    parent = runs["pipeline"]
    note = parent.data.tags["mlflow.note.content"]
    assert f"/runs/{parent.info.run_id}/artifacts/{RUN_PAGE})" in note
    assert f"| income | auc | {parent.data.metrics['Evaluator/income.auc']:.4f} |" in note
    shown = json.loads(parent.data.tags["mlflow.loggedArtifacts"])
    assert [t["path"] for t in shown] == ["tables/metrics.json", "tables/mistakes.json"]
    tables = [
        c.load_table(parent.info.experiment_id, t["path"], [parent.info.run_id]) for t in shown
    ]
    (auc,) = tables[0].query("slice == 'job=cook' and metric == 'auc' and task == 'income'").value
    assert auc == parent.data.metrics["Evaluator/slice/job_cook/income.auc"]
    assert set(tables[1].columns) >= {"task", "row", "label", "answer"}
    assert "plots/learning_loss.png" in files("Trainer", "plots")
    assert files("Evaluator", "plots") == {
        "plots/confusion_income.png",
        "plots/confusion_job_class.png",
        "plots/precision_recall_income.png",
        "plots/reliability_income.png",
        "plots/reliability_income_uncalibrated.png",
        "plots/reliability_job_class.png",
        "plots/roc_income.png",
    }
    assert files("Evaluator", "evaluation") == {
        "evaluation/evaluation.html",
        "evaluation/evaluation.json",
    }
    experiment = c.get_experiment_by_name("people")
    assert experiment.artifact_location == (recorded.store / "mlartifacts" / "people").as_uri()


def test_the_model_is_registered_once_and_is_the_champion(recorded):
    c = client(recorded.uri)
    (version,) = c.search_model_versions("name = 'people'")
    assert set(c.get_registered_model("people").aliases) == {"candidate", "champion"}
    runs = runs_by_stage(recorded.uri, recorded.runs[0])
    assert version.run_id == runs["Trainer"].info.run_id
    (output,) = runs["Trainer"].outputs.model_outputs
    (logged,) = c.search_logged_models([runs["Trainer"].info.experiment_id])
    assert output.model_id == logged.model_id
    assert str(logged.status) == "READY"
    assert [m.model_id for m in runs["pipeline"].outputs.model_outputs] == [logged.model_id]
    for stage in ("Evaluator", "Pusher"):
        assert [m.model_id for m in runs[stage].inputs.model_inputs] == [logged.model_id]
    registered = [{"name": "people", "version": str(version.version)}]
    assert json.loads(logged.tags["mlflow.modelVersions"]) == registered
    assert (logged.name, logged.params["seed"]) == ("people", "7")
    auc = runs["Evaluator"].data.metrics["income.auc"]
    measured = {(m.value, m.dataset_name) for m in logged.metrics if m.key == "income.auc"}
    assert measured == {(auc, "people.examples")}


def test_the_registered_model_answers_pandas_rows(recorded):
    import mlflow

    mlflow.set_tracking_uri(recorded.uri)
    model = mlflow.pyfunc.load_model("models:/people@champion")
    rows = pd.DataFrame({"job": ["cook", "smith", None], "hours-per-week": [0.5, -1.0, 2.0]})
    raw = {
        "hours-per-week": np.array([0.5, -1.0, 2.0], "float32"),
        "job": np.array(["cook", "smith", ""], object),
    }
    expected = answers(raw, slope=1.0)
    answered = model.predict(rows)
    assert list(answered.columns) == [c.name for c in model.metadata.signature.outputs]
    assert list(answered["income"]) == ["positive", "negative", "positive"]
    assert list(answered["job_class"]) == ["a", "c", "b"]
    likeliest = expected["job_class"].max(axis=1)
    np.testing.assert_allclose(answered["job_class_probability"], likeliest, rtol=1e-5)
    np.testing.assert_allclose(answered["age"], expected["age"][:, 0], rtol=1e-5)
    whole = rows.assign(**{"hours-per-week": [0, 2, 5]})  # as pandas reads them
    assert whole.dtypes["hours-per-week"] == "int64"
    assert len(model.predict(whole)) == 3
    by_class = model.predict(rows, params={"probabilities": True})
    columns = [f"job_class={c}" for c in "abc"]
    np.testing.assert_allclose(by_class[columns], expected["job_class"], rtol=1e-5)
    example = model.metadata.load_input_example(
        mlflow.artifacts.download_artifacts("models:/people@champion")
    )
    assert len(model.predict(example)) == 3
    assert model.metadata.metadata["classes"]["job_class"] == ["a", "b", "c"]
    for flavour in (mlflow.tensorflow, mlflow.keras):
        serve = flavour.load_model("models:/people@champion").signatures["serving_default"]
        names = serve.structured_input_signature[1]
        (hours,) = names.keys() - {"job"}
        served = serve(**{hours: raw["hours-per-week"], "job": raw["job"]})
        np.testing.assert_allclose(served["age"], expected["age"], rtol=1e-5)


def test_a_synchronised_run_is_not_sent_again(recorded):
    before = record_of(recorded.uri)
    journal = (recorded.runs[0] / FILE).read_bytes()
    assert pending_names(recorded) == []
    for file in recorded.runs[0].glob("sync-*.json"):
        file.unlink()  # even if all memory of what was sent is lost
    assert pending_names(recorded) == [recorded.runs[0].name]
    assert send_journal(recorded.runs[0], MaskedUrl(recorded.uri)) == DONE
    assert record_of(recorded.uri) == before
    assert (recorded.runs[0] / FILE).read_bytes() == journal


def pending_names(recorded: Recorded) -> list[str]:
    return [run.name for run in states.pending(recorded.store, recorded.uri)]


def record_of(uri: str) -> dict[str, object]:
    """All that can be counted in an MLflow, without ids and times."""
    c = client(uri)
    experiment = c.get_experiment_by_name("people")
    told: dict[str, object] = {}
    for found in c.search_runs([experiment.experiment_id], max_results=1000):
        run = c.get_run(found.info.run_id)
        key = f"{run.data.tags['rootstock.run_id']} {run.data.tags['rootstock.stage']}"
        assert f"{key} status" not in told, f"{key} was recorded twice"
        tags = {k: v for k, v in run.data.tags.items() if k.startswith("rootstock.")}
        history = {
            m: [(x.step, x.value) for x in c.get_metric_history(run.info.run_id, m)]
            for m in run.data.metrics
        }
        artifacts = {
            f.path
            for folder in [None, *(a.path for a in c.list_artifacts(run.info.run_id) if a.is_dir)]
            for f in c.list_artifacts(run.info.run_id, folder)
            if not f.path.endswith("registered_model_meta")  # written by loading the model
        }
        inputs = [(d.dataset.name, d.dataset.digest) for d in run.inputs.dataset_inputs]
        links = len(run.inputs.model_inputs), len(run.outputs.model_outputs if run.outputs else [])
        for part, value in {
            "status": run.info.status,
            "params": run.data.params,
            "tags": tags,
            "metrics": history,
            "artifacts": artifacts,
            "data sets": inputs,
            "models": links,
        }.items():
            told[f"{key} {part}"] = value
    versions = c.search_model_versions("name = 'people'")
    told["versions"] = Counter(v.tags["rootstock.digest"] for v in versions)
    told["aliases"] = dict(c.get_registered_model("people").aliases)
    told["logged models"] = len(c.search_logged_models([experiment.experiment_id]))
    return told


def test_a_crash_after_any_event_duplicates_nothing(recorded, tmp_path, uri):
    """Each event is replayed, then again with the state from before it, as after a kill."""
    c = client(uri)
    for run in recorded.runs:
        state = states.SyncState()
        for event, _ in read(run):
            before = copy.deepcopy(state)
            MlflowTracker(c, run, before, tmp_path, pytest.fail).record(event)
            MlflowTracker(c, run, state, tmp_path, pytest.fail).record(event)
    assert record_of(uri) == record_of(recorded.uri)


def test_kill_9_at_any_moment_duplicates_nothing(recorded, uri):
    run, rng = recorded.runs[0], random.Random(3)
    length = (run / FILE).stat().st_size
    kills = 0
    for attempt in range(8):
        target = length * attempt // 8
        with start_sync(run, uri) as process:
            while process.poll() is None and states.load_state(run, uri).offset <= target:
                time.sleep(0.005)
            time.sleep(rng.random() * 0.1)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert kills >= 4
    for each in recorded.runs:
        assert send_journal(each, MaskedUrl(uri)) == DONE
    assert record_of(uri) == record_of(recorded.uri)


def test_a_live_run_is_followed_and_a_killed_one_is_marked(tmp_path, uri):
    tracker = JournalTracker(new_run(tmp_path), pytest.fail)
    started(tracker)
    tracker.record(StageStarted(stage="Trainer", fingerprint="f"))
    with start_sync(tracker.run, uri) as process:
        tracker.record(StageMetrics(stage="Trainer", step=0, values={"loss": 1.0}))
        wait_for(lambda: states.load_state(tracker.run, uri).offset == length_of(tracker.run))
        assert runs_by_stage(uri, tracker.run)["Trainer"].info.status == "RUNNING"
        assert send_journal(tracker.run, MaskedUrl(uri)) == BUSY, (
            "two processes must not replay one journal"
        )
        tracker.record(StageMetrics(stage="Trainer", step=1, values={"loss": 0.5}))
        with open(tracker.run / FILE, "ab") as file:
            file.write(b'{"kind": "metr')  # died in the middle of a line
        os.close(tracker._file)  # what the kernel does when the writer is killed
        tracker._file = None
        assert process.wait(60) == 0, (tracker.run / "sync.log").read_text()
    runs = runs_by_stage(uri, tracker.run)
    assert {s: r.info.status for s, r in runs.items()} == {
        "pipeline": "KILLED", "Trainer": "KILLED"
    }  # fmt: skip
    assert runs["Trainer"].data.metrics["loss"] == 0.5


def test_a_failed_stage_says_why(tmp_path, uri):
    tracker = JournalTracker(new_run(tmp_path), pytest.fail)
    started(tracker)
    tracker.record(StageStarted(stage="Trainer", fingerprint="f"))
    tracker.record(StageFailed(stage="Trainer", error="RootstockError: loss is NaN"))
    tracker.record(RunFinished(status="failed"))
    assert send_journal(tracker.run, MaskedUrl(uri)) == DONE
    runs = runs_by_stage(uri, tracker.run)
    assert {r.info.status for r in runs.values()} == {"FAILED"}
    assert runs["pipeline"].data.tags["rootstock.error"] == "Trainer: RootstockError: loss is NaN"


def test_nothing_is_lost_while_mlflow_is_down(recorded, uri):
    run = recorded.runs[0]
    down = "http://127.0.0.1:9"
    journal = (run / FILE).read_bytes()
    assert send_journal(run, MaskedUrl(down), patience_s=0.5) == INCOMPLETE
    assert "MLflow does not answer" in (run / "sync.log").read_text()
    assert (run / FILE).read_bytes() == journal
    assert run in states.pending(recorded.store, down)
    assert send_journal(run, MaskedUrl(uri)) == DONE
    assert len(runs_by_stage(uri, run)) == 5


def test_the_champion_never_moves_back_and_the_candidate_is_the_latest_run(tmp_path, uri):
    first = run_pipeline(tmp_path, slope=1.0)
    second = run_pipeline(tmp_path, slope=2.0)
    unblessed = run_pipeline(tmp_path, slope=-1.0, least_auc=0.5)
    for run in (second, unblessed, first):  # the record of the first arrives last
        assert send_journal(run, MaskedUrl(uri)) == DONE
    c = client(uri)
    by_slope = {}
    for version in c.search_model_versions("name = 'people'"):
        by_slope[c.get_run(version.run_id).data.params["slope"]] = str(version.version)
    assert len(by_slope) == 3
    aliases = {k: str(v) for k, v in c.get_registered_model("people").aliases.items()}
    assert aliases == {"champion": by_slope["2.0"], "candidate": by_slope["-1.0"]}
    registry.make_champion(c, "people", by_slope["1.0"], 3)  # a rollback
    registry.make_challenger(c, "people", by_slope["2.0"], 4)  # a canary
    aliases = {k: str(v) for k, v in c.get_registered_model("people").aliases.items()}
    assert aliases == {
        "champion": by_slope["1.0"],
        "previous": by_slope["2.0"],
        "challenger": by_slope["2.0"],
        "candidate": by_slope["-1.0"],
    }


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def length_of(run: Path) -> int:
    return (run / FILE).stat().st_size


def test_the_last_event_of_a_run_is_its_end(recorded):
    *_, (last, offset) = read(recorded.runs[0])
    assert isinstance(last, RunFinished)
    assert offset == length_of(recorded.runs[0])
