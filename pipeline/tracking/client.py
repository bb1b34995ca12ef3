"""The connection to MLflow, and what every sender does there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric

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
LONGEST_TEXT, LONGEST_KEY = 500, 250
_REPLACED = re.compile(r"[^\w\-. :/]")
KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"
"""The tag by which the UI shows what belongs to an experiment: here runs, models and their metrics,
not traces of language models.
"""


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
    if known is None:
        location = None if artifacts is None else (artifacts / name).as_uri()
        tags = {KIND: MODEL_TRAINING}
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    if KIND not in known.tags:
        client.set_experiment_tag(known.experiment_id, KIND, MODEL_TRAINING)
    return str(known.experiment_id)


def logged_model(client: MlflowClient, model_id: str) -> LoggedModel | None:
    """A logged model; None if somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_logged_model(model_id)
    except MlflowException as e:
        if e.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


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


@dataclass(frozen=True)
class Measurement:
    """On what metrics were measured: the id of a logged model, name and digest of a data set."""

    model_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


def metrics_at(
    time: float, values: Mapping[str, float], step: int = 0, of: Measurement | None = None
) -> list[Metric]:
    """Metrics of a run and, if they were measured `of` a model, of that too."""
    from mlflow.entities import Metric

    more = {} if of is None else asdict(of)
    return [Metric(valid_key(k), v, milliseconds(time), step, **more) for k, v in values.items()]


def valid_key(name: str) -> str:
    """A name that MLflow accepts for a metric, parameter or tag: letters of any alphabet.

    If it is too long, or has signs of a script that are no letters to MLflow, such as the vowels of
    Devanagari, it ends with a digest, so that different names stay different.
    """
    key = _REPLACED.sub("_", name)
    if len(key) <= LONGEST_KEY and all(c.isascii() for c in _REPLACED.findall(name)):
        return key
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{key[: LONGEST_KEY - 9]}_{digest}"


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
