"""What a trunk is, whatever its source."""

from __future__ import annotations

from abc import ABC, abstractmethod

from models.features import Feature
from models.lazy import keras


class Trunk(ABC):
    """From preprocessed features to a representation that tasks share.

    A trunk is a frozen dataclass with a literal `name`, in a file of its own in `models/trunks`.
    """

    name: str

    @abstractmethod
    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        """A functional model from {feature name: [batch, ...]} to [batch, width] float.

        Its inputs are shaped and typed as `models.features` states; rescaling is inside. Layers
        are named `<group>.<layer>`, and groups follow each other from input to output.
        """


def layer_groups(trunk: keras.Model) -> dict[str, list[keras.Layer]]:
    """The layers of a trunk by group, from input to output: the units of freezing."""
    groups: dict[str, list[keras.Layer]] = {}
    for layer in trunk.layers:
        if "." in layer.name:
            groups.setdefault(layer.name.rpartition(".")[0], []).append(layer)
    return groups
