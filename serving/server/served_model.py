"""One served model: its versions in memory, loaded and replaced as those on disk change.

`policy` says which versions to serve. When that changes, the new versions are loaded first, then
they take over, then the old ones are freed after their last request: no request fails. If a version
cannot be loaded, the versions served before stay.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

from serving.manifest import shortened
from serving.server.monitoring import Monitoring
from serving.server.policy import ModelConfig
from serving.server.saved_model import SavedModel
from serving.versions.history import damage, version_paths
from serving.versions.labels import read_labels
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import State

_log = logging.getLogger(__name__)

Load = Callable[[Path], SavedModel]


@dataclass(frozen=True)
class Target:
    """The model that a request names, with a version or a label; by default its newest version.

    Raises:
        ServingError: INVALID_ARGUMENT: both a version and a label.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label:
            raise invalid("Expected a version or a version label, not both.")

    def __str__(self) -> str:
        if self.version is None:
            return f"Latest({self.name})"
        return f"Specific({self.name}, {self.version})"


@dataclass
class _Version:
    """error: why the version ended. requests: how many use it now.

    stamp: the time at which its `saved_model.pb` was written, in ns.
    """

    number: int
    state: State
    stamp: int
    loaded: SavedModel | None = None
    error: ServingError | None = None
    requests: int = 0

    def status(self) -> VersionStatus:
        error = self.error or ServingError(Code.OK, "")
        return VersionStatus(self.number, self.state, error.code, error.message)


@dataclass(frozen=True)
class VersionStatus:
    """A version as `GetModelStatus` reports it."""

    number: int
    state: State
    code: Code
    message: str


class ServedModel:
    """The versions of one model directory. Safe to use from many threads."""

    def __init__(self, config: ModelConfig, load: Load, monitoring: Monitoring) -> None:
        self.config = config
        self._load, self._monitoring = load, monitoring
        self._versions: dict[int, _Version] = {}
        self._labels: dict[str, int] = {}
        self._changed = Condition()

    @contextmanager
    def use(self, target: Target) -> Iterator[tuple[int, SavedModel]]:
        """A version's number and model. It stays in memory while the block runs.

        Raises:
            ServingError: NOT_FOUND for a version, INVALID_ARGUMENT for a label, in TF Serving's
                words.
        """
        with self._changed:
            version = self._find(target)
            version.requests += 1
        try:
            assert version.loaded is not None
            yield version.number, version.loaded
        finally:
            with self._changed:
                version.requests -= 1
                self._changed.notify_all()

    def status(self, target: Target) -> list[VersionStatus]:
        """The status of all known versions, newest first, or of the one whose number is named.

        As in TF Serving, a label does not choose a version here.

        Raises:
            ServingError: NOT_FOUND: there is none.
        """
        with self._changed:
            number = target.version
            versions = [v for v in self._versions.values() if number in (None, v.number)]
            if not versions:
                what = "any versions" if number is None else f"version {number}"
                raise ServingError(Code.NOT_FOUND, f"Could not find {what} of model {target.name}")
            return [v.status() for v in sorted(versions, key=lambda v: -v.number)]

    def labels(self) -> dict[str, int]:
        """The version of each label that can be asked for."""
        with self._changed:
            return dict(self._labels)

    def available(self) -> bool:
        with self._changed:
            return bool(self._available())

    def failed(self) -> bool:
        """Whether the newest version could not be loaded."""
        with self._changed:
            return bool(self._versions) and self._versions[max(self._versions)].error is not None

    def refresh(self) -> None:
        """Load and free versions until those that the policy wants are served.

        Versions are only freed once all wanted ones are available.
        """
        paths, labels = version_paths(self.config.directory), self.config.labels
        on_disk = list(paths)
        if labels is None:
            labels = read_labels(self.config.directory).versions
        wanted = self.config.policy.choose(on_disk) | (set(labels.values()) & set(on_disk))
        with self._changed:
            for number, version in list(self._versions.items()):
                if version.state is State.END and number not in on_disk:
                    del self._versions[number]
        for number in sorted(wanted):
            self._ensure_loaded(number, paths[number])
        with self._changed:
            available = self._available()
            self._labels = {label: n for label, n in labels.items() if n in available}
            unwanted = available - wanted if wanted and wanted <= available else set()
        self._unload(unwanted)

    def close(self) -> None:
        """Free all versions, each after its last request."""
        with self._changed:
            available = self._available()
        self._unload(available)

    def _available(self) -> set[int]:
        """The versions that can take requests. The caller holds the lock."""
        return {n for n, version in self._versions.items() if version.state is State.AVAILABLE}

    def _ensure_loaded(self, number: int, path: Path) -> None:
        """Load a version that is not loaded.

        One that could not be loaded is tried again only after its graph was written again: stores
        without renames write the graph last.
        """
        name, start = self.config.name, time.monotonic()
        stamp = _modified_ns(path / "saved_model.pb")
        with self._changed:
            known = self._versions.get(number)
            if known is not None:
                failed_before = known.error is not None and known.stamp == stamp
                if known.state is not State.END or failed_before:
                    return
            version = self._versions[number] = _Version(number, State.LOADING, stamp)
        try:
            if damaged := damage(path, "checksums"):
                message = f"{path} is damaged since it was pushed: {shortened(damaged)}"
                raise ServingError(Code.DATA_LOSS, message)
            loaded = self._load(path)
        except Exception as e:  # a file from elsewhere can make TensorFlow raise anything
            internal = ServingError(Code.INTERNAL, f"{path}: {e!r}")
            error = e if isinstance(e, ServingError) else internal
            _log.error("%s version %d cannot be loaded: %s", name, number, error)
            self._monitoring.count_load(name, error.code, time.monotonic() - start)
            with self._changed:
                version.state, version.error = State.END, error
            return
        self._monitoring.count_load(name, Code.OK, time.monotonic() - start)
        with self._changed:
            version.loaded, version.state = loaded, State.AVAILABLE
        _log.info("%s version %d is available", name, number)

    def _unload(self, numbers: set[int]) -> None:
        """Take no more requests for these versions, then free each after its last one."""
        with self._changed:
            versions = [self._versions[number] for number in numbers]
            for version in versions:
                version.state = State.UNLOADING
        for version in versions:
            with self._changed:
                while version.requests:
                    self._changed.wait()
                if version.loaded is not None:
                    version.loaded.close()
                version.loaded, version.state = None, State.END
            _log.info("%s version %d is unloaded", self.config.name, version.number)

    def _find(self, target: Target) -> _Version:
        number = self._labelled(target.label) if target.label else target.version
        available = self._available()
        if number is None:
            number = max(available, default=None)
        if number not in available:
            raise not_served(target)
        return self._versions[number]

    def _labelled(self, label: str) -> int:
        if label not in self._labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return self._labels[label]


def not_served(target: Target) -> ServingError:
    """The error for a model or version that is not served."""
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {target}")


def _modified_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
