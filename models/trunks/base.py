"""What a trunk is, whatever its source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Words
from models.lazy import keras


class TrunkError(ValueError):
    """A trunk cannot be built as the spec says: what was expected, what there is, what to do."""


class Trunk(ABC):
    """From preprocessed features to a representation that tasks share.

    A trunk is a frozen dataclass with a literal `name`, in a file of its own in `models/trunks`.
    """

    name: str

    @property
    def pretrained(self) -> bool:
        """Whether `build` gives it weights that were trained before."""
        return False

    @abstractmethod
    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        """A functional model from {feature name: [batch, ...]} to [batch, width] float.

        Its inputs are shaped and typed as the features state; rescaling is inside.
        Layers are named `<group>.<layer>`, and groups follow each other from input to output.

        Raises:
            TrunkError: its pretrained files, or the features, are not what it needs.
        """

    def reading(self) -> Reading:
        """How it wants its inputs prepared."""
        return Words()

    def files(self) -> tuple[str, ...]:
        """The local files and directories whose content it starts from; downloads what is not yet
        in its usual cache. The fields that name them are no part of its fingerprint: these are.

        Raises:
            TrunkError: they cannot be had.
        """
        return ()

    def made_of(self) -> tuple[object, ...]:
        """Dataclasses that `build` reads from files and whose own code it runs, so that it counts
        in fingerprints as the code of the trunk does.
        """
        return ()

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        """What would keep `build` from working, one sentence each, found without TensorFlow: what
        is missing, unreadable, needs the network, or does not fit the inputs.
        """
        return []

    def keep(self, directory: Path) -> None:  # noqa: B027 - most trunks need nothing
        """Write into an empty directory what `kept_in` needs besides the weights."""

    def kept_in(self, directory: Path) -> Trunk:
        """The trunk that builds the same architecture, with any weights, from what was kept: the
        files that this one names may be gone.
        """
        return self


def keras_input(feature: Feature) -> keras.KerasTensor:
    """The symbolic input of a preprocessed feature."""
    return keras.Input(feature.shape, dtype=feature.dtype, name=feature.name)


def layer_groups(trunk: keras.Model) -> dict[str, list[keras.Layer]]:
    """The layers of a trunk by group, from input to output: the units of freezing. Every weight is
    in one of them, and each of them has weights.
    """
    groups: dict[str, list[keras.Layer]] = {}
    for layer in trunk.layers:
        inside = layer._flatten_layers(include_self=False, recursive=False)
        for part in [layer] if "." in layer.name else inside:
            if "." in part.name:
                groups.setdefault(part.name.rpartition(".")[0], []).append(part)
    return {name: layers for name, layers in groups.items() if any(la.weights for la in layers)}
