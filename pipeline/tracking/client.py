"""The connection to MLflow, and what every sender does there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # `sync` tries again itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""What MLflow reads from the environment, unless the user has set it."""

MOST_METRICS, MOST_AT_ONCE = 800, 100
"""Metrics in one request, and parameters or tags."""
LONGEST_TEXT = 500


def connect(uri: str) -> MlflowClient:
    """A client of the MLflow at `uri`. It connects with its first call.

    Raises:
        MlflowException: a new database cannot be made.
    """
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    import mlflow

    from pipeline.tracking.database import prepare

    prepare(uri)

    return mlflow.MlflowClient(uri, uri)


def artifacts_of(store: Path, uri: str) -> Path | None:
    """Where new experiments keep their files; None leaves it to the tracking server at `uri`."""
    return None if uri.startswith(("http:", "https:")) else store.absolute() / "mlartifacts"


def ensure_experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """The id of an experiment, created if necessary; the caller holds a lock meanwhile.

    Raises:
        ValueError: its files would not be in `artifacts`.
    """
    if artifacts is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise ValueError(f"{name!r} is no name of an experiment. Expected one without slashes.")
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    location = None if artifacts is None else (artifacts / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def log(
    client: MlflowClient,
    run_id: str,
    metrics: Sequence[Metric] = (),
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log to a run, in as few requests as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag

    ps = [Param(valid_key(k), str(v)[:LONGEST_TEXT]) for k, v in (params or {}).items()]
    ts = [RunTag(valid_key(k), v[:LONGEST_TEXT]) for k, v in (tags or {}).items()]
    parts = [(metrics, MOST_METRICS), (ps, MOST_AT_ONCE), (ts, MOST_AT_ONCE)]
    for i in range(max(-(-len(items) // most) for items, most in parts)):
        client.log_batch(run_id, *(items[i * most : (i + 1) * most] for items, most in parts))


def metrics_at(time: float, values: Mapping[str, float], step: int = 0) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(valid_key(k), v, milliseconds(time), step) for k, v in values.items()]


def valid_key(name: str) -> str:
    """A name that MLflow accepts for a metric, parameter or tag."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)[:250]


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
