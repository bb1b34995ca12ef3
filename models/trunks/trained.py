"""The trunk of a model that was trained here, so that knowledge moves between tasks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.inputs.encodings import AsTrained, Reading
from models.inputs.features import Feature
from models.inputs.spec import STRICT, Input
from models.lazy import keras
from models.trunks.base import Trunk, TrunkError

if TYPE_CHECKING:
    from models.multitask.record import ModelRecord

MLFLOW = "models:/"
ORIGIN = Path("assets.extra/rootstock.json")
"""Where a pushed version says which model it is."""


@dataclass(frozen=True, kw_only=True)
class Registry(Trunk):
    """Reads its inputs exactly as that model did: with its vocabularies, means and image size.

    model: the directory of a trained model; a pushed version of it, or the directory of all its
        versions (the latest counts); a store (the model that was trained last counts); or
        `models:/name@alias` or `models:/name/version` in MLflow's registry.
    store: where the model of a pushed or registered version lies; when empty, the store around that
        version, or that of the spec.
    pretrained: false for the same architecture with fresh weights.
    """

    __pydantic_config__ = STRICT
    name: Literal["registry"] = "registry"
    model: str = field(metadata={"fingerprint": False, "path": True})
    store: str = field(default="", metadata={"fingerprint": False, "path": True})
    pretrained: bool = True

    def reading(self) -> Reading:
        """See `Trunk.reading`."""
        return AsTrained(source=str(self._directory()))

    def files(self) -> tuple[str, ...]:
        """See `Trunk.files`."""
        from models.multitask.record import RECORD, SOURCE, WEIGHTS

        found = (self._directory() / name for name in (RECORD, WEIGHTS, SOURCE))
        return tuple(str(path) for path in found if path.exists())

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        """See `Trunk.check`."""
        from models.inputs.encodings import as_trained

        try:
            as_trained(inputs, self._record().features)
        except (TrunkError, ValueError) as e:
            return [str(e)]
        return []

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        """See `Trunk.build`."""
        from models.multitask.record import read_model

        record = self._record()
        if not record.sharing.one_trunk:
            raise TrunkError(
                f"trained model {self.model!r} has no trunk by itself: sharing"
                f" {record.sharing.name} takes trunks apart. Expected a model of another sharing."
            )
        record = replace(record, features=_in_its_order(features, record.features, self.model))
        if not self.pretrained:
            return record.build().trunk
        try:
            return read_model(self._directory(), record).trunk
        except (OSError, ValueError) as e:
            raise TrunkError(f"trained model {self.model!r} cannot be loaded: {e}") from e

    def keep(self, directory: Path) -> None:
        """See `Trunk.keep`."""
        from models.multitask.record import RECORD, SOURCE

        model = self._directory()
        shutil.copy(model / RECORD, directory)
        if (model / SOURCE).exists():
            shutil.copytree(model / SOURCE, directory / SOURCE)

    def kept_in(self, directory: Path) -> Registry:
        """See `Trunk.kept_in`."""
        return replace(self, model=str(directory), store="", pretrained=False)

    def _record(self) -> ModelRecord:
        from models.multitask.record import read_record

        directory = self._directory()
        try:
            return read_record(directory)
        except (OSError, ValueError) as e:
            raise TrunkError(
                f"trained model {directory}: its model.json cannot be read: {e}"
            ) from e

    def _directory(self) -> Path:
        return find_model(self.model, self.store)


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


def _in_its_order(
    given: tuple[Feature, ...], trained: tuple[Feature, ...], model: str
) -> tuple[Feature, ...]:
    """The given features in the order of those that the model was trained with."""
    left = sorted(given, key=lambda f: f.name)
    ordered = []
    for feature in trained:
        fitting = [f for f in left if replace(feature, name=f.name, column=f.column) == f]
        if not fitting:
            raise TrunkError(
                f"trained model {model!r} reads {feature.name!r} ({feature.kind}), and no input is"
                f" prepared as it was. Inputs: {', '.join(f'{f.name} ({f.kind})' for f in given)}."
            )
        best = next((f for f in fitting if f.name == feature.name), fitting[0])
        left.remove(best)
        ordered.append(best)
    return tuple(ordered)
