"""The state of a search, in a file, so that the same command continues it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from components.data.atomic import write_whole
from components.errors import RootstockError
from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import Choice


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the spec is written for. A search of another request is another search; metrics, trunks
    and minutes may change from one command to the next.
    """

    data: str
    labels: tuple[str, ...]
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate that was trained on some rows.

    overrides: what it changes in the spec. rows: training rows.
    scores: on validation rows; None if it failed, for the reason `reason`.
    place: the artifact with its answers to these rows. ended: when, in seconds since 1970; 0 if
    that is not known.
    """

    name: str
    overrides: tuple[str, ...] = ()
    rows: int
    seconds: float
    scores: ScoreFigures | None = None
    place: str = ""
    reason: str = ""
    ended: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """shares: by name of the candidate; their sum is 1. scores: on validation rows."""

    shares: Mapping[str, float]
    scores: ScoreFigures


@dataclass(frozen=True, kw_only=True)
class State:
    """digest: of the examples and the spec. spent: seconds of all commands so far. trials: in
    order. longer: what the candidate of that name changes, once it was begun. ensemble: what came
    of combining them when there were `combined` trials. distilled: one model that learned from it.
    latencies: of exported models in ms, by name.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    request: Request
    digest: str = ""
    spent: float = 0.0
    trials: tuple[Trial, ...] = ()
    longer: tuple[str, ...] = ()
    ensemble: Ensemble | None = None
    combined: int = 0
    distilled: Trial | None = None
    latencies: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str, rows: int) -> Trial | None:
        """The trial of a candidate on so many rows, if there was one."""
        return next((t for t in self.trials if (t.name, t.rows) == (name, rows)), None)

    def at(self, rows: int) -> Sequence[Trial]:
        """The trials on so many rows that have scores."""
        return [t for t in self.trials if t.rows == rows and t.scores is not None]

    def on(self, digest: str, choices: Mapping[str, Choice]) -> State:
        """The state for these examples and this spec, with the trials of these candidates: other
        trials do not count.
        """
        same = digest == self.digest
        trials, longer = (self.trials, self.longer) if same else ((), ())
        known = {name: choice.overrides for name, choice in choices.items()}
        kept = tuple(t for t in trials if known.get(t.name) == t.overrides)
        if kept == self.trials:
            return replace(self, digest=digest, longer=longer)
        return replace(self, digest=digest, longer=longer, trials=kept)._of_candidates()

    def with_ensemble(self, ensemble: Ensemble | None) -> State:
        """The state with what came of combining all trials."""
        fresh = replace(self, ensemble=ensemble, combined=len(self.trials))
        return fresh._of_candidates()

    def with_trial(self, trial: Trial, served_ms: float | None) -> State:
        """The state with one more trial. served_ms: for one row, if the model was exported."""
        latencies = {n: ms for n, ms in self.latencies.items() if n != trial.name}
        if served_ms is not None:
            latencies[trial.name] = served_ms
        return replace(self, trials=(*self.trials, trial), latencies=latencies)

    def _of_candidates(self) -> State:
        """The state without what belongs to an ensemble that is not this one."""
        names = {t.name for t in self.trials}
        latencies = {n: ms for n, ms in self.latencies.items() if n in names}
        return replace(self, distilled=None, latencies=latencies)


def read_state(file: Path) -> State | None:
    """The state in a file; None if there is no file.

    Raises:
        RootstockError: the file is not one that `write_state` wrote.
    """
    if not file.exists():
        return None
    try:
        return _adapter().validate_json(file.read_bytes())
    except ValidationError as e:
        raise RootstockError(
            f"{file}: expected the state of `rootstock auto`, as it wrote it. Remove the file to"
            f" begin again; models that are trained already are kept. ({e.error_count()} problems)"
        ) from e


def write_state(state: State, file: Path) -> None:
    write_whole(file, _adapter().dump_json(state, indent=1))


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)
