"""A trunk with the weights that it has after pretraining on the user's texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.inputs.base import Feature
from models.lazy import keras
from models.trunks.base import Trunk

WEIGHTS = "weights.npz"


def save_adapted(trunk: keras.Model, directory: Path) -> None:
    """Write the weights of the part that computes outputs of tokens."""
    import numpy as np

    named = {f"{i}:{v.path}": np.asarray(v) for i, v in enumerate(_variables(trunk))}
    np.savez(directory / WEIGHTS, allow_pickle=False, **named)


@dataclass(frozen=True, kw_only=True)
class Adapted(Trunk):
    """What a model is built and saved with. No spec names it: `model.pretraining` makes it.

    trunk: as the spec states it. directory: of what `save_adapted` wrote.
    """

    name: str = "adapted"
    trunk: Trunk
    directory: Path

    @property
    def pretrained(self) -> bool:
        return True

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        import numpy as np

        model = self.trunk.build(features)
        with np.load(self.directory / WEIGHTS) as arrays:
            for variable, value in zip(_variables(model), arrays.values(), strict=True):
                variable.assign(value)
        return model

    def save_files(self, directory: Path) -> None:
        self.trunk.save_files(directory)

    def with_saved_files(self, directory: Path) -> Trunk:
        return self.trunk.with_saved_files(directory)


def _variables(trunk: keras.Model) -> list[keras.Variable]:
    from models.trunks.layers.token_outputs import token_model

    variables: list[keras.Variable] = token_model(trunk).trainable_variables
    return variables
