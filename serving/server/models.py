"""The models that a server serves, and their versions: loaded, polled for, replaced.

Which versions are wanted is a matter of `policy`. Where that changes, new versions are loaded
first, then take over, then the others are freed once their last request is answered: no request
fails. While a wanted version cannot be loaded, those served before stay.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from threading import Condition, Event, Lock, Thread

from serving.server.monitoring import Monitoring
from serving.server.policy import ModelConfig
from serving.server.saved_model import SavedModel
from serving.versions.history import version_numbers
from serving.versions.labels import read_labels
from serving.wire.errors import Code, ServingError, invalid

_log = logging.getLogger(__name__)

Load = Callable[..., SavedModel]


class State(IntEnum):
    """A version's life; the values are those of `ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class Target:
    """The model that a request names, and the version or the label; the newest version if neither.

    Raises:
        ServingError: INVALID_ARGUMENT: both.
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
class Version:
    """One version. `error` is why it ended, `requests` how many are using it now.

    stamp: tells its `saved_model.pb` from one that is written later.
    """

    number: int
    state: State = State.START
    loaded: SavedModel | None = None
    error: ServingError | None = None
    requests: int = 0
    stamp: int = 0


@dataclass(frozen=True)
class VersionStatus:
    """A version as `GetModelStatus` reports it."""

    number: int
    state: State
    code: Code
    message: str


class ServedModel:
    """A model directory and what of it is loaded."""

    def __init__(self, config: ModelConfig, load: Load, monitoring: Monitoring) -> None:
        self.config = config
        self._load, self._monitoring = load, monitoring
        self._versions: dict[int, Version] = {}
        self._labels: dict[str, int] = {}
        self._changed = Condition()

    @contextmanager
    def use(self, target: Target) -> Iterator[tuple[int, SavedModel]]:
        """A version, held in memory as long as the block runs.

        Raises:
            ServingError: NOT_FOUND, or INVALID_ARGUMENT for a label, with TF Serving's words.
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
        """All versions known, newest first, or the one asked for.

        Raises:
            ServingError: NOT_FOUND where there is none.
        """
        with self._changed:
            number = self._labelled(target.label) if target.label else target.version
            known = [v for v in self._versions.values() if number in (None, v.number)]
            if not known:
                what = "any versions" if number is None else f"version {number}"
                raise ServingError(Code.NOT_FOUND, f"Could not find {what} of model {target.name}")
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
        """Serve what is wanted of the versions on disk. While there is none, all loaded stay."""
        on_disk, told = version_numbers(self.config.directory), self._told()
        wanted = self.config.policy.choose(on_disk) | (set(told.values()) & set(on_disk))
        with self._changed:
            for number, version in list(self._versions.items()):
                if version.state is State.END and number not in on_disk:
                    del self._versions[number]
        for number in sorted(wanted):
            self._ensure(number)
        with self._changed:
            there = {n for n, v in self._versions.items() if v.state is State.AVAILABLE}
            self._labels = {label: n for label, n in told.items() if n in there}
            unwanted = there - wanted if wanted and wanted <= there else set()
            replaced = [self._versions[n] for n in unwanted]
            for old in replaced:
                old.state = State.UNLOADING
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

    def _told(self) -> dict[str, int]:
        fixed = self.config.labels
        return dict(read_labels(self.config.directory).versions if fixed is None else fixed)

    def _loaded(self, path: Path) -> SavedModel:
        try:
            return self._load(path)
        except ServingError:
            raise
        except Exception as error:  # whatever a file that others wrote makes TensorFlow do
            raise ServingError(Code.INTERNAL, f"{path}: {error!r}") from error

    def _ensure(self, number: int) -> None:
        """Load a version: a new one, one that was replaced and is wanted again, or one that could
        not be loaded and has been written since (stores without renames write its graph last).
        """
        name, path, began = self.config.name, self.config.directory / str(number), time.monotonic()
        stamp = _stamp(path / "saved_model.pb")
        with self._changed:
            known = self._versions.get(number)
            ended = known is None or known.state is State.END
            if not ended or (known is not None and known.error and known.stamp == stamp):
                return
            version = self._versions[number] = Version(number, State.LOADING, stamp=stamp)
        try:
            loaded = self._loaded(path)
        except ServingError as error:
            _log.error("%s version %d cannot be loaded: %s", name, number, error)
            self._monitoring.loaded(name, error.code, time.monotonic() - began)
            with self._changed:
                version.state, version.error = State.END, error
            return
        self._monitoring.loaded(name, Code.OK, time.monotonic() - began)
        with self._changed:
            version.loaded, version.state = loaded, State.AVAILABLE
        _log.info("%s version %d is available", name, number)

    def _unload(self, version: Version) -> None:
        with self._changed:
            self._changed.wait_for(lambda: version.requests == 0)
            if version.loaded is not None:
                version.loaded.close()
            version.loaded, version.state = None, State.END
        _log.info("%s version %d is unloaded", self.config.name, version.number)

    def _find(self, target: Target) -> Version:
        number = self._labelled(target.label) if target.label else target.version
        available = [v for v in self._versions.values() if v.state is State.AVAILABLE]
        if number is None and available:
            return max(available, key=lambda v: v.number)
        for version in available:
            if version.number == number:
                return version
        raise _not_served(target)

    def _labelled(self, label: str) -> int:
        if label not in self._labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return self._labels[label]


class Models:
    """All models of a server, refreshed every `period_s` seconds by a thread of their own."""

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        load: Load = SavedModel,
        monitoring: Monitoring | None = None,
        period_s: float = 1.0,
    ) -> None:
        self.monitoring = monitoring or Monitoring()
        self._load, self._period_s = load, period_s
        self._models: dict[str, ServedModel] = {}
        self._refreshing = Lock()
        self._stop, self._available, self._failed = Event(), Event(), Event()
        self._thread = Thread(target=self._poll, name="model-poller", daemon=True)
        self._configure(configs)

    def start(self) -> None:
        """Begin to load, and to look for new versions."""
        self._thread.start()

    def wait_available(self) -> None:
        """Wait until every model has had a version that answers."""
        self._available.wait()

    def wait_failed(self) -> None:
        """Wait until the newest version of a model could not be loaded."""
        self._failed.wait()

    def available(self) -> bool:
        """Whether every model has a version that answers now."""
        return all(model.available() for model in self._models.values())

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Serve these models and no others; returns when their versions are loaded.

        Raises:
            ServingError: FAILED_PRECONDITION: a model has no version that can be loaded.
        """
        with self._refreshing:
            removed = self._configure(configs)
            for model in self._models.values():
                model.refresh()
        for model in removed:
            model.close()
        if empty := [name for name, model in self._models.items() if not model.available()]:
            raise ServingError(
                Code.FAILED_PRECONDITION, f"No version of {', '.join(empty)} can be served."
            )

    def stop(self) -> None:
        """Stop looking, and free everything."""
        self._stop.set()
        self._thread.join()
        for model in self._models.values():
            model.close()

    def known(self, name: str) -> str:
        """The name if such a model is served, else "": what a metric may be labelled with."""
        return name if name in self._models else ""

    def status(self, target: Target) -> list[VersionStatus]:
        """As `ServedModel.status`."""
        model = self._models.get(target.name)
        if model is None:
            raise ServingError(
                Code.NOT_FOUND, f"Could not find any versions of model {target.name}"
            )
        return model.status(target)

    @contextmanager
    def use(self, target: Target) -> Iterator[tuple[int, SavedModel]]:
        """As `ServedModel.use`."""
        model = self._models.get(target.name)
        if model is None:
            raise _not_served(target)
        with model.use(target) as version:
            yield version

    def _configure(self, configs: Sequence[ModelConfig]) -> list[ServedModel]:
        """Take on these models; those that are no longer among them."""
        made: dict[str, ServedModel] = {}
        for config in configs:
            known = self._models.get(config.name)
            if known is not None and known.config.directory == config.directory:
                known.config = config
                made[config.name] = known
            else:
                made[config.name] = ServedModel(config, self._load, self.monitoring)
        removed = [model for model in self._models.values() if model not in made.values()]
        self._models = made
        return removed

    def _poll(self) -> None:
        while not self._stop.is_set():
            with self._refreshing:
                for name, model in self._models.items():
                    try:
                        model.refresh()
                    except Exception:  # a disk that fails for a moment must not end the polling
                        _log.exception("%s: its versions cannot be looked up now", name)
                if self.available():
                    self._available.set()
                if any(model.failed() for model in self._models.values()):
                    self._failed.set()
            self._stop.wait(self._period_s)


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _not_served(target: Target) -> ServingError:
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {target}")
