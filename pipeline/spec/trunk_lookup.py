"""From a version in MLflow's registry to the trained model in a store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.errors import RootstockError
from models.trunks.base import Trunk, TrunkError
from models.trunks.trained import Registry
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
    """The trunk itself; a registry trunk with the directory of its trained model as `model`.

    A `models:/` address without a store of its own is looked for in `store`.

    Raises:
        RootstockError: there is no such model, or it is not in the store.
    """
    if not isinstance(trunk, Registry):
        return trunk
    if not trunk.model.startswith(MLFLOW):
        try:
            return replace(trunk, model=str(find_model(trunk.model, trunk.store)), store="")
        except TrunkError as e:
            raise RootstockError(f"model.trunk: {e}") from e
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


MLFLOW = "models:/"


ORIGIN = Path("assets.extra/rootstock.json")
"""Where a pushed version says which model it is."""


def find_model(model: str, store: str = "") -> Path:
    """The directory of a trained model; see `Registry`.

    Raises:
        TrunkError: there is none.
    """
    if model.startswith(MLFLOW):
        raise TrunkError(f"{model}: it has to be looked up in MLflow first.")
    path = Path(model)
    if (path / "model.json").is_file():
        return path
    if (path / "Trainer").is_dir():
        newest = max(_models(path, "Trainer"), key=lambda told: told[0], default=None)
        if newest is None:
            raise TrunkError(f"store {model}: no model has been trained in it.")
        return newest[1]
    versions = [d for d in path.glob("[0-9]*") if d.name.isdigit() and (d / ORIGIN).is_file()]
    pushed = max(versions, key=lambda d: int(d.name), default=path)
    if not (pushed / ORIGIN).is_file():
        raise TrunkError(
            f"{model!r} is no trained model. Expected the directory of one (it holds model.json), a"
            " pushed version or the directory of its versions, or a store."
        )
    digest = json.loads((pushed / ORIGIN).read_text())["digest"]
    stores = [Path(store)] if store else [d for d in pushed.parents if (d / "Trainer").is_dir()]
    for place in stores:
        if (found := model_of_digest(place, digest)) is not None:
            return found
    places = ", ".join(map(str, stores)) or "a directory above it"
    raise TrunkError(
        f"{pushed} was pushed from the model {digest}, which is not in {places}. Name its store"
        " under `store`."
    )


def model_of_digest(store: Path, digest: str) -> Path | None:
    """The directory of the trained model in a store that has this digest."""
    models = (m for stage in ("Trainer", "Exporter") for m in _models(store, stage))
    return next((path for _, path, found in models if found == digest), None)


def _models(store: Path, stage: str) -> list[tuple[float, Path, str]]:
    """When each model that a stage made was published, where it lies, and its digest."""
    found = []
    for file in store.glob(f"{stage}/[!.]*/artifact.json"):
        told: dict[str, Any] = json.loads(file.read_text())
        found.append((told["created"], file.parent / "model", told["outputs"]["model"]["digest"]))
    return found
