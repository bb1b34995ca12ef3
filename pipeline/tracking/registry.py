"""Trained models in MLflow's registry: one version per content, identified by its digest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import ExportedModel
from pipeline.tracking.client import logged_model
from pipeline.tracking.logged_model import SAVED_MODEL, write_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST = "rootstock.digest"
MODEL = "rootstock.model_id"
CANDIDATE_SINCE = "rootstock.candidate_since"
PUSHED_VERSION = "rootstock.pushed_version"
VERSIONS = "mlflow.modelVersions"
"""The tag by which the UI shows the registered versions of a logged model."""


@dataclass(frozen=True)
class Registered:
    """A version in the registry, and its logged model."""

    version: str
    model_id: str


def register(
    client: MlflowClient,
    name: str,
    experiment_id: str,
    run_id: str,
    trained: ExportedModel,
    params: Mapping[str, str],
) -> Registered:
    """The registered version of a trained model; it is logged and registered if necessary.

    params: of the run, for the page of the logged model.
    """
    known = find(client, name, trained.digest)
    if known is None:
        _ensure_registered_model(client, name)
        model_id = _logged_model(client, name, experiment_id, run_id, trained, params)
        tags, source = {DIGEST: trained.digest, MODEL: model_id}, f"models:/{model_id}"
        version = client.create_model_version(
            name, source, run_id, tags, await_creation_for=0, model_id=model_id
        )
        known = Registered(str(version.version), model_id)
    _link_version(client, name, known)
    return known


def _link_version(client: MlflowClient, name: str, registered: Registered) -> None:
    """Say on the page of a logged model that it is registered, as `mlflow.register_model` does."""
    if (model := logged_model(client, registered.model_id)) is None:
        return
    versions = json.loads(model.tags.get(VERSIONS, "[]"))
    here = {"name": name, "version": registered.version}
    if here not in versions:
        versions.append(here)
        client.set_logged_model_tags(registered.model_id, {VERSIONS: json.dumps(versions)})


def find(client: MlflowClient, name: str, digest: str) -> Registered | None:
    """The version with the model of this digest."""
    matches = client.search_model_versions(f"name = '{name}' and tags.`{DIGEST}` = '{digest}'")
    first = min(matches, key=lambda v: int(v.version), default=None)
    return first and Registered(str(first.version), str(first.tags[MODEL]))


def make_candidate(client: MlflowClient, name: str, version: str, since: float) -> None:
    """Alias `candidate`: the model of the latest run. since: the start of that run."""
    _move_alias(client, name, "candidate", version, CANDIDATE_SINCE, since)


def make_champion(client: MlflowClient, name: str, version: str, pushed_version: int) -> None:
    """Alias `champion`: the served model; alias `previous`: the champion before it."""
    before = client.get_registered_model(name).aliases.get("champion")
    moved = _move_alias(client, name, "champion", version, PUSHED_VERSION, pushed_version)
    if moved and before is not None and str(before) != version:
        client.set_registered_model_alias(name, "previous", before)


def make_challenger(client: MlflowClient, name: str, version: str, pushed_version: int) -> None:
    """Alias `challenger`: the model that was pushed with a label, as a canary.

    Never the champion, because its record may arrive a second time.
    """
    if str(client.get_registered_model(name).aliases.get("champion")) == version:
        return
    _move_alias(client, name, "challenger", version, PUSHED_VERSION, pushed_version)


def end_trial(client: MlflowClient, name: str, trials: Collection[str]) -> None:
    """Remove the alias `challenger` from a model that is no longer on trial.

    trials: digests of the models that still are.
    """
    challenger = client.get_registered_model(name).aliases.get("challenger")
    if challenger is not None:
        version = client.get_model_version(name, str(challenger))
        if version.tags.get(DIGEST) not in trials:
            client.delete_registered_model_alias(name, "challenger")


def _move_alias(
    client: MlflowClient, name: str, alias: str, version: str, tag: str, order: float
) -> bool:
    """Move an alias to a version, unless it already points to a later one; return whether it moved.

    Records may arrive late and in any order.
    """
    current = client.get_registered_model(name).aliases.get(alias)
    if current is not None:
        since = client.get_model_version(name, str(current)).tags.get(tag)
        if since is not None and float(since) > order:
            return False
    client.set_model_version_tag(name, version, tag, str(order))
    if str(current) != version:
        client.set_registered_model_alias(name, alias, version)
    return True


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

    try:
        client.create_registered_model(name, description="Trained by the pipeline of this name.")
    except MlflowException as e:
        if e.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def _logged_model(
    client: MlflowClient,
    name: str,
    experiment_id: str,
    run_id: str,
    trained: ExportedModel,
    params: Mapping[str, str],
) -> str:
    """Upload a model, or complete an interrupted upload."""
    started = client.search_logged_models(
        [experiment_id], f"tags.`{DIGEST}` = '{trained.digest}'", max_results=1
    )
    tags = {DIGEST: trained.digest}
    if not started:
        started = [client.create_logged_model(experiment_id, name, run_id, tags, dict(params))]
    logged = started[0]
    model_id = str(logged.model_id)
    if str(logged.status) != "READY":
        with tempfile.TemporaryDirectory() as directory:
            write_model(trained, model_id, run_id, Path(directory))
            client.log_model_artifacts(model_id, directory)
        client.log_model_artifacts(model_id, str(trained.saved_model), SAVED_MODEL)
        client.finalize_logged_model(model_id, "READY")
    return model_id
