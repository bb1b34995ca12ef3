"""What a trunk is, whatever its source."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from models.features import Feature
from models.inputs import Input
from models.lazy import keras
from models.reading import Reading, Words

T = TypeVar("T", bound="Trunk")


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

        Its inputs are shaped and typed as `models.features` states; rescaling is inside. Layers
        are named `<group>.<layer>`, and groups follow each other from input to output.

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


def located(trunk: T, base: str) -> T:
    """A trunk whose relative paths, in fields marked `metadata={"path": True}`, start at `base`.

    Such a field may also hold a name or a URL: a relative path is what begins with a dot or `~`,
    or exists below `base`.
    """

    def absolute(value: str) -> str:
        path = os.path.normpath(os.path.join(base, os.path.expanduser(value)))
        is_path = value.startswith((".", "~", "/")) or os.path.exists(path)
        return path if is_path and "://" not in value else value

    paths = {f.name: getattr(trunk, f.name) for f in fields(trunk) if f.metadata.get("path")}  # type: ignore[arg-type]
    return replace(trunk, **{k: absolute(v) for k, v in paths.items() if v})  # type: ignore[type-var]


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
