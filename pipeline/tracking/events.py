"""The events of a run, and what a tracker is: it gets them, and no event changes the run.

`JournalTracker` (`journal.py`) writes them to disk as lines of JSON while the run goes on;
`MlflowTracker` (`mlflow.py`) sends them to MLflow, from another process; `NoTracker` drops them.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from time import time as now
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

if TYPE_CHECKING:
    from pipeline.store.entry import Entry

Param = str | int | float | bool
Status = Literal["finished", "failed", "killed"]


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """The first event of a run of the pipeline `name`; its model is registered under that name.

    time, here and below: seconds since 1970. experiment: groups runs. spec_text: the spec file as
    it was used. pid: of the process that runs.
    """

    kind: Literal["run_started"] = "run_started"
    time: float = field(default_factory=now)
    run_id: str
    name: str
    experiment: str
    spec_text: str
    params: Mapping[str, Param]
    tags: Mapping[str, str]
    pid: int = field(default_factory=os.getpid)


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins, or its result is about to be read from the store."""

    kind: Literal["stage_started"] = "stage_started"
    time: float = field(default_factory=now)
    stage: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class StageMetrics:
    """Figures of one step of a series, for example of an epoch."""

    kind: Literal["metrics"] = "metrics"
    time: float = field(default_factory=now)
    stage: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Output:
    """A published artifact: its type's name, its directory and the digest of its content."""

    type: str
    path: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    """A stage's results are published, by this run or an earlier one (`cached`).

    params: the stage in canonical form (`pipeline.store.fingerprint`), as JSON.
    inputs: `<artifact type>:<digest>` by input. outputs: by output field. seconds: spent by
    this run.
    """

    kind: Literal["stage_finished"] = "stage_finished"
    time: float = field(default_factory=now)
    stage: str
    fingerprint: str
    cached: bool
    seconds: float
    params: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, Output]
    figures: Mapping[str, float | int | str]

    @classmethod
    def of(cls, entry: Entry, cached: bool, seconds: float) -> StageFinished:
        identity = entry.identity
        return cls(
            stage=identity.stage,
            fingerprint=identity.fingerprint,
            cached=cached,
            seconds=seconds,
            params=identity.params,
            inputs=identity.inputs,
            outputs={
                name: Output(o["type"], str(entry.path / name), o["digest"])
                for name, o in entry.outputs.items()
            },
            figures=entry.figures,
        )


@dataclass(frozen=True, kw_only=True)
class StageFailed:
    """A stage ended without a result."""

    kind: Literal["stage_failed"] = "stage_failed"
    time: float = field(default_factory=now)
    stage: str
    error: str


@dataclass(frozen=True, kw_only=True)
class SystemSample:
    """The load of the machine: values by MLflow's names, without the prefix `system/`."""

    kind: Literal["system"] = "system"
    time: float = field(default_factory=now)
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """The last event."""

    kind: Literal["run_finished"] = "run_finished"
    time: float = field(default_factory=now)
    status: Status


StageEvent = StageStarted | StageMetrics | StageFinished | StageFailed
Event = RunStarted | StageEvent | SystemSample | RunFinished


class Tracker(ABC):
    """Receives the events of one run, in order."""

    @abstractmethod
    def record(self, event: Event) -> None:
        """Keep one event. Several threads may call this at once.

        A tracker that the run itself calls does not raise, except to end the training of a trial
        (`pipeline.tune.trial.Pruning`).
        """


class NoTracker(Tracker):
    def record(self, event: Event) -> None:
        return


@cache
def _adapter() -> TypeAdapter[Event]:
    nan_stays_nan = ConfigDict(ser_json_inf_nan="constants")
    return TypeAdapter(Annotated[Event, Field(discriminator="kind")], config=nan_stays_nan)


def to_line(event: Event) -> bytes:
    """The event as one line of JSON, with the newline."""
    return _adapter().dump_json(event) + b"\n"


def from_line(line: bytes) -> Event:
    """Parse a line.

    Raises:
        ValueError: the line is not a complete event.
    """
    return _adapter().validate_json(line)
