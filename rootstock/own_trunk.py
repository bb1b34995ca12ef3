"""A user's own Keras model as a trunk. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import keras

from components.errors import RootstockError
from models.inputs.base import Feature, RawType
from models.trunks.base import Trunk


@dataclass(frozen=True, kw_only=True)
class Tensor(Feature):
    """An input of the user's own model: nothing is known of it but its form."""

    kind: Literal["tensor"] = "tensor"
    row_shape: tuple[int, ...] = ()
    type: str = "float32"

    @property
    def raw(self) -> RawType:
        return "number"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.row_shape

    @property
    def dtype(self) -> str:
        return self.type


@dataclass(frozen=True)
class OwnTrunk(Trunk):
    """The user's own model, and copies of it for schemes with several trunks."""

    model: Any
    name: Literal["own"] = "own"
    built: list[int] = field(default_factory=list)

    @property
    def pretrained(self) -> bool:
        return True

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        self.built.append(1)
        model = self.model
        if len(self.built) > 1:
            model = keras.models.clone_model(self.model)
            model.set_weights(self.model.get_weights())
        inputs = {f.name: keras.Input(f.shape, dtype=f.dtype, name=f.name) for f in features}
        takes = self.model.input
        if not isinstance(takes, Mapping):
            several = isinstance(takes, list | tuple)
            output = model(list(inputs.values()) if several else inputs[features[0].name])
        else:
            output = model(inputs)
        if len(output.shape) != 2:
            raise RootstockError(
                f"The trunk: expected an output [batch, width]. Received: {output.shape}. Add a"
                " pooling or Flatten layer."
            )
        return keras.Model(inputs, output, name="trunk")


def functional_of(trunk: keras.Model) -> tuple[keras.Model, dict[str, Any]]:
    """The same layers as a functional model, and its inputs by name.

    Raises:
        RootstockError: its inputs are not known.
    """
    if isinstance(trunk, keras.Sequential) and trunk.built:
        trunk = keras.Model(trunk.inputs[0], trunk.outputs[0])
    try:
        takes = trunk.input
    except AttributeError as e:
        raise RootstockError(
            "The trunk: its inputs are not known. Expected a functional model, or a Sequential with"
            f" a keras.Input. Received: {type(trunk).__name__}."
        ) from e
    if isinstance(takes, Mapping):
        return trunk, dict(takes)
    if isinstance(takes, list | tuple):
        return trunk, {f"input_{i}": x for i, x in enumerate(takes)}
    return trunk, {"input": takes}
