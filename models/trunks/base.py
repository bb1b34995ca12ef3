"""Interface of trunks, whatever their source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from models.config import STRICT
from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Words
from models.lazy import Tensor, keras
from models.masked_url import mask_fields

PART = "part_"
"""With which the names of the trunks begin that a trunk consists of."""


class TrunkError(ValueError):
    """A trunk cannot be built as specified: what was expected, what was received, what to do."""


class Trunk(ABC):
    """The spec of a network from preprocessed features to a representation that tasks share: a
    frozen dataclass with a literal `name`, one per file.
    """

    __pydantic_config__ = STRICT
    name: str

    def __post_init__(self) -> None:
        mask_fields(self)

    @property
    def pretrained(self) -> bool:
        """Whether `build` loads pretrained weights."""
        return False

    @abstractmethod
    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        """A functional model from {feature name: [batch, ...]} to [batch, width] float; or to
        [batch * members, width], see `models.trunks.layers.members`.

        Its inputs have the shapes and dtypes of the features; rescaling is part of the model.
        Layers are named `<group>.<layer>`, with groups in order from input to output.

        Raises:
            TrunkError: the pretrained files or the features are not what the trunk needs.
        """

    def reading(self) -> Reading:
        """How the trunk needs its inputs prepared."""
        return Words()

    def files(self) -> tuple[str, ...]:
        """The local files and directories with the pretrained weights, downloaded if they are not
        in the source's cache. Their content counts in the fingerprint, instead of the fields that
        name them.

        Raises:
            TrunkError: they are missing and cannot be downloaded.
        """
        return ()

    def is_here(self) -> bool:
        """Whether its files are on this machine, so that `build` downloads nothing."""
        return True

    def made_of(self) -> tuple[object, ...]:
        """The dataclasses that `build` reads from files. Their code counts in fingerprints too."""
        return ()

    def beside_stored(self, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """The features that it still reads where what its frozen part computes is stored."""
        return ()

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        """Problems that would make `build` fail, one sentence each. Does not import TensorFlow."""
        return []

    def check_transfer(self, frozen: bool) -> str:
        """Why the trunk cannot be used frozen, or cannot be trained; empty if it can be."""
        return ""

    def check_pretraining(self) -> str:
        """Why the trunk cannot learn from texts without labels; empty if it can."""
        return (
            f"model.pretraining: a {self.name} trunk has no pretrained embeddings of tokens."
            " Expected a pretrained text trunk, such as keras_hub or gguf. Remove the key."
        )

    def save_files(self, directory: Path) -> None:  # noqa: B027 - most trunks need no files
        """Write what `with_saved_files` needs, except the weights, into an empty directory."""

    def with_saved_files(self, directory: Path) -> Trunk:
        """A trunk that builds the same architecture, with any weights, from what `save_files`
        wrote. It works even after the files that this trunk names are deleted.
        """
        return self


def keras_input(feature: Feature) -> Tensor:
    """The symbolic input of a preprocessed feature."""
    return keras.Input(feature.shape, dtype=feature.dtype, name=feature.name)


def layer_groups(trunk: keras.Model) -> dict[str, list[keras.Layer]]:
    """The layers of a trunk by group, from input to output. Groups are the units of unfreezing.

    Every weight belongs to exactly one group, and every group has weights. Those of a trunk of
    several parts begin with the name of the part and a slash.
    """
    groups: dict[str, list[keras.Layer]] = {}
    for layer in trunk.layers:
        if layer.name.startswith(PART):
            groups |= {f"{layer.name}/{n}": inside for n, inside in layer_groups(layer).items()}
            continue
        inside = layer._flatten_layers(include_self=False, recursive=False)
        for part in [layer] if "." in layer.name else inside:
            if "." in part.name:
                groups.setdefault(part.name.rpartition(".")[0], []).append(part)
    if not groups:  # a user's own model, whose layers have any names: each is a group
        groups = {layer.name: [layer] for layer in _in_order(trunk)}
    return {name: layers for name, layers in groups.items() if any(la.weights for la in layers)}


def _in_order(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a model, and in place of a model inside of it its layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _in_order(layer)
        else:
            yield layer
