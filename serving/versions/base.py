"""Push destinations: places that hold models, each in numbered versions."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from serving.manifest import Depth, manifest_of, shortened
from serving.versions.history import FILE, History, Origin
from serving.versions.labels import Labels
from serving.versions.rollback import (
    default_target,
    labels_after_rollback,
    trial_versions,
    versions_to_remove,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


class NoSuchVersion(Exception):
    """The requested version, or a version to roll back to, does not exist."""


def check_name(name: str, what: str = "model name") -> None:
    """Raises ValueError if a name cannot be part of a path and of a request's URL."""
    if not _NAME.fullmatch(name):
        expected = f"Expected a {what} of at most 128 letters, digits, '_', '-' and '.'."
        raise ValueError(f"{expected} Received: {name!r}")


class Destination(ABC):
    """Holds models in numbered versions. A number is never used twice, and versions never change.

    The public methods here decide which versions and labels to write and which versions to delete;
    subclasses read and write the files. All methods raise ValueError for an invalid name and
    OSError if the destination cannot be read or written.
    """

    def push(self, model: str, saved_model: Path, digest: str, keep: int | None = None) -> int:
        """Copy a SavedModel to the destination as the next version.

        If a version with this digest exists already, and none of its files is missing or cut,
        nothing is copied.

        keep: how many versions to keep; older ones are deleted, except those that
            `serving.versions.rollback.versions_to_remove` protects. None: keep all.

        Returns:
            The version of the model.
        """
        check_name(model)
        with self._locked(model):
            existing = self._newest_whole(model, digest)
        if existing is not None:
            return existing
        origin = Origin.now(digest, files=manifest_of(saved_model, left_out=[FILE.as_posix()]))
        with self._staged(model, saved_model, origin) as publish, self._locked(model):
            existing = self._newest_whole(model, digest)
            if existing is not None:  # pushed by someone else while we copied
                return existing
            version = publish()
            self._remove_old(model, keep)
            return version

    def rollback(
        self, model: str, to: int | None = None, keep: int | None = None
    ) -> tuple[int, int]:
        """Publish the content of an earlier version as a new version, which servers then load.

        Labels move to it as `serving.versions.rollback.labels_after_rollback` describes.

        Args:
            model: its name.
            to: the version to restore; None: the model served before the current one, see
                `serving.versions.rollback.default_target`.
            keep: as in `push`.

        Returns:
            The new version and the version that it restores.

        Raises:
            NoSuchVersion: there is no such version, none to roll back to, or it is damaged.
        """
        history = self.history(model)
        restored = self._version_to_restore(model, history, to)
        origin = self._origin_of_copy(model, restored, restored)
        with self._staged(model, restored, origin) as publish, self._locked(model):
            history, labels = self.history(model), self._read_labels(model)
            version = publish()
            if labels.versions:
                labels = labels_after_rollback(history, labels, restored, version, to is not None)
                self._write_labels(model, labels)
            self._remove_old(model, keep)
            return version, restored

    def push_again(self, model: str, version: int, keep: int | None = None) -> int:
        """Publish an existing version again, so that it is the newest. Labels do not move.

        keep: as in `push`.

        Returns:
            The new version.

        Raises:
            FileNotFoundError: there is no such version.
            NoSuchVersion: it is damaged.
        """
        history = self.history(model)
        if version not in history:
            raise FileNotFoundError(f"{self.location(model, version)} does not exist.")
        origin = self._origin_of_copy(model, version)
        with self._staged(model, version, origin) as publish, self._locked(model):
            new = publish()
            self._remove_old(model, keep)
            return new

    def label(self, model: str, name: str, version: int | None = None) -> int:
        """Move a label to a version; None: to the newest.

        Returns:
            The version.

        Raises:
            NoSuchVersion: there is no such version.
        """
        check_name(name, "label")
        history = self.history(model)
        if not history:
            raise NoSuchVersion(f"{self.location(model)} holds no version.")
        labelled = max(history) if version is None else version
        if labelled not in history:
            raise NoSuchVersion(f"{self.location(model)} holds no version {labelled}.")
        with self._locked(model):
            labels = self._read_labels(model).moved(name, labelled, history)
            self._write_labels(model, labels)
        return labelled

    def labels(self, model: str) -> Mapping[str, int]:
        return self._read_labels(model).versions

    def trial_versions(self, model: str) -> set[int]:
        """The versions that were only ever on trial: pushed and labelled, but never `stable`."""
        return trial_versions(self.history(model), self._read_labels(model))

    @abstractmethod
    def history(self, model: str) -> History:
        """The origin of each version, ascending; empty if there is no such model."""

    @abstractmethod
    def location(self, model: str, version: int | None = None) -> str:
        """The absolute path or the URL of a model, or of one of its versions."""

    @abstractmethod
    def damage(self, model: str, version: int, depth: Depth = "sizes") -> list[str]:
        """How a version differs from what was pushed, one phrase for each file.

        Empty if it does not, or if nothing tells what was pushed.
        """

    @abstractmethod
    def fetch(self, model: str, version: int, cache: Path) -> Path:
        """A version as a local directory; a remote version is downloaded into `cache`."""

    @abstractmethod
    def _locked(self, model: str) -> AbstractContextManager[None]:
        """Exclude other writers of this model, if the destination can."""

    @abstractmethod
    def _staged(
        self, model: str, source: Path | int, origin: Origin
    ) -> AbstractContextManager[Callable[[], int]]:
        """Prepare a new version with the content of a SavedModel directory or of a version.

        The block receives a function that publishes the version and returns its number.
        """

    @abstractmethod
    def _remove(self, model: str, version: int) -> None:
        """Delete a version. The caller holds the lock."""

    @abstractmethod
    def _read_labels(self, model: str) -> Labels:
        """The labels; none if there is no such model."""

    @abstractmethod
    def _write_labels(self, model: str, labels: Labels) -> None:
        """Replace all labels. The caller holds the lock."""

    def _version_to_restore(self, model: str, history: History, to: int | None) -> int:
        place = self.location(model)
        if not history:
            raise NoSuchVersion(f"{place} holds no version.")
        restored = default_target(history, self._read_labels(model)) if to is None else to
        if restored is None or restored not in history:
            missing = "no other model that was served" if to is None else f"no version {to}"
            versions = ", ".join(map(str, history))
            raise NoSuchVersion(f"{place} holds {missing}. Versions there: {versions}.")
        return restored

    def _newest_whole(self, model: str, digest: str) -> int | None:
        """The newest version of the model with this digest that is not damaged."""
        history = self.history(model)
        with_digest = {v: o for v, o in history.items() if o and o.digest == digest}
        for version in sorted(with_digest, reverse=True):
            if not self.damage(model, version):
                return version
        return None

    def _origin_of_copy(self, model: str, version: int, restores: int | None = None) -> Origin:
        """The origin of a new version with the content of another one.

        Raises:
            NoSuchVersion: that one is damaged.
        """
        if phrases := self.damage(model, version, "checksums"):
            place = self.location(model, version)
            raise NoSuchVersion(
                f"{place} is damaged: {shortened(phrases)}. Choose another version."
            )
        origin = self.history(model)[version]
        if origin is None:
            return Origin.now("", restores)
        return Origin.now(origin.digest, restores, origin.files)

    def _remove_old(self, model: str, keep: int | None) -> None:
        if keep is None:
            return
        for version in versions_to_remove(self.history(model), self._read_labels(model), keep):
            self._remove(model, version)
