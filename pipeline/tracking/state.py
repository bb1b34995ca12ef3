"""How much of a run's journal each MLflow has received, kept beside the journal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from components.data.atomic import write_whole
from pipeline.tracking import journal


@dataclass
class SyncState:
    """How much was sent.

    offset: bytes of the journal that were sent. done: the journal is complete, and all of it was
    sent. runs: MLflow run id by stage; that of the whole pipeline under "". datasets: MLflow's
    description of a data set, by digest. models: MLflow model id, by digest. summary: what came
    out, in Markdown.
    """

    offset: int = 0
    done: bool = False
    name: str = ""
    experiment_id: str = ""
    started: float = 0.0
    runs: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    summary: str = ""


_JSON = TypeAdapter(SyncState)


def load_state(run: Path, uri: str) -> SyncState:
    """The state of a run for the MLflow at `uri`; a new one if there is none."""
    try:
        return _JSON.validate_json(_file(run, uri).read_bytes())
    except (FileNotFoundError, ValueError):
        return SyncState()


def save_state(state: SyncState, run: Path, uri: str) -> None:
    """Replace the state atomically. A lost state does no harm: sending twice changes nothing."""
    write_whole(_file(run, uri), _JSON.dump_json(state, indent=1))


def pending(store: Path, uri: str) -> list[Path]:
    """The runs of a store that the MLflow at `uri` does not have completely, oldest first."""
    runs = sorted(p.parent for p in (store / "runs").glob(f"*/{journal.FILE}"))
    return [run for run in runs if not load_state(run, uri).done]


def _file(run: Path, uri: str) -> Path:
    return run / f"sync-{hashlib.sha256(uri.encode()).hexdigest()[:8]}.json"
