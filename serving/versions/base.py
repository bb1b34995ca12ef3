"""Where models are pushed to: a directory of this machine, or a store behind an fsspec URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from serving.versions import directory as layout
from serving.versions import labels
from serving.versions.history import Origin, history
from serving.versions.rollback import tried


class Destination(ABC):
    """A place of models and their versions. Versions are whole, and their numbers only grow.

    Methods raise ValueError for an impossible name, OSError where the place cannot be written, and
    `layout.NoSuchVersion`.
    """

    @abstractmethod
    def push(self, model: str, saved_model: Path, digest: str, keep: int | None) -> int:
        """See `layout.push`."""

    @abstractmethod
    def rollback(
        self, model: str, to: int | None = None, keep: int | None = None
    ) -> tuple[int, int]:
        """See `layout.rollback`."""

    @abstractmethod
    def push_again(self, model: str, version: int, keep: int | None = None) -> int:
        """See `layout.push_again`."""

    @abstractmethod
    def label(self, model: str, name: str, version: int | None = None) -> int:
        """See `layout.label`."""

    @abstractmethod
    def history(self, model: str) -> Mapping[int, Origin | None]:
        """The origin of each version, ascending."""

    @abstractmethod
    def labels(self, model: str) -> Mapping[str, int]:
        """The version of each label."""

    @abstractmethod
    def tried(self, model: str) -> set[int]:
        """See `going_back.tried`."""

    @abstractmethod
    def fetch(self, model: str, version: int, cache: Path) -> Path:
        """A version as a directory of this machine; copied into `cache` if need be."""

    @abstractmethod
    def place(self, model: str, version: int | None = None) -> str:
        """The path or URL of a model, or of a version of it."""


class Directory(Destination):
    """A directory of this machine, or one mounted on it."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def push(self, model: str, saved_model: Path, digest: str, keep: int | None) -> int:
        """See `Destination`."""
        return layout.push(self.base, model, saved_model, digest, keep)

    def rollback(
        self, model: str, to: int | None = None, keep: int | None = None
    ) -> tuple[int, int]:
        """See `Destination`."""
        return layout.rollback(self.base, model, to, keep)

    def push_again(self, model: str, version: int, keep: int | None = None) -> int:
        """See `Destination`."""
        return layout.push_again(self.base, model, version, keep)

    def label(self, model: str, name: str, version: int | None = None) -> int:
        """See `Destination`."""
        return layout.label(self.base, model, name, version)

    def history(self, model: str) -> Mapping[int, Origin | None]:
        """See `Destination`."""
        return history(layout.model_directory(self.base, model))

    def labels(self, model: str) -> Mapping[str, int]:
        """See `Destination`."""
        return labels.read(layout.model_directory(self.base, model))

    def tried(self, model: str) -> set[int]:
        """See `Destination`."""
        return tried(self.history(model), labels.read_all(layout.model_directory(self.base, model)))

    def fetch(self, model: str, version: int, cache: Path) -> Path:
        """See `Destination`."""
        return layout.model_directory(self.base, model) / str(version)

    def place(self, model: str, version: int | None = None) -> str:
        """See `Destination`."""
        directory = layout.model_directory(self.base, model)
        return str((directory if version is None else directory / str(version)).absolute())


def destination(place: str) -> Destination:
    """The destination of a path or URL.

    Raises:
        ValueError: a URL whose kind of store fsspec does not know.
        ImportError: the package for that kind of store is not installed.
    """
    if "://" not in place:
        return Directory(Path(place))
    if place.startswith("file://"):
        return Directory(Path(place.removeprefix("file://")))
    from serving.versions.object_store import ObjectStore

    return ObjectStore(place)
