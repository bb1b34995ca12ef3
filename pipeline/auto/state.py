"""The state of a search, in a file, so that the same command continues it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from components.data.atomic import write_whole
from components.experiments.scorer import ScoreFigures


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for. A search of another request is another search."""

    data: str
    labels: tuple[str, ...]
    metrics: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    trunks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate that was trained on some rows.

    rows: training rows. scores: on validation rows; None if it failed, for the reason `reason`.
    place: the artifact with its answers to these rows.
    """

    name: str
    rows: int
    seconds: float
    scores: ScoreFigures | None = None
    place: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class State:
    """digest: of the examples. spent: seconds of all commands so far. trials: in order."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    request: Request
    digest: str = ""
    spent: float = 0.0
    trials: tuple[Trial, ...] = ()

    def of(self, name: str, rows: int) -> Trial | None:
        """The trial of a candidate on so many rows, if there was one."""
        return next((t for t in self.trials if (t.name, t.rows) == (name, rows)), None)

    def at(self, rows: int) -> Sequence[Trial]:
        """The trials on so many rows that have scores."""
        return [t for t in self.trials if t.rows == rows and t.scores is not None]

    def on(self, digest: str) -> State:
        """The state for these examples. Trials on others do not count."""
        return replace(self, digest=digest, trials=self.trials if digest == self.digest else ())


def read_state(file: Path) -> State | None:
    """The state in a file; None if there is no file."""
    return _adapter().validate_json(file.read_bytes()) if file.exists() else None


def write_state(state: State, file: Path) -> None:
    write_whole(file, _adapter().dump_json(state, indent=1))


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)
