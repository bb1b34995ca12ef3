"""The trunk of a model that Rootstock trained, so that its knowledge transfers to other tasks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from models.inputs.base import Feature, Input
from models.inputs.encodings import AsTrained, Reading
from models.inputs.tokens import TokensFeature
from models.inputs.trained import as_trained, read_features
from models.lazy import keras
from models.model_files import RECORD, SOURCE, WEIGHTS
from models.trunks.base import Trunk, TrunkError


@dataclass(frozen=True, kw_only=True)
class Registry(Trunk):
    """Reads its inputs exactly as that model did, with the same vocabularies, means and image size.

    model: the directory of a trained model. A spec may also name a pushed version, the directory of
        all versions of a model (the newest is used), a store (the model trained last is used), or
        `models:/name@alias` or `models:/name/version` in MLflow's registry.
    store: the store with the model of a pushed or registered version; when empty, the store around
        that version, or that of the spec.
    pretrained: false for the same architecture with random weights.
    allow_code: run the Python code in a model that was not made in the store of this spec. Only
        models with `layer` inputs contain code. Allow it only if you trust those who made it.
    """

    name: Literal["registry"] = "registry"
    model: str = field(metadata={"fingerprint": False, "path": True})
    store: str = field(default="", metadata={"fingerprint": False, "path": True})
    pretrained: bool = True
    allow_code: bool = field(default=False, metadata={"fingerprint": False})

    def reading(self) -> Reading:
        return AsTrained(source=str(self._directory()))

    def files(self) -> tuple[str, ...]:
        paths = (self._directory() / name for name in (RECORD, WEIGHTS, SOURCE))
        return tuple(str(path) for path in paths if path.exists())

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        try:
            as_trained(inputs, self._features())
        except (TrunkError, ValueError) as e:
            return [str(e)]
        return []

    def made_of(self) -> tuple[object, ...]:
        from models.multitask import build

        return build.specs_of(self._directory())

    def check_pretraining(self) -> str:
        if not (Path(self.model) / RECORD).is_file():
            return ""  # not looked up yet
        reads_tokens = any(isinstance(f, TokensFeature) for f in self._features())
        return "" if reads_tokens else super().check_pretraining()

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        from models.multitask import build

        ordered = _in_trained_order(features, self._features(), self.model)
        try:
            return build.read_trunk(self._directory(), ordered, self.pretrained)
        except (OSError, ValueError) as e:
            raise TrunkError(f"trained model {self.model!r}: {e}") from e

    def save_files(self, directory: Path) -> None:
        model = self._directory()
        shutil.copy(model / RECORD, directory)
        if (model / SOURCE).exists():
            shutil.copytree(model / SOURCE, directory / SOURCE)

    def with_saved_files(self, directory: Path) -> Registry:
        return replace(self, model=str(directory), store="", pretrained=False, allow_code=False)

    def _features(self) -> tuple[Feature, ...]:
        directory = self._directory()
        try:
            return read_features(directory)
        except (OSError, ValueError) as e:
            what = f"trained model {directory}: its model.json cannot be read: {e}"
            raise TrunkError(what) from e

    def _directory(self) -> Path:
        directory = Path(self.model)
        if not (directory / RECORD).is_file():
            raise TrunkError(f"{self.model!r} is no trained model: it has no {RECORD}.")
        return directory


def _in_trained_order(
    features: tuple[Feature, ...], trained: tuple[Feature, ...], model: str
) -> tuple[Feature, ...]:
    """The features in the order of those that the model was trained with.

    Raises:
        TrunkError: a feature that the model reads is missing.
    """
    left = sorted(features, key=lambda f: f.name)
    ordered = []
    for feature in trained:
        candidates = [f for f in left if replace(feature, name=f.name, column=f.column) == f]
        if not candidates:
            inputs = ", ".join(f"{f.name} ({f.kind})" for f in features)
            raise TrunkError(
                f"trained model {model!r} reads {feature.name!r} ({feature.kind}), but no input is"
                f" prepared in the same way. Inputs: {inputs}."
            )
        best = next((f for f in candidates if f.name == feature.name), candidates[0])
        left.remove(best)
        ordered.append(best)
    return tuple(ordered)
