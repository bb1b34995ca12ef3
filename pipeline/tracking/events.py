"""What a journal says: one typed event a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

Param = str | int | float | bool
Status = Literal["finished", "failed", "killed"]


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """The first event. time, here and below: seconds since 1970. pid: of the writer."""

    kind: Literal["run_started"] = "run_started"
    time: float
    run_id: str
    name: str
    experiment: str
    spec_text: str
    params: Mapping[str, Param]
    tags: Mapping[str, str]
    pid: int


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins, or is about to be found in the cache."""

    kind: Literal["stage_started"] = "stage_started"
    time: float
    stage: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class StageMetrics:
    """Figures of one step of a series."""

    kind: Literal["metrics"] = "metrics"
    time: float
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
    """A stage's results are there.

    params: the stage in canonical form (`pipeline.store.fingerprint`), as JSON.
    inputs: `<artifact type>:<digest>` by input. outputs: by output field. seconds: spent now.
    """

    kind: Literal["stage_finished"] = "stage_finished"
    time: float
    stage: str
    fingerprint: str
    cached: bool
    seconds: float
    params: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, Output]
    figures: Mapping[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class StageFailed:
    """A stage ended without a result."""

    kind: Literal["stage_failed"] = "stage_failed"
    time: float
    stage: str
    error: str


@dataclass(frozen=True, kw_only=True)
class SystemSample:
    """What the machine is doing: values by MLflow's names, without their `system/`."""

    kind: Literal["system"] = "system"
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """The last event."""

    kind: Literal["run_finished"] = "run_finished"
    time: float
    status: Status


Event = (
    RunStarted
    | StageStarted
    | StageMetrics
    | StageFinished
    | StageFailed
    | SystemSample
    | RunFinished
)


@cache
def _adapter() -> TypeAdapter[Event]:
    nan_stays_nan = ConfigDict(ser_json_inf_nan="constants")
    return TypeAdapter(Annotated[Event, Field(discriminator="kind")], config=nan_stays_nan)


def to_line(event: Event) -> bytes:
    """The event as one line of JSON, with its newline."""
    return _adapter().dump_json(event) + b"\n"


def from_line(line: bytes) -> Event:
    """The event that a line holds.

    Raises:
        ValueError: the line is not a whole event.
    """
    return _adapter().validate_json(line)
