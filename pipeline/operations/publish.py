"""Exports the trunk of a pushed model as a TF Hub module, for other specs and programs."""

from __future__ import annotations

from pathlib import Path

from components.errors import RootstockError
from models.model_files import WEIGHTS
from models.multitask.build import read_model
from models.multitask.by_input import ByInput
from models.multitask.record import read_record
from models.trunks.base import TrunkError
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import find_model
from serving.versions.history import version_numbers


def publish_trunk_of(spec: Spec, directory: Path) -> None:
    """Write the trunk of the newest pushed model as a reusable SavedModel.

    See `models.trunks.sources.hub_publish`.

    directory: a new one; missing parents are created.

    Raises:
        RootstockError: the directory exists already or cannot be written, no model has been pushed,
            or the pushed one is no longer in the store.
    """
    if directory.exists():
        raise RootstockError(f"{directory} already exists. Name a new directory.")
    pushed = Path(spec.push.destination) / spec.name
    if not version_numbers(pushed):
        raise RootstockError(f"{pushed}: no model has been pushed yet. Run the spec first.")
    try:
        model = find_model(str(pushed), spec.store)
    except TrunkError as e:
        raise RootstockError(str(e)) from e

    if not (model / WEIGHTS).exists():
        raise RootstockError(
            f"{model} is an ensemble, which has no single trunk that could be published. Run the"
            " spec without `ensemble` first."
        )
    from models.trunks.sources.hub_publish import publish as publish_trunk

    record = read_record(model)
    if isinstance(record.trunk, ByInput):
        raise RootstockError(
            "model.trunks: a published trunk is a single one, but this model has one for each of"
            " several inputs. Train with model.trunk alone."
        )
    if not record.sharing.one_trunk:
        raise RootstockError(
            f"model.sharing {record.sharing.name} has no single trunk that could be published."
            " Train with another sharing method."
        )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        publish_trunk(read_model(model, record).trunk, record.features, directory)
    except OSError as e:
        raise RootstockError(f"{directory}: cannot be written ({e.strerror or e}).") from e
