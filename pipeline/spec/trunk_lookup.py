"""Finds the trained model that a registry trunk names: in a store, pushed, or in MLflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from components.data.objects import is_url
from components.errors import RootstockError
from models.masked_url import MaskedUrl, without_secrets
from models.trunks.base import Trunk, TrunkError
from models.trunks.trained import Registry
from pipeline.spec.sections import Spec
from pipeline.spec.trusted_code import MODEL_STAGES, check_code, models_in
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.tracking.client import connect
from pipeline.tracking.registry import DIGEST
from serving.manifest import shortened

MLFLOW = "models:/"
ORIGIN = Path("assets.extra/rootstock.json")
"""The file of a pushed version that names the model that was pushed."""


def tracking_uri(spec: Spec) -> MaskedUrl:
    return spec.tracking.uri or MaskedUrl(f"sqlite:///{local(spec.store) / 'mlflow.db'}")


def with_trunk_looked_up(spec: Spec) -> Spec:
    store, uri = local(spec.store), tracking_uri(spec)
    model = spec.model.with_trunks(lambda trunk: looked_up(trunk, store, uri))
    return spec.model_copy(update={"model": model})


def looked_up(trunk: Trunk, store: Path, tracking_uri: MaskedUrl) -> Trunk:
    """The trunk, where `model` of a registry trunk is the directory of its trained model.

    store: that of the spec, where the model of a `models:/` address lies, if the trunk names none.

    Raises:
        RootstockError: there is no such model, it is not in the store, or it contains code that is
            not allowed to run.
    """
    if not isinstance(trunk, Registry):
        return trunk
    directory = _directory_of(trunk, store, tracking_uri)
    check_code(directory, trunk.allow_code, store)
    return replace(trunk, model=str(directory), store="", allow_code=False)


def _directory_of(trunk: Registry, store: Path, tracking_uri: MaskedUrl) -> Path:
    if not trunk.model.startswith(MLFLOW):
        try:
            return find_model(trunk.model, trunk.store)
        except TrunkError as e:
            raise RootstockError(f"model.trunk: {e}") from e
    place = local(trunk.store) if trunk.store else store
    digest = _digest(trunk.model, tracking_uri)
    directory = model_of_digest(place, digest)
    if directory is None:
        raise RootstockError(
            f"model.trunk: {trunk.model} is the model {digest}, which is not in the store {place}."
            " Name the store that it was trained in under model.trunk.store."
        )
    try:
        return _whole(directory)
    except TrunkError as e:
        raise RootstockError(f"model.trunk: {e}") from e


def _digest(uri: str, tracking_uri: MaskedUrl) -> str:
    from mlflow.exceptions import MlflowException

    name, _, alias = uri.removeprefix(MLFLOW).partition("@")
    try:
        client = connect(tracking_uri.reveal())
        if alias:
            version = client.get_model_version_by_alias(name, alias)
        else:
            name, _, number = name.rpartition("/")
            version = client.get_model_version(name, number)
    except MlflowException as e:
        raise RootstockError(
            f"model.trunk: {uri} at {tracking_uri}: {without_secrets(e.message)} Expected"
            " models:/name@alias or models:/name/version of a model that a run registered."
        ) from e
    if DIGEST not in version.tags:
        raise RootstockError(
            f"model.trunk: {uri} at {tracking_uri} was not trained by Rootstock: it has no tag"
            f" {DIGEST}."
        )
    return str(version.tags[DIGEST])


def find_model(model: str, store: str = "") -> Path:
    """The directory of a trained model. model, store: as in `Registry`.

    Raises:
        TrunkError: there is no such model, or it is damaged.
    """
    return _whole(_find_model(model, store))


def _whole(directory: Path) -> Path:
    """The directory of a model, unless it is in a store and no longer as it was published."""
    entry = Store(directory.parent.parent.parent).at(directory.parent)
    if entry is not None:
        entry.output(directory.name)  # fetched, if it is in a remote store
    if entry is not None and (damage := entry.damage()):
        raise TrunkError(
            f"{directory} is damaged: {shortened(damage)}. Run the spec that trained it again; that"
            " makes it again."
        )
    return directory


def _find_model(model: str, store: str) -> Path:
    if model.startswith(MLFLOW):
        raise TrunkError(f"{model}: such an address has to be looked up in MLflow first.")
    path = local(model)
    if (path / "model.json").is_file():
        return path
    if (path / "Trainer").is_dir() or is_url(model):
        newest = max(models_in(path, "Trainer"), key=lambda model: model[0], default=None)
        if newest is None:
            raise TrunkError(f"store {model}: no model has been trained in it.")
        return newest[1]
    versions = [d for d in path.glob("[0-9]*") if d.name.isdigit() and (d / ORIGIN).is_file()]
    pushed = max(versions, key=lambda d: int(d.name), default=path)
    if not (pushed / ORIGIN).is_file():
        raise TrunkError(
            f"{model!r} is not a trained model. Expected its directory (with model.json), a"
            " pushed version or the directory of its versions, or a store."
        )
    digest = json.loads((pushed / ORIGIN).read_text())["digest"]
    stores = [local(store)] if store else [d for d in pushed.parents if (d / "Trainer").is_dir()]
    for place in stores:
        if (directory := model_of_digest(place, digest)) is not None:
            return directory
    places = ", ".join(map(str, stores)) or "a directory above it"
    raise TrunkError(
        f"{pushed} was pushed from the model {digest}, which is not in {places}. Name its store"
        " under `store`."
    )


def model_of_digest(store: Path, digest: str) -> Path | None:
    """The directory of the trained model with this digest in a store; None if there is none."""
    models = (m for stage in MODEL_STAGES for m in models_in(store, stage))
    return next((directory for _, directory, of_model in models if of_model == digest), None)
