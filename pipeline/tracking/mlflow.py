"""Replays events to MLflow: a run for the pipeline, a child run for each stage.

Every step may be repeated without a trace: runs are found again by their tags, metrics carry the
journal's times, models their digests. So a replay that dies is simply begun again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts import Pushed, TrainedModel
from pipeline.tracking import registry
from pipeline.tracking.datasets import CONSUMED, describe
from pipeline.tracking.events import (
    Event,
    Output,
    Param,
    RunFinished,
    RunStarted,
    StageFailed,
    StageFinished,
    StageMetrics,
    StageStarted,
    SystemSample,
)
from pipeline.tracking.plots import plots_of
from pipeline.tracking.state import State, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN, STAGE = "rootstock.run_id", "rootstock.stage"
PIPELINE = ""
"""The stage under which `State.runs` keeps the run of the whole pipeline."""

LONGEST_TEXT = 500
LARGEST_FILE = 5_000_000
KEPT = (".json", ".jsonl", ".pbtxt")


@dataclass
class Replay:
    """Tells MLflow about one run.

    artifacts: where a new experiment keeps its files; the tracking server decides when None.
    note: is told what cannot be recorded although MLflow answers, such as a file that is gone.
    """

    client: MlflowClient
    run: Path
    state: State
    artifacts: Path | None
    note: Callable[[str], None]

    def __call__(self, event: Event) -> None:
        """Record one event.

        Raises:
            Exception: MLflow's and its transports' own, when it cannot be reached or refuses.
        """
        match event:
            case RunStarted():
                self._run_started(event)
            case StageStarted():
                run_id = self._stage_run(event.stage, event.time)
                self._tags(run_id, {"rootstock.fingerprint": event.fingerprint})
            case StageMetrics():
                self._stage_run(event.stage, event.time)
                self._metrics(event.stage, event.time, event.values, event.step)
            case StageFinished():
                self._stage_finished(event)
            case StageFailed():
                self._stage_failed(event)
            case SystemSample():
                seconds = round(event.time - self.state.started)
                values = {f"system/{n}": v for n, v in event.values.items()}
                self._metrics(PIPELINE, event.time, values, seconds)
            case RunFinished():
                self.end(event.status.upper(), event.time)

    def end(self, status: str, time: float | None = None) -> None:
        """End the run, and those of its stages that have not ended, with an MLflow status."""
        for stage, run_id in sorted(self.state.runs.items(), reverse=True):
            running = self.client.get_run(run_id).info.status == "RUNNING"
            if stage == PIPELINE or running:
                self.client.set_terminated(run_id, status, None if time is None else _ms(time))

    def _run_started(self, event: RunStarted) -> None:
        self.state.name, self.state.started = event.name, event.time
        self.state.experiment_id = self._experiment(event.experiment)
        tags = {**event.tags, RUN: event.run_id}
        run_id = self._find_or_create(PIPELINE, event.time, f"{event.name} {event.run_id}", tags)
        self._params(run_id, event.params)
        self.client.log_text(run_id, event.spec_text, "spec.yaml")

    def _stage_run(self, stage: str, time: float) -> str:
        tags = {RUN: self.run.name, "mlflow.parentRunId": self.state.runs[PIPELINE]}
        return self._find_or_create(stage, time, stage, tags)

    def _stage_finished(self, event: StageFinished) -> None:
        run_id, stage = self._stage_run(event.stage, event.time), event.stage
        self._tags(
            run_id,
            {
                "rootstock.cached": str(event.cached).lower(),
                **{f"rootstock.input.{n}": d for n, d in event.inputs.items()},
                **{
                    f"rootstock.output.{n}": f"{o.type}:{o.digest}"
                    for n, o in event.outputs.items()
                },
                **{f"figure.{n}": v for n, v in event.figures.items() if isinstance(v, str)},
            },
        )
        self._params(run_id, flat(json.loads(event.params)))
        figures = {n: float(v) for n, v in event.figures.items() if not isinstance(v, str)}
        self._metrics(stage, event.time, {**figures, "seconds": event.seconds})
        self._metrics(PIPELINE, event.time, {f"{stage}/{n}": v for n, v in figures.items()})
        for name, output in event.outputs.items():
            self._optional(f"{stage}: {name}", partial(self._files, run_id, name, output))
        self._optional(f"{stage}: data sets", partial(self._datasets, run_id, event))
        self._optional(f"{stage}: models", partial(self._models, run_id, event))
        self.client.set_terminated(run_id, "FINISHED", _ms(event.time))

    def _stage_failed(self, event: StageFailed) -> None:
        run_id = self._stage_run(event.stage, event.time)
        for failed in (run_id, self.state.runs[PIPELINE]):
            self._tags(failed, {"rootstock.error": f"{event.stage}: {event.error}"})
        self.client.set_terminated(run_id, "FAILED", _ms(event.time))

    def _experiment(self, name: str) -> str:
        with locked(self.run.parent / ".experiments", wait=True):
            known = self.client.get_experiment_by_name(name)
            if known is not None:
                return str(known.experiment_id)
            place = None if self.artifacts is None else (self.artifacts / name).as_uri()
            return str(self.client.create_experiment(name, artifact_location=place))

    def _find_or_create(self, stage: str, time: float, name: str, tags: Mapping[str, str]) -> str:
        if stage not in self.state.runs:
            stage_tag = stage or "pipeline"
            found = self.client.search_runs(
                [self.state.experiment_id],
                f"tags.`{RUN}` = '{self.run.name}' and tags.`{STAGE}` = '{stage_tag}'",
            )
            made = found or [
                self.client.create_run(
                    self.state.experiment_id, _ms(time), {**tags, STAGE: stage_tag}, name
                )
            ]
            self.state.runs[stage] = str(made[0].info.run_id)
        return self.state.runs[stage]

    def _params(self, run_id: str, params: Mapping[str, Param]) -> None:
        from mlflow.entities import Param as MlflowParam

        told = [MlflowParam(_key(k), str(v)[:LONGEST_TEXT]) for k, v in params.items()]
        for start in range(0, len(told), 100):
            self.client.log_batch(run_id, params=told[start : start + 100])

    def _tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        told = [RunTag(_key(k), v[:LONGEST_TEXT]) for k, v in tags.items()]
        self.client.log_batch(run_id, tags=told)

    def _metrics(self, stage: str, time: float, values: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        told = [Metric(_key(k), v, _ms(time), step) for k, v in values.items()]
        self.client.log_batch(self.state.runs[stage], metrics=told)

    def _files(self, run_id: str, name: str, output: Output) -> None:
        """The small files of an artifact that people and tools read, and figures of them."""
        directory = Path(output.path)
        for file in sorted(directory.iterdir()):
            if file.suffix in KEPT and file.stat().st_size <= LARGEST_FILE:
                self.client.log_artifact(run_id, str(file), name)
        for title, figure in plots_of(directory):
            self.client.log_figure(run_id, figure, f"plots/{title}")

    def _datasets(self, run_id: str, event: StageFinished) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        def inputs(digests: list[str]) -> list[DatasetInput]:
            return [
                DatasetInput(
                    Dataset(**json.loads(self.state.datasets[d])),
                    [InputTag("mlflow.data.context", CONSUMED.get(event.stage, "processing"))],
                )
                for d in digests
            ]

        made = [o for o in event.outputs.values() if o.type == "Examples"]
        for output in made:
            described = describe(f"{self.state.name}.examples", output, event.figures)
            self.state.datasets[output.digest] = json.dumps(described)
        if made:
            told = inputs([o.digest for o in made])
            self.client.log_inputs(self.state.runs[PIPELINE], told)
        digests = [v.partition(":")[2] for v in event.inputs.values() if v.startswith("Examples:")]
        if read := [d for d in digests if d in self.state.datasets]:
            self.client.log_inputs(run_id, inputs(read))

    def _models(self, run_id: str, event: StageFinished) -> None:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput

        name = self.state.name
        for output in event.outputs.values():
            if output.type == "TrainedModel":
                trained = TrainedModel(Path(output.path), output.digest)
                with locked(self.run.parent / ".models", wait=True):
                    made = registry.register(
                        self.client, name, self.state.experiment_id, run_id, trained
                    )
                    registry.make_candidate(self.client, name, made.version, self.state.started)
                self.state.models[trained.digest] = made.model_id
                self._tags(self.state.runs[PIPELINE], {"rootstock.model_version": made.version})
                self._link(run_id, outputs=[LoggedModelOutput(made.model_id, 0)])
        used = [v.partition(":")[2] for v in event.inputs.values() if v.startswith("TrainedModel:")]
        models = [self.state.models[d] for d in used if d in self.state.models]
        self._link(run_id, inputs=[LoggedModelInput(m) for m in models])
        for output in event.outputs.values():
            if output.type == "Pushed":
                self._pushed(Pushed(Path(output.path), output.digest))

    def _link(self, run_id: str, inputs: list[Any] | None = None, outputs: Any = None) -> None:
        """Tie a run to models, each once."""
        known = self.client.get_run(run_id)
        if outputs and not (known.outputs and known.outputs.model_outputs):
            self.client.log_outputs(run_id, outputs)
        if inputs and not (known.inputs and known.inputs.model_inputs):
            self.client.log_inputs(run_id, models=inputs)

    def _pushed(self, pushed: Pushed) -> None:
        told, name = pushed.load(), self.state.name
        if told.pushed:
            with locked(self.run.parent / ".models", wait=True):
                known = registry.find(self.client, name, told.digest)
                if known is not None:
                    registry.make_champion(self.client, name, known.version, told.version)

    def _optional(self, what: str, record: Callable[[], None]) -> None:
        """Go on without something whose files are gone or not as expected."""
        try:
            record()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as e:
            self.note(f"{what}: not recorded: {e!r}")


def flat(canonical: object, path: str = "") -> dict[str, Param]:
    """Parameters by dotted path, from a stage's canonical form (`components.fingerprint`)."""
    if isinstance(canonical, list):
        items: list[tuple[str, object]] = [(str(i), v) for i, v in enumerate(canonical)]
        items = [(_name(v) or i, v) for i, v in items]
    elif isinstance(canonical, dict) and "fields" in canonical:
        items = list(canonical["fields"].items())
    elif isinstance(canonical, dict) and "map" in canonical:
        items = [(str(k), v) for k, v in canonical["map"]]
    elif isinstance(canonical, dict) and "int" in canonical:
        return {path: int(canonical["int"])}
    elif isinstance(canonical, dict) and "float" in canonical:
        return {path: float.fromhex(canonical["float"])}
    elif isinstance(canonical, dict) and "value" in canonical:
        return flat(canonical["value"], path)
    else:
        return {path: "" if canonical is None else canonical}  # type: ignore[dict-item]
    if all(not isinstance(v, list | dict) for _, v in items) and isinstance(canonical, list):
        return {path: ", ".join(str(v) for _, v in items)}
    found: dict[str, Param] = {}
    for key, value in items:
        found |= flat(value, f"{path}.{key}" if path else key)
    return found


def _name(canonical: object) -> str:
    """What the elements of a list are called: tasks and inputs have names."""
    fields = canonical.get("fields", {}) if isinstance(canonical, dict) else {}
    return str(fields.get("name", ""))


def _key(name: str) -> str:
    """A name that MLflow accepts for a metric, parameter or tag."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)[:250]


def _ms(time: float) -> int:
    return round(time * 1000)
