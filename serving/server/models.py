"""The models that a server serves, and their versions: loaded, polled for, replaced.

The newest version on disk is served. When that changes, its successor is loaded first, then takes
over, then the old one is freed once its last request is answered: no request fails.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from threading import Condition, Event, Thread

from serving import versions
from serving.errors import Code, ServingError
from serving.server.saved_model import SavedModel

_log = logging.getLogger(__name__)


class State(IntEnum):
    """A version's life; the values are those of `ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class Version:
    """One version. `error` is why it ended, `requests` how many are using it now."""

    number: int
    state: State = State.START
    loaded: SavedModel | None = None
    error: ServingError | None = None
    requests: int = 0


@dataclass(frozen=True)
class VersionStatus:
    """A version as `GetModelStatus` reports it."""

    number: int
    state: State
    code: Code
    message: str


class ServedModel:
    """A model directory and what of it is loaded."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self._versions: dict[int, Version] = {}
        self._changed = Condition()

    @contextmanager
    def use(self, number: int | None) -> Iterator[tuple[int, SavedModel]]:
        """A version, held in memory as long as the block runs; the newest when None.

        Raises:
            ServingError: NOT_FOUND, with TF Serving's words.
        """
        with self._changed:
            version = self._find(number)
            version.requests += 1
        try:
            assert version.loaded is not None
            yield version.number, version.loaded
        finally:
            with self._changed:
                version.requests -= 1
                self._changed.notify_all()

    def status(self, number: int | None = None) -> list[VersionStatus]:
        """All versions known, newest first, or the one asked for.

        Raises:
            ServingError: NOT_FOUND where there is none.
        """
        with self._changed:
            known = [v for v in self._versions.values() if number in (None, v.number)]
            if not known and number is None:
                raise ServingError(
                    Code.NOT_FOUND, f"Could not find any versions of model {self.name}"
                )
            if not known:
                raise ServingError(
                    Code.NOT_FOUND, f"Could not find version {number} of model {self.name}"
                )
            return [
                VersionStatus(
                    v.number,
                    v.state,
                    v.error.code if v.error else Code.OK,
                    v.error.message if v.error else "",
                )
                for v in sorted(known, key=lambda v: -v.number)
            ]

    def available(self) -> bool:
        """Whether a version answers."""
        with self._changed:
            return any(v.state is State.AVAILABLE for v in self._versions.values())

    def failed(self) -> bool:
        """Whether the newest version could not be loaded."""
        with self._changed:
            return bool(self._versions) and self._versions[max(self._versions)].error is not None

    def refresh(self) -> None:
        """Serve the newest version on disk. While there is none, what is loaded stays."""
        on_disk = versions.numbers(self.directory)
        with self._changed:
            for number, version in list(self._versions.items()):
                if version.state is State.END and number not in on_disk:
                    del self._versions[number]
            if not on_disk or not self._wanted(on_disk[-1]):
                return
            version = self._versions[on_disk[-1]] = Version(on_disk[-1], State.LOADING)
        try:
            loaded = SavedModel(self.directory / str(version.number))
        except ServingError as error:
            _log.error("%s version %d cannot be loaded: %s", self.name, version.number, error)
            with self._changed:
                version.state, version.error = State.END, error
            return
        with self._changed:
            replaced = [v for v in self._versions.values() if v.state is State.AVAILABLE]
            version.loaded, version.state = loaded, State.AVAILABLE
            for old in replaced:
                old.state = State.UNLOADING
        _log.info("%s version %d is available", self.name, version.number)
        for old in replaced:
            self._unload(old)

    def close(self) -> None:
        """Free all versions, each when its last request is answered."""
        with self._changed:
            loaded = [v for v in self._versions.values() if v.state is State.AVAILABLE]
            for version in loaded:
                version.state = State.UNLOADING
        for version in loaded:
            self._unload(version)

    def _unload(self, version: Version) -> None:
        with self._changed:
            self._changed.wait_for(lambda: version.requests == 0)
            if version.loaded is not None:
                version.loaded.close()
            version.loaded, version.state = None, State.END
        _log.info("%s version %d is unloaded", self.name, version.number)

    def _wanted(self, number: int) -> bool:
        """Whether to load a version: a new one, or one replaced before that is the newest again."""
        known = self._versions.get(number)
        return known is None or (known.state is State.END and known.error is None)

    def _find(self, number: int | None) -> Version:
        available = [v for v in self._versions.values() if v.state is State.AVAILABLE]
        if number is None and available:
            return max(available, key=lambda v: v.number)
        for version in available:
            if version.number == number:
                return version
        request = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
        raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {request}")


class Models:
    """All models of a server, refreshed every `period_s` seconds by a thread of their own."""

    def __init__(self, directories: Mapping[str, Path], period_s: float = 1.0) -> None:
        self._models = {name: ServedModel(name, path) for name, path in directories.items()}
        self._period_s = period_s
        self._stop = Event()
        self._available = Event()
        self._failed = Event()
        self._thread = Thread(target=self._poll, name="model-poller", daemon=True)

    def start(self) -> None:
        """Begin to load, and to look for new versions."""
        self._thread.start()

    def wait_available(self) -> None:
        """Wait until every model has had a version that answers."""
        self._available.wait()

    def wait_failed(self) -> None:
        """Wait until the newest version of a model could not be loaded."""
        self._failed.wait()

    def stop(self) -> None:
        """Stop looking, and free everything."""
        self._stop.set()
        self._thread.join()
        for model in self._models.values():
            model.close()

    def status(self, name: str, number: int | None = None) -> list[VersionStatus]:
        """As `ServedModel.status`."""
        if name not in self._models:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        return self._models[name].status(number)

    @contextmanager
    def use(self, name: str, number: int | None = None) -> Iterator[tuple[int, SavedModel]]:
        """As `ServedModel.use`."""
        if name not in self._models:
            request = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {request}")
        with self._models[name].use(number) as version:
            yield version

    def _poll(self) -> None:
        while not self._stop.is_set():
            for model in self._models.values():
                model.refresh()
            if all(model.available() for model in self._models.values()):
                self._available.set()
            if any(model.failed() for model in self._models.values()):
                self._failed.set()
            self._stop.wait(self._period_s)
