"""The connection to MLflow, and what every sender does there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # `sync` tries again itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""What MLflow reads from the environment, unless the user has set it."""


def connect(uri: str) -> MlflowClient:
    """A client of the MLflow at `uri`. It connects with its first call."""
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    import mlflow

    return mlflow.MlflowClient(uri, uri)


def artifacts_of(store: Path, uri: str) -> Path | None:
    """Where new experiments keep their files; None leaves it to the tracking server at `uri`."""
    return None if uri.startswith(("http:", "https:")) else store.absolute() / "mlartifacts"


def find_or_create_experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """The id of an experiment. The caller holds a lock, so that no two processes create it."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    location = None if artifacts is None else (artifacts / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))
