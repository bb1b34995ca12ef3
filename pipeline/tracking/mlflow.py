"""Sends events to MLflow: a run for the pipeline, a child run for each stage.

Sending an event twice has the same effect as once: runs are found by their tags, metrics have the
journal's times, models their digests. So an interrupted transfer simply starts again.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts import ExportedModel, Pushed
from pipeline.store.locks import locked
from pipeline.tracking import events, registry
from pipeline.tracking.client import Measurement, ensure_experiment, log, metrics_at, milliseconds
from pipeline.tracking.datasets import CONSUMED, dataset_fields
from pipeline.tracking.evaluations import Runs, log_evaluation, main_metrics, read_evaluation
from pipeline.tracking.events import Output, StageFinished
from pipeline.tracking.journal import RUN_PAGE
from pipeline.tracking.params import flat
from pipeline.tracking.plots import plots_of
from pipeline.tracking.state import SyncState
from serving.versions.labels import STABLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

RUN, STAGE = "rootstock.run_id", "rootstock.stage"
PIPELINE = ""
"""The stage under which `SyncState.runs` keeps the run of the whole pipeline."""

LARGEST_FILE = 5_000_000
LONGEST_NOTE = 8000
"""Characters in a tag of MLflow."""
MODELS = ("ExportedModel", "TrainedModel")
KEPT = (".html", ".json", ".jsonl", ".pbtxt")
ESCAPED = {".json": "\\u003c", ".jsonl": "\\u003c", ".pbtxt": "\\074"}
"""How a file writes "<" in a string. MLflow shows files in the browser, and names of columns and
values may contain HTML.
"""


@dataclass
class MlflowTracker(events.Tracker):
    """Sends the events of one run to MLflow.

    artifacts: where a new experiment keeps its files; None leaves it to the tracking server.
    note: gets a message for what cannot be recorded although MLflow answers, such as a missing
    file.
    """

    client: MlflowClient
    run: Path
    state: SyncState
    artifacts: Path | None
    note: Callable[[str], None]

    def record(self, event: events.Event) -> None:
        """Send one event.

        Raises:
            Exception: MLflow's own, when it cannot be reached or refuses.
        """
        match event:
            case events.RunStarted():
                self._run_started(event)
            case events.StageStarted():
                run_id = self._stage_run(event.stage, event.time)
                log(self.client, run_id, tags={"rootstock.fingerprint": event.fingerprint})
            case events.StageMetrics():
                run_id = self._stage_run(event.stage, event.time)
                log(self.client, run_id, metrics=metrics_at(event.time, event.values, event.step))
            case events.StageFinished():
                self._stage_finished(event)
            case events.StageFailed():
                self._stage_failed(event)
            case events.SystemSample():
                values = {f"system/{n}": v for n, v in event.values.items()}
                seconds = round(event.time - self.state.started)
                self._log_pipeline(metrics_at(event.time, values, seconds))
            case events.RunFinished():
                self._page()
                self.end(event.status.upper(), event.time)

    def end(self, status: str, time: float | None = None) -> None:
        """End the run, and its stages that have not ended, with a status of MLflow."""
        ended = None if time is None else milliseconds(time)
        for stage, run_id in sorted(self.state.runs.items(), reverse=True):
            if stage == PIPELINE or self.client.get_run(run_id).info.status == "RUNNING":
                self.client.set_terminated(run_id, status, ended)

    def _page(self) -> None:
        """Log the page of the run, which a run that ended early does not have, and describe it."""
        if (file := self.run / RUN_PAGE).is_file():
            run_id = self.state.runs[PIPELINE]
            self.client.log_artifact(run_id, str(file))
            where = f"#/experiments/{self.state.experiment_id}/runs/{run_id}/artifacts/{RUN_PAGE}"
            said = f"What was asked, what came out, what is served: [{RUN_PAGE}]({where})"
            described = "\n\n".join(filter(None, [said, self.state.summary]))
            self.client.set_tag(run_id, "mlflow.note.content", described[:LONGEST_NOTE])

    def _run_started(self, event: events.RunStarted) -> None:
        self.state.name, self.state.started = event.name, event.time
        with locked(self.run.parent / ".experiments", wait=True):
            experiment = ensure_experiment(self.client, event.experiment, self.artifacts)
        self.state.experiment_id = experiment
        tags = {**event.tags, RUN: event.run_id}
        run_id = self._find_or_create(PIPELINE, event.time, f"{event.name} {event.run_id}", tags)
        log(self.client, run_id, params=event.params)
        self.client.log_text(run_id, event.spec_text, "spec.yaml")

    def _log_pipeline(
        self, metrics: Sequence[Metric] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        log(self.client, self.state.runs[PIPELINE], metrics, tags=tags)

    def _stage_run(self, stage: str, time: float) -> str:
        tags = {RUN: self.run.name, "mlflow.parentRunId": self.state.runs[PIPELINE]}
        return self._find_or_create(stage, time, stage, tags)

    def _stage_finished(self, event: StageFinished) -> None:
        run_id, stage = self._stage_run(event.stage, event.time), event.stage
        figures = {n: float(v) for n, v in event.figures.items() if not isinstance(v, str)}
        outputs = {n: f"{o.type}:{o.digest}" for n, o in event.outputs.items()}
        metrics = self._figures(run_id, event, figures)
        metrics += metrics_at(event.time, {"seconds": event.seconds})
        tags = {
            "rootstock.cached": str(event.cached).lower(),
            **{f"rootstock.input.{n}": d for n, d in event.inputs.items()},
            **{f"rootstock.output.{n}": d for n, d in outputs.items()},
            **{f"figure.{n}": v for n, v in event.figures.items() if isinstance(v, str)},
        }
        log(self.client, run_id, metrics, flat(json.loads(event.params)), tags)
        of_stage = {f"{stage}/{n}": v for n, v in figures.items()}
        self._log_pipeline(metrics_at(event.time, of_stage))
        for name, output in event.outputs.items():
            self._optional(f"{stage}: {name}", partial(self._files, run_id, name, output))
        self._optional(f"{stage}: data sets", partial(self._datasets, run_id, event))
        self._optional(f"{stage}: models", partial(self._models, run_id, event))
        self._optional(f"{stage}: metrics", partial(self._evaluation, run_id, event))
        self.client.set_terminated(run_id, "FINISHED", milliseconds(event.time))

    def _figures(
        self, run_id: str, event: StageFinished, figures: Mapping[str, float]
    ) -> list[Metric]:
        """A stage's figures, except those for which the run already has a curve.

        If it has no curves, because the stage was cached, metrics of epochs get the step of the
        epoch that was kept.
        """
        known = self.client.get_run(run_id).data.metrics
        kept, names = kept_epoch(Path(o.path) for o in event.outputs.values())
        return [
            metric
            for name, value in figures.items()
            for metric in metrics_at(event.time, {name: value}, kept if name in names else 0)
            if metric.key not in known
        ]

    def _stage_failed(self, event: events.StageFailed) -> None:
        run_id = self._stage_run(event.stage, event.time)
        for failed in (run_id, self.state.runs[PIPELINE]):
            log(self.client, failed, tags={"rootstock.error": f"{event.stage}: {event.error}"})
        self.client.set_terminated(run_id, "FAILED", milliseconds(event.time))

    def _find_or_create(self, stage: str, time: float, name: str, tags: Mapping[str, str]) -> str:
        if stage not in self.state.runs:
            stage_tag = stage or "pipeline"
            query = f"tags.`{RUN}` = '{self.run.name}' and tags.`{STAGE}` = '{stage_tag}'"
            experiment, all_tags = self.state.experiment_id, {**tags, STAGE: stage_tag}
            runs = self.client.search_runs([experiment], query)
            if not runs:
                runs = [self.client.create_run(experiment, milliseconds(time), all_tags, name)]
            self.state.runs[stage] = str(runs[0].info.run_id)
        return self.state.runs[stage]

    def _files(self, run_id: str, name: str, output: Output) -> None:
        """Upload the small files of an artifact, and plots of them, also to the pipeline's run."""
        directory = Path(output.path)
        for file in sorted(directory.iterdir()):
            if file.suffix not in KEPT or file.stat().st_size > LARGEST_FILE:
                continue
            if file.suffix in ESCAPED:
                text = file.read_text(encoding="utf-8").replace("<", ESCAPED[file.suffix])
                self.client.log_text(run_id, text, f"{name}/{file.name}")
            else:
                self.client.log_artifact(run_id, str(file), name)
        with tempfile.TemporaryDirectory() as made:
            for title, figure in plots_of(directory):
                figure.savefig(file := Path(made) / title)
                for each in (run_id, self.state.runs[PIPELINE]):
                    self.client.log_artifact(each, str(file), "plots")

    def _evaluation(self, run_id: str, event: StageFinished) -> None:
        """Log all metrics of an evaluation: see `log_evaluation`."""
        if evaluation := read_evaluation(Path(o.path) for o in event.outputs.values()):
            runs, of = (
                Runs(run_id, self.state.runs[PIPELINE], event.stage),
                self._measured_on(event),
            )
            log_evaluation(self.client, runs, event.time, evaluation, of)
            self.state.summary = main_metrics(evaluation)

    def _measured_on(self, event: StageFinished) -> Measurement | None:
        """The logged model and the data set that a stage read; None if MLflow has no such model."""
        used = dict(v.partition(":")[::2] for v in event.inputs.values())
        known = (self.state.models.get(used.get(kind, "")) for kind in MODELS)
        if (model := next(filter(None, known), None)) is None:
            return None
        dataset = json.loads(self.state.datasets.get(used.get("Examples", ""), "{}"))
        return Measurement(model, dataset.get("name"), dataset.get("digest"))

    def _datasets(self, run_id: str, event: StageFinished) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        context = [InputTag("mlflow.data.context", CONSUMED.get(event.stage, "processing"))]

        def inputs(digests: list[str]) -> list[DatasetInput]:
            sets = [Dataset(**json.loads(self.state.datasets[digest])) for digest in digests]
            return [DatasetInput(dataset, context) for dataset in sets]

        made = [o for o in event.outputs.values() if o.type == "Examples"]
        for output in made:
            fields = dataset_fields(f"{self.state.name}.examples", output, event.figures)
            self.state.datasets[output.digest] = json.dumps(fields)
        if made:
            outputs = inputs([o.digest for o in made])
            self.client.log_inputs(self.state.runs[PIPELINE], outputs)
        digests = [v.partition(":")[2] for v in event.inputs.values() if v.startswith("Examples:")]
        if read := [d for d in digests if d in self.state.datasets]:
            self.client.log_inputs(run_id, inputs(read))

    def _models(self, run_id: str, event: StageFinished) -> None:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput

        name = self.state.name
        for output in event.outputs.values():
            if _is_served(output):
                trained = ExportedModel(Path(output.path), output.digest)
                with locked(self.run.parent / ".models", wait=True):
                    experiment = self.state.experiment_id
                    params = self.client.get_run(self.state.runs[PIPELINE]).data.params
                    made = registry.register(self.client, name, experiment, run_id, trained, params)
                    registry.make_candidate(self.client, name, made.version, self.state.started)
                self.state.models[trained.digest] = made.model_id
                self._log_pipeline(tags={"rootstock.model_version": made.version})
                for each in (run_id, self.state.runs[PIPELINE]):
                    self._link(each, outputs=[LoggedModelOutput(made.model_id, 0)])
        used = [v.partition(":")[::2] for v in event.inputs.values()]
        models = [self.state.models[d] for t, d in used if t in MODELS and d in self.state.models]
        self._link(run_id, inputs=[LoggedModelInput(m) for m in models])
        for output in event.outputs.values():
            if output.type == "Pushed":
                self._pushed(Pushed(Path(output.path), output.digest))

    def _link(self, run_id: str, inputs: list[Any] | None = None, outputs: Any = None) -> None:
        """Link a run to models, each once."""
        known = self.client.get_run(run_id)
        if outputs and not (known.outputs and known.outputs.model_outputs):
            self.client.log_outputs(run_id, outputs)
        if inputs and not (known.inputs and known.inputs.model_inputs):
            self.client.log_inputs(run_id, models=inputs)

    def _pushed(self, pushed: Pushed) -> None:
        record, name = pushed.load(), self.state.name
        if record.pushed:
            with locked(self.run.parent / ".models", wait=True):
                known = registry.find(self.client, name, record.digest)
                if known is not None:
                    served = record.label in (None, STABLE)
                    move = registry.make_champion if served else registry.make_challenger
                    move(self.client, name, known.version, record.version)

    def _optional(self, what: str, record: Callable[[], None]) -> None:
        """Record something, or note why it cannot be: its files are missing or invalid."""
        try:
            record()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as e:
            self.note(f"{what}: not recorded: {e!r}")


def kept_epoch(artifacts: Iterable[Path]) -> tuple[int, Collection[str]]:
    """The index of the epoch whose weights a trained model has, and the names of its metrics.

    artifacts: directories of a stage's outputs. No names if none of them is a trained model.
    """
    for directory in artifacts:
        with contextlib.suppress(OSError, ValueError, KeyError):
            history = json.loads((directory / "history.json").read_text())
            kept: int = history["kept_epoch"]
            return kept, history["epochs"][kept].keys()
    return 0, ()


def _is_served(output: Output) -> bool:
    """Whether an artifact has a SavedModel. A Trainer of an older version exported one itself."""
    trained = output.type == "TrainedModel" and (Path(output.path) / "saved_model").is_dir()
    return output.type == "ExportedModel" or trained
