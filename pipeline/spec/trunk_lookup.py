"""From a version in MLflow's registry to the trained model in a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from components.stage import RootstockError
from models.trunks.base import Trunk
from models.trunks.trained import MLFLOW, Registry, model_of_digest
from pipeline.spec.sections import Spec
from pipeline.tracking.registry import DIGEST


def tracking_uri(spec: Spec) -> str:
    """Where the MLflow record of this spec's runs is."""
    return spec.tracking.uri or f"sqlite:///{Path(spec.store) / 'mlflow.db'}"


def with_trunk_looked_up(spec: Spec) -> Spec:
    """`spec` with a trunk that names files alone; see `looked_up`."""
    trunk = looked_up(spec.model.trunk, Path(spec.store), tracking_uri(spec))
    model = spec.model.model_copy(update={"trunk": trunk})
    return spec.model_copy(update={"model": model})


def looked_up(trunk: Trunk, store: Path, tracking_uri: str) -> Trunk:
    """The trunk itself; a registry trunk's `models:/name@alias` or `models:/name/version` as the
    directory of that model in its store (`store` if it names none).

    Raises:
        RootstockError: MLflow knows no such version, or its model is not in the store.
    """
    if not isinstance(trunk, Registry) or not trunk.model.startswith(MLFLOW):
        return trunk
    place = Path(trunk.store) if trunk.store else store
    digest = _digest(trunk.model, tracking_uri)
    found = model_of_digest(place, digest)
    if found is None:
        raise RootstockError(
            f"model.trunk: {trunk.model} is the model {digest}, which is not in the store {place}."
            " Name the store that it was trained in under model.trunk.store."
        )
    return replace(trunk, model=str(found), store="")


def _digest(uri: str, tracking_uri: str) -> str:
    import mlflow
    from mlflow.exceptions import MlflowException

    name, _, alias = uri.removeprefix(MLFLOW).partition("@")
    client = mlflow.MlflowClient(tracking_uri, tracking_uri)
    try:
        if alias:
            version = client.get_model_version_by_alias(name, alias)
        else:
            name, _, number = name.rpartition("/")
            version = client.get_model_version(name, number)
    except MlflowException as e:
        raise RootstockError(
            f"model.trunk: {uri} at {tracking_uri}: {e.message} Expected models:/name@alias or"
            " models:/name/version of a model that a run registered."
        ) from e
    if DIGEST not in version.tags:
        raise RootstockError(
            f"model.trunk: {uri} at {tracking_uri} was not trained by Rootstock: it has no tag"
            f" {DIGEST}."
        )
    return str(version.tags[DIGEST])
